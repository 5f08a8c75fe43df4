"""Estimate a classifier's accuracy by average thresholded confidence (ATC): the share of images above a confidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from howfar.arrays import Float64Array
from howfar.relation.label_free_columns import Columns, column
from howfar.relation.labelled_images import Labelled

_ROUNDING = 1e-12


@dataclass(frozen=True)
class ConfidenceThreshold:
    """Predict 1 for an image whose column lies above `cut`, 0 for one below, and `share` for one at it."""

    name: str
    needs: tuple[str, ...]
    cut: float
    share: float

    def predict(self, columns: Columns) -> Float64Array:
        """Estimate performance, (m,); NaN for an image that lacks the column."""
        values = column(columns, self.needs[0])
        at = np.where(values == self.cut, self.share, (values > self.cut).astype(np.float64))
        return np.where(np.isnan(values), np.nan, at)

    def to_dict(self) -> dict[str, Any]:
        """Return the fit as JSON values."""
        return {
            "form": "confidence_threshold",
            "estimator": self.name,
            "needs": list(self.needs),
            "cut": self.cut,
            "share": self.share,
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> ConfidenceThreshold:
        """Rebuild a fit from the values of `to_dict`; raises `ValueError` where it reads no single column."""
        needs = tuple(str(name) for name in document["needs"])
        if len(needs) != 1:
            raise ValueError(f"a threshold on {len(needs)} columns")
        return cls(str(document["estimator"]), needs, float(document["cut"]), float(document["share"]))


def confidence_threshold(name: str, needs: tuple[str, ...], labelled: Labelled) -> ConfidenceThreshold:
    """Learn the confidence c above which the share of images is the labelled sets' mean accuracy.

    The estimate for a set is the share of its images that are more confident than c: the mean of these predictions, which are 0
    or 1 for an image. Labelled sets weigh alike. Images of confidence c itself count with the weight that makes the share over
    the labelled images exactly their accuracy.

    Source: Garg, Balakrishnan, Lipton, Neyshabur & Sedghi, "Leveraging unlabeled data to predict out-of-distribution
    performance" (ICLR 2022), https://arxiv.org/abs/2201.04234.
    """
    weights, values = labelled.weights(), column(labelled.columns, needs[0])
    target = float(weights @ labelled.performance)
    levels, place = np.unique(values, return_inverse=True)
    at = np.bincount(place, weights)
    above = np.concatenate([np.cumsum(at[::-1])[::-1][1:], [0.0]])
    # The highest level whose share, with the images at it, reaches the target; of the lowest level the share is 1.
    position = int(np.flatnonzero(above + at >= target - _ROUNDING)[-1])
    share = float(np.clip((target - above[position]) / at[position], 0.0, 1.0))
    return ConfidenceThreshold(name, needs, float(levels[position]), share)
