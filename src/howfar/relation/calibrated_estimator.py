"""Fit a performance estimator and give its estimates conformal intervals, from errors on datasets left out of the fit.

What the intervals promise
--------------------------
An image's interval holds its performance with a chance of at least about `level` where that image is exchangeable with the
labelled ones, drawn from the same mixture of sets (more where sets differ, as its width is that of sets left out). For images
of a *new* dataset nothing promises it: how often intervals held when a labelled dataset was left out is what
`howfar.relation.judge` measures.

A set's interval is for its mean performance, and takes the labelled *sets* as a sample of datasets like the new one. K sets
allow a level of at most K / (K + 1): with three sets it is 0.75, whatever was asked for, and the interval says so. The errors
come from fits to K − 1 sets, the estimate from one to K, so that a level is met closely, not exactly: where a set's mean is
normal and nothing predicts it, 0.71 for 0.75 with three sets, 0.78 for 0.80 with four, 0.90 for 0.90 with nine. With two sets
both errors are one number, and the level is 0.5: 0.54 is what it holds there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from howfar.arrays import Float64Array
from howfar.errors import InputError
from howfar.protocols import Estimator, FittedEstimator
from howfar.relation.label_free_columns import Columns, narrow, take
from howfar.relation.labelled_images import Labelled
from howfar.relation.performance_estimators import named, restore
from howfar.results.relation import SetEstimate
from howfar.significance.conformal import quantile

_OF_TWO = 0.5


@dataclass(frozen=True, eq=False)
class Calibrated:
    """Hold a fitted estimator and its errors on labelled images that were left out of the fit.

    Attributes
    ----------
    fitted
        The estimator, fitted to all of the labelled images.
    level
        Confidence level of the intervals.
    estimates
        (n,) estimates of the labelled images, each by a fit to the other sets (with one set: to its other folds). Of length 0
        where a single labelled image leaves nothing to fit to; intervals are then 0 to 1.
    performance
        (n,) performance of each labelled image.
    sets
        Name of the set that each labelled image is of.
    """

    fitted: FittedEstimator
    level: float
    estimates: Float64Array
    performance: Float64Array
    sets: tuple[str, ...]

    @property
    def name(self) -> str:
        """Return the estimator's name."""
        return self.fitted.name

    @property
    def needs(self) -> tuple[str, ...]:
        """Return the names of the columns that the estimator reads."""
        return self.fitted.needs

    def predict(self, columns: Columns) -> tuple[Float64Array, Float64Array, Float64Array]:
        """Estimate the performance of images, with the low and high ends of their intervals.

        The interval is the estimate ± the ⌈(n + 1) · level⌉-th smallest of the absolute errors, clipped to [0, 1]; all of [0,
        1] where n is too small for the level. Each error is of a fit that did not see that image's set, as in the jackknife,
        where split-conformal intervals would spend a part of the labels on calibration alone. Source: Lei, G'Sell, Rinaldo,
        Tibshirani & Wasserman, "Distribution-free predictive inference for regression", JASA 113 (2018), algorithms 2 and 3.
        The module's text says for which images the level holds.

        Parameters
        ----------
        columns
            What is known of m images.

        Returns
        -------
        tuple of ndarray
            (m,) each, in [0, 1]; NaN for an image that lacks a column which the estimator needs.
        """
        estimate = self.fitted.predict(columns)
        half = quantile(np.abs(self.performance - self.estimates), self.level)
        return estimate, np.clip(estimate - half, 0.0, 1.0), np.clip(estimate + half, 0.0, 1.0)

    def predict_set(self, columns: Columns, dataset: str, measured: float | None = None) -> SetEstimate:
        """Estimate a set's mean performance, with an interval from the errors of the labelled sets' means.

        The interval is the mean of the images' estimates ± the ⌈(K + 1) · level⌉-th smallest of the K sets' absolute errors,
        clipped to [0, 1]; `level` is cut to K / (K + 1), with two sets to 0.5. With one labelled set nothing is known of how
        sets differ: the interval is 0 to 1.

        Parameters
        ----------
        columns
            What is known of the set's images. Those without an estimate are left out; `n` says how many were not.
        dataset
            The set's name.
        measured
            The set's true mean performance where that is known.

        Raises
        ------
        InputError
            No image has what the estimator needs.
        """
        estimates = self.fitted.predict(columns)
        estimates = estimates[np.isfinite(estimates)]
        if len(estimates) == 0:
            raise InputError.of("columns", f"must give {self.name} what it needs ({' and '.join(self.needs)})", dataset)
        predicted = float(np.mean(estimates))
        half, level = self._set_half_width()
        low, high = max(predicted - half, 0.0), min(predicted + half, 1.0)
        return SetEstimate(dataset, self.name, len(estimates), predicted, low, high, level, measured)

    def _set_half_width(self) -> tuple[float, float]:
        names, codes = np.unique(np.array(self.sets, dtype=np.str_), return_inverse=True)
        if len(names) < 2:
            return float("inf"), self.level
        errors = np.bincount(codes, self.estimates - self.performance) / np.bincount(codes)
        most = len(names) / (len(names) + 1) if len(names) > 2 else _OF_TWO
        level = min(self.level, most)
        return quantile(np.abs(errors), level), level

    def to_dict(self) -> dict[str, Any]:
        """Return the calibrated estimator as JSON values, from which `from_dict` makes the same again, bit for bit."""
        return {
            "fitted": self.fitted.to_dict(),
            "level": self.level,
            "estimates": self.estimates.tolist(),
            "performance": self.performance.tolist(),
            "sets": list(self.sets),
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Calibrated:
        """Rebuild a calibrated estimator from the values of `to_dict`.

        Raises
        ------
        InputError
            The document is not that of a calibrated estimator.
        UnknownNameError
            No estimator of the document's name is registered.
        """
        try:
            level = float(document["level"])
            estimates, performance = (np.array(document[key], dtype=np.float64) for key in ("estimates", "performance"))
            sets, fitted = tuple(str(name) for name in document["sets"]), document["fitted"]
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"document must be that of a calibrated estimator ({type(error).__name__}: {error})") from error
        if not estimates.shape == performance.shape == (len(sets),):
            raise InputError.of("document", "must hold one estimate and one performance an image", estimates.shape)
        return cls(restore(fitted), level, estimates, performance, sets)


def calibrate(
    estimator: str | Estimator,
    columns: Columns,
    performance: ArrayLike,
    sets: ArrayLike,
    *,
    level: float = 0.9,
    groups: ArrayLike | None = None,
) -> Calibrated:
    """Fit an estimator to labelled images, and find its errors on each of their sets when fitted to the others.

    With a single labelled set its ten folds take the place of the sets (see `groups`), so that errors are those on further
    images of the same set.

    Parameters
    ----------
    estimator
        A registered name, or an estimator.
    columns
        What is known of n labelled images. Those that lack what the estimator needs are left out.
    performance
        (n,) performance of each image, 0 to 1.
    sets
        (n,) name of the set that each image is of.
    level
        Confidence level of the intervals, between 0 and 1.
    groups
        (n,) the photograph that each is of. With a single set, images of one photograph are then left out together; without it,
        runs of consecutive images are.

    Raises
    ------
    InputError
        Lengths that differ, a performance outside [0, 1], a level outside (0, 1), or no image that has what it needs.
    UnknownNameError
        No estimator of that name is registered.

    Examples
    --------
    >>> columns = {"flip_agreement": [0.2, 0.4, 0.5, 0.9]}
    >>> performance, sets = [0.2, 0.5, 0.5, 0.8], ["cracks", "cracks", "tiles", "tiles"]
    >>> calibrated = calibrate("flip_agreement", columns, performance, sets, level=0.8)
    >>> estimate, low, high = calibrated.predict({"flip_agreement": [0.4]})
    >>> bool(low[0] < estimate[0] < high[0])
    True
    """
    if not 0.0 < level < 1.0:
        raise InputError.of("level", "must lie between 0 and 1", level, "pass 0.9")
    settled = named(estimator).resolve(columns, sets)
    if settled is None:
        raise InputError.of("columns", f"must give {named(estimator).name} what it needs", sorted(columns))
    labelled = Labelled.of(narrow(columns, settled.needs), performance, sets, groups).having(settled.needs)
    names = tuple(str(name) for name in labelled.sets)
    labelled = labelled.coded()
    left_out = _left_out(settled, labelled)
    estimated = np.isfinite(left_out)
    estimated_sets = tuple(name for name, keep in zip(names, estimated, strict=True) if keep)
    return Calibrated(_fit(settled, labelled), level, left_out[estimated], labelled.performance[estimated], estimated_sets)


def _fit(estimator: Estimator, labelled: Labelled) -> FittedEstimator:
    return estimator.fit(labelled.columns, labelled.performance, labelled.sets, labelled.groups)


def _left_out(estimator: Estimator, labelled: Labelled) -> Float64Array:
    """Estimate the labelled images by fits that did not see their folds; NaN where there is nothing to fit to."""
    estimates = np.full(len(labelled.performance), np.nan)
    for rest, inside in labelled.splits():
        estimates[inside] = _fit(estimator, rest).predict(take(labelled.columns, inside))
    return estimates
