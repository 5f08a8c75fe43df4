"""Estimate an image's performance by average thresholded confidence (ATC) over its predicted foreground."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from howfar.arrays import Float64Array
from howfar.relation.label_free_columns import HISTOGRAM, VALUES, Columns, column
from howfar.relation.labelled_images import Labelled

NEEDS = (HISTOGRAM, "predicted_foreground")


@dataclass(frozen=True)
class Thresholded:
    """Predict the share of predicted foreground with a value above `value`; pixels at `value` count with weight `share`."""

    name: str
    value: int
    share: float
    needs: tuple[str, ...] = NEEDS

    def predict(self, columns: Columns) -> Float64Array:
        """Estimate performance, (m,); NaN for an image that lacks a column, 0 for one on which nothing is predicted."""
        above = _share_at_least(columns, self.value + 1)
        return np.clip(above + self.share * (_share_at_least(columns, self.value) - above), 0.0, 1.0)

    def to_dict(self) -> dict[str, Any]:
        """Return the fit as JSON values."""
        return {"form": "thresholded", "estimator": self.name, "value": self.value, "share": self.share}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Thresholded:
        """Rebuild a fit from the values of `to_dict`."""
        return cls(str(document["estimator"]), int(document["value"]), float(document["share"]))


def thresholded(name: str, needs: tuple[str, ...], labelled: Labelled) -> Thresholded:
    """Learn the confidence above which the share of predicted foreground equals performance, on average.

    Garg et al. take the share of images whose confidence is above c, with c such that on the source this share is the accuracy.
    Here an image is a set of pixels and performance is F, which says nothing of true background. The share of *all*
    pixels would stand for pixel accuracy, near 1 wherever the foreground is thin. So only predicted foreground is counted
    (p above the common threshold), a pixel's confidence is its p, and c is such that the mean share over the labelled images
    (sets alike, 0 for an image on which nothing is predicted, as its F) is their mean performance. Values are 8-bit, so c lies
    at one of them, and pixels of that very value count with the weight that makes the two equal.
    Where even all predicted foreground is too small a share, all is counted.

    Source: Garg, Balakrishnan, Lipton, Neyshabur & Sedghi, "Leveraging unlabeled data to predict out-of-distribution
    performance" (ICLR 2022), https://arxiv.org/abs/2201.04234.
    """
    w = labelled.weights()
    target = float(w @ labelled.performance)
    shares = np.array([float(w @ row) for row in _shares_at_least(labelled.columns).T])
    enough = np.flatnonzero(shares[:VALUES] >= target)
    if len(enough) == 0:
        return Thresholded(name, 0, 1.0, needs)
    value = int(enough[-1])
    step = float(shares[value] - shares[value + 1])
    return Thresholded(name, value, (target - float(shares[value + 1])) / step if step > 0 else 0.0, needs)


def _shares_at_least(columns: Columns) -> Float64Array:
    """Compute the share of predicted foreground with at least each value, (m, 257): column v for value v, the last all 0."""
    histogram, foreground = column(columns, HISTOGRAM), column(columns, NEEDS[1])[:, None]
    at_least = np.zeros((len(histogram), VALUES + 1))
    at_least[:, :VALUES] = np.cumsum(histogram[:, ::-1], axis=1)[:, ::-1]
    shares = np.divide(at_least, foreground, out=np.zeros(at_least.shape), where=foreground != 0)
    shares[np.isnan(at_least[:, 0])] = np.nan
    # For values below the common threshold more pixels count than the predicted foreground: the share is then 1.
    return np.minimum(shares, 1.0)


def _share_at_least(columns: Columns, value: int) -> Float64Array:
    return _shares_at_least(columns)[:, value]
