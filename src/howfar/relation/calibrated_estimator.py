"""Fit a performance estimator, and give its estimates intervals from its errors on datasets left out of the fit.

What the intervals promise
--------------------------
A set's interval is for its mean performance, and takes the labelled foreign *sets* as a sample of datasets like the new
one. It is ŷ ± t(K − 1, (1 + level) / 2) · √(mean of e_k²): e_k are the errors of the means of K foreign sets, each left out
of the fit in turn, and t is Student's quantile. Errors of sets left out in turn hang together (where nothing predicts the
sets' means, they sum to 0), so K − 1 degrees of freedom are counted. Few sets give wide intervals at the level that was asked
for, instead of narrow ones at a lower level; a single one gives none. `benchmarks/answer.py` measures how often they hold.

An image's interval is ŷ ± q · g(ŷ). g(ŷ) = √(ŷ (1 − ŷ) + 0.02) is how much performances near ŷ spread; q is wide enough for
the share `level` of the images of nearly every set that was left out: of the K sets' own level-quantiles of |e| / g, the
⌈(K + 1) · level⌉-th smallest, which for fewer than ten sets at 0.9 is that of the set on which the estimator did worst. Nothing
promises either interval for a set unlike the labelled ones: that is what the gate tells.

Where performance is right or wrong (1 or 0, of a classifier) an image has no interval: nothing lies between, and one that holds
the truth nine times in ten is either the whole scale or a certainty that nobody has. The estimate is then the probability of
being right, and only a set's interval is given. The share of images that are right also varies by chance, the more the fewer
they are: where a set has fewer images than those left out had, half its interval's width is the root of the above squared plus
z² · mean of ŷ (1 − ŷ) · (1 / n − mean of 1 / n_k), with the normal quantile z, as the variance of chance is known.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from howfar.arrays import Float64Array
from howfar.errors import InputError
from howfar.protocols import Estimator, FittedEstimator
from howfar.relation.known_fits import KnownFits
from howfar.relation.label_free_columns import Columns, narrow, take
from howfar.relation.labelled_images import Labelled
from howfar.relation.performance_estimators import named, restore
from howfar.results.relation import SetEstimate
from howfar.significance.conformal import quantile

_ROUNDING = 1e-9
_SPREAD = 0.02
"""Variance that an image's performance has even where the estimate is 0 or 1."""


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
        (n,) estimates of the labelled images of the sets that were left out, each by a fit to the other sets (with one set: to
        its other folds). Of length 0 where nothing can be left out.
    performance
        (n,) performance of each labelled image.
    sets
        Name of the set that each of these images is of.
    left_out
        K, the number of foreign sets that were left out. Fewer than two tell nothing of how sets differ: intervals are 0 to 1.
    """

    fitted: FittedEstimator
    level: float
    estimates: Float64Array
    performance: Float64Array
    sets: tuple[str, ...]
    left_out: int

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

        The module's text has the formula, and says for which images the level holds. Each error is of a fit that did not see
        that image's set, as in the jackknife, where split-conformal intervals would spend a part of the labels on calibration
        alone. Source: Lei, G'Sell, Rinaldo, Tibshirani & Wasserman, "Distribution-free predictive inference for regression",
        JASA 113 (2018), section 5.2 (errors scaled by their spread).

        Parameters
        ----------
        columns
            What is known of m images.

        Returns
        -------
        tuple of ndarray
            (m,) each, in [0, 1]; NaN for an image that lacks a column which the estimator needs. The ends are NaN where
            performance is right or wrong, as the module's text says.
        """
        estimate = self.fitted.predict(columns)
        if self.right_or_wrong:
            return estimate, np.full(estimate.shape, np.nan), np.full(estimate.shape, np.nan)
        half = self._image_half_width() * _spread(estimate)
        return estimate, np.clip(estimate - half, 0.0, 1.0), np.clip(estimate + half, 0.0, 1.0)

    def predict_set(self, columns: Columns, dataset: str, measured: float | None = None) -> SetEstimate:
        """Estimate a set's mean performance, with an interval from the errors of the left-out sets' means.

        The module's text has the formula. The interval is clipped to [0, 1]; it is 0 to 1 with fewer than two sets left out.

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
        return self.of_estimates(estimates, dataset, measured)

    def of_estimates(self, estimates: Float64Array, dataset: str, measured: float | None = None) -> SetEstimate:
        """Estimate a set's mean performance from its images' estimates, (m,) finite; all else is as in `predict_set`."""
        predicted, half, chance = float(np.mean(estimates)), self.set_half_width(), self._chance(estimates)
        if chance > 0.0:
            half = math.sqrt(half**2 + chance)
        low, high = max(predicted - half, 0.0), min(predicted + half, 1.0)
        return SetEstimate(dataset, self.name, len(estimates), predicted, low, high, self.level, measured)

    @property
    def right_or_wrong(self) -> bool:
        """Return whether the performance of every labelled image is 0 or 1, and both occur."""
        return set(np.unique(self.performance).tolist()) == {0.0, 1.0}

    def set_errors(self) -> dict[str, float]:
        """Return the error, estimated less measured, of the mean of each set that was left out."""
        names, codes = np.unique(np.array(self.sets, dtype=np.str_), return_inverse=True)
        if not len(names):
            return {}
        errors = np.bincount(codes, self.estimates - self.performance) / np.bincount(codes)
        return dict(zip(names.tolist(), errors.tolist(), strict=True))

    def set_half_width(self) -> float:
        """Compute half the width of a set's interval before it is clipped; infinite with fewer than two sets left out."""
        if self.left_out < 2:
            return float("inf")
        errors = np.array(list(self.set_errors().values()))
        return float(_student(self.left_out - 1, self.level) * np.sqrt(np.mean(errors**2)))

    def _chance(self, estimates: Float64Array) -> float:
        """Compute by how much chance widens the squared half width for a set of few images that are right or wrong."""
        if not self.right_or_wrong or self.left_out < 2:
            return 0.0
        from scipy.special import ndtri

        counts = np.unique(np.array(self.sets, dtype=np.str_), return_counts=True)[1]
        rarer = max(1.0 / len(estimates) - float(np.mean(1.0 / counts)), 0.0)
        return float(ndtri((1.0 + self.level) / 2.0) ** 2 * np.mean(estimates * (1.0 - estimates)) * rarer)

    def _image_half_width(self) -> float:
        """Compute half an image's interval in units of the spread at its estimate."""
        if self.left_out < 2:
            return float("inf")
        scaled = np.abs(self.estimates - self.performance) / _spread(self.estimates)
        _, codes = np.unique(np.array(self.sets, dtype=np.str_), return_inverse=True)
        by_set = [quantile(scaled[codes == code], self.level) for code in range(int(codes.max()) + 1)]
        # A set of few images allows no quantile of this level: its largest error is the most that is known of it.
        reached = [min(q, float(scaled[codes == code].max())) for code, q in enumerate(by_set)]
        return sorted(reached)[min(math.ceil((len(reached) + 1) * self.level - _ROUNDING), len(reached)) - 1]

    def to_dict(self) -> dict[str, Any]:
        """Return the calibrated estimator as JSON values, from which `from_dict` makes the same again, bit for bit."""
        return {
            "fitted": self.fitted.to_dict(),
            "level": self.level,
            "estimates": self.estimates.tolist(),
            "performance": self.performance.tolist(),
            "sets": list(self.sets),
            "left_out": self.left_out,
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
            # Profiles that howfar 0.1 wrote left out every set there was, or folds of a single one.
            several = len(set(sets)) if len(set(sets)) > 1 else 0
            left_out = int(document.get("left_out", several))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise InputError(f"document must be that of a calibrated estimator ({type(error).__name__}: {error})") from error
        if not estimates.shape == performance.shape == (len(sets),):
            raise InputError.of("document", "must hold one estimate and one performance an image", estimates.shape)
        if not 0 < level < 1 or left_out < 0 or not np.isfinite(estimates).all() or not np.isfinite(performance).all():
            raise InputError("document must hold a level between 0 and 1, and finite estimates and performance")
        return cls(restore(fitted), level, estimates, performance, sets, left_out)


def calibrate(
    estimator: str | Estimator,
    columns: Columns,
    performance: ArrayLike,
    sets: ArrayLike,
    *,
    level: float = 0.9,
    groups: ArrayLike | None = None,
    home: str | None = None,
) -> Calibrated:
    """Fit an estimator to labelled images, and find its errors on each of their sets when fitted to the others.

    The primary dataset's own kind (`home`) is in every fit, as it has labels wherever a model is used: the errors are those on
    foreign sets.

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
    home
        Name of the set that is of the primary dataset's own kind, where one is.

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
    whole = Labelled.of(columns, performance, sets, groups, home)
    settled = resolved(named(estimator), whole)
    if settled is None:
        raise InputError.of("columns", f"must give {named(estimator).name} what it needs", sorted(columns))
    return calibrated(settled, replace(whole, columns=narrow(columns, settled.needs)), level, KnownFits())


def calibrated(settled: Estimator, whole: Labelled, level: float, known: KnownFits) -> Calibrated:
    """Fit an estimator whose columns are settled to validated images, and find its errors; `known` are the fits made before."""
    labelled = whole.having(settled.needs)
    names = tuple(str(name) for name in labelled.sets)
    labelled = labelled.coded()
    left_out = _left_out(settled, labelled, known)
    estimated = np.isfinite(left_out)
    estimated_sets = tuple(name for name, keep in zip(names, estimated, strict=True) if keep)
    errors_of = (left_out[estimated], labelled.performance[estimated], estimated_sets)
    return Calibrated(known.fit(settled, labelled), level, *errors_of, labelled.foreign())


def resolved(estimator: Estimator, labelled: Labelled) -> Estimator | None:
    """Settle which columns an estimator reads by what the foreign sets have; None where it cannot be used on them.

    The primary dataset's own images have no distance from it as new images have one. An estimator that reads distances is
    fitted to the other sets alone.
    """
    foreign = labelled if labelled.home is None or labelled.home.all() else labelled.take(~labelled.home)
    return estimator.resolve(foreign.columns, foreign.sets)


def _left_out(estimator: Estimator, labelled: Labelled, known: KnownFits) -> Float64Array:
    """Estimate the labelled images by fits that did not see their folds; NaN where there is nothing to fit to."""
    estimates = np.full(len(labelled.performance), np.nan)
    for rest, inside in labelled.splits():
        estimates[inside] = known.fit(estimator, rest).predict(take(labelled.columns, inside))
    return estimates


def _spread(estimate: Float64Array) -> Float64Array:
    """Compute g(ŷ) = √(ŷ (1 − ŷ) + 0.02), to which the errors of images are proportional."""
    return np.asarray(np.sqrt(estimate * (1.0 - estimate) + _SPREAD), dtype=np.float64)


def _student(freedom: int, level: float) -> float:
    """Compute the (1 + level) / 2 quantile of Student's t."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1.0 + level) / 2.0))
