"""Fit a performance estimator, with intervals derived from its errors on datasets left out of the fit.

What the intervals promise
--------------------------
A set's interval is for its mean performance. It is ŷ ± w · t(ν, (1 + level) / 2) · s, with Student's quantile t and

    s² = (ν₀ s₀² + Σ_k e_k²) / ν,   ν = ν₀ + K.

e_k are the errors of the means of K sets, each left out of the fit in turn: the labelled sites that pass the gate when they are
left out and, from two sites on, the primary dataset's own kind. A site that the gate stops says nothing of sites that pass it.
(ν₀, s₀²) is the prior, a scaled inverse χ² of few degrees of freedom: s₀² is the mean squared error on corrupted sets, each
kind left out of a fit without any site, so that 22 corrupted sets weigh as much as two labelled sites; without corrupted sets
it is `PRIOR_ERROR`². Each label adds a degree of freedom. w is 1 in the range of the labelled sets and grows to
`AT_THE_LIMIT` at the gate's limit. Source: Gelman, Carlin, Stern, Dunson, Vehtari & Rubin, "Bayesian data analysis" (3rd
edition, 2013), section 2.6 (variance with a scaled-inverse-χ² prior). `benchmarks/answer.py` measures how often they hold.

An image's interval is ŷ ± q · g(ŷ). g(ŷ) = √(ŷ (1 − ŷ) + 0.02) is how much performances near ŷ spread; q is wide enough for
the share `level` of the images of nearly every set that was left out: of the sets' own level-quantiles of |e| / g, the
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
from hashlib import blake2b
from typing import Any, Final, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar import registry
from howfar.arrays import Float64Array, check_level
from howfar.errors import InputError
from howfar.protocols import Estimator, FittedEstimator
from howfar.relation.labelled_images import Columns, LabelledImages, Role, narrow, take
from howfar.relation.performance_estimators import Consensus, ConsensusFit, named, restore
from howfar.results.relation_result import SetEstimate
from howfar.significance.bootstrap import student
from howfar.significance.hypothesis_tests import quantile


class KnownFits:
    """Cache fits, also of a consensus's members, by their images alone: a cached fit equals a new one bit for bit."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, bytes], FittedEstimator] = {}

    def fit(self, estimator: Estimator, labelled: LabelledImages) -> FittedEstimator:
        """Return the estimator fitted to these images, from the cache if possible."""
        if isinstance(estimator, Consensus) and estimator.settled:
            return ConsensusFit(estimator.name, tuple(self.fit(member, labelled) for member in estimator.settled))
        learnt = replace(labelled, columns=narrow(labelled.columns, estimator.needs))
        # Columns, performance, sets and groups; of set and group names only the order counts.
        digest = blake2b(digest_size=16)
        for name in sorted(learnt.columns):
            values = np.ascontiguousarray(learnt.columns[name])
            digest.update(f"{name} {values.dtype} {values.shape}".encode())
            digest.update(values.tobytes())
        digest.update(learnt.performance.tobytes())
        for names in (learnt.sets, learnt.groups):
            digest.update(b"-" if names is None else np.unique(names, return_inverse=True)[1].astype(np.int64).tobytes())
        key = (estimator.name, digest.digest())
        if key not in self._known:
            fitted = estimator.fit(learnt.columns, learnt.performance, learnt.sets, learnt.groups)
            registry.check(fitted, "FittedEstimator", f"what the estimator {estimator.name} is fitted to")
            self._known[key] = fitted
        return self._known[key]


ROLES: Final[tuple[Role, ...]] = get_args(Role)
PRIOR_FREEDOM = 2.0
"""Degrees of freedom of the prior of an estimator's error: it weighs as much as two labelled sets."""
PRIOR_ERROR = 0.08
"""Error of a set's mean that is expected before anything is labelled, where there are no corrupted sets."""
PRIOR_SETS = 22
"""Corrupted sets that fill the prior: as many as `howfar.corrupt` makes."""
AT_THE_LIMIT = 1.5
"""How many times as wide a set's interval is at the gate's limit as within the range of the labelled sets."""
_ROUNDING = 1e-9
_SPREAD = 0.02
"""Variance that an image's performance has even where the estimate is 0 or 1."""


@dataclass(frozen=True, eq=False)
class Calibrated:
    """Hold a fitted estimator and its errors on labelled images left out of the fit.

    `fitted` is fitted to all of the labelled images. `estimates` (n,) are of the images of the sets that were left out, each by
    a fit to the other sets (with one set: to its other folds), of length 0 where nothing can be left out; `performance` (n,)
    and `sets` are of the same images. `roles` say what each of these sets is: a labelled "site", the primary dataset's own kind
    ("home"), or "corrupted". `stopped` are the sites that the gate stops when they are left out: their errors do not count.
    """

    fitted: FittedEstimator
    level: float
    estimates: Float64Array
    performance: Float64Array
    sets: tuple[str, ...]
    roles: Mapping[str, Role]
    stopped: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """Return the estimator's name."""
        return self.fitted.name

    @property
    def needs(self) -> tuple[str, ...]:
        """Return the names of the columns that the estimator reads."""
        return self.fitted.needs

    @property
    def left_out(self) -> int:
        """Count the labelled sites left out of the fit in turn; 0 with a single set, whose folds are left out instead."""
        sites = sum(role == "site" for role in self.roles.values())
        return sites if len(self.roles) > 1 else 0

    def predict(self, columns: Columns) -> tuple[Float64Array, Float64Array, Float64Array]:
        """Estimate the performance of each of m images, with the low and high ends of its interval, (m,) each in [0, 1].

        The module's text has the formula, and says for which images the level holds. Each error is of a fit that did not see
        that image's set, as in the jackknife, where split-conformal intervals would spend a part of the labels on calibration
        alone. Source: Lei, G'Sell, Rinaldo, Tibshirani & Wasserman, "Distribution-free predictive inference for regression",
        JASA 113 (2018), section 5.2 (errors scaled by their spread). NaN stands for an image that lacks a column, and for the
        ends where performance is right or wrong.
        """
        estimate = self.fitted.predict(columns)
        if self.right_or_wrong:
            return estimate, np.full(estimate.shape, np.nan), np.full(estimate.shape, np.nan)
        # The half-width of an image's interval in units of g(ŷ): infinite with fewer than two sets.
        half_width = float("inf")
        if len(self.roles) > 1:
            estimates, performance, names = self.tried()
            scaled = np.abs(estimates - performance) / _spread(estimates)
            by_set = [scaled[names == name] for name in np.unique(names)]
            # A set of few images allows no quantile of this level: its largest error is the most that is known of it.
            reached = sorted(min(quantile(errors, self.level), float(errors.max())) for errors in by_set)
            half_width = reached[min(math.ceil((len(reached) + 1) * self.level - _ROUNDING), len(reached)) - 1]
        half = half_width * _spread(estimate)
        return estimate, np.clip(estimate - half, 0.0, 1.0), np.clip(estimate + half, 0.0, 1.0)

    def predict_set(self, columns: Columns, dataset: str, measured: float | None = None) -> SetEstimate:
        """Estimate a set's mean performance from its images' columns, with an interval derived from the errors on other sets.

        Images without an estimate are left out; `n` says how many were not. `measured` is the true mean where known. Raises
        `InputError` where no image has what the estimator needs.
        """
        estimates = self.fitted.predict(columns)
        estimates = estimates[np.isfinite(estimates)]
        if len(estimates) == 0:
            raise InputError.of("columns", f"must give {self.name} what it needs ({' and '.join(self.needs)})", dataset)
        return self.of_estimates(estimates, dataset, measured)

    def of_estimates(
        self,
        estimates: Float64Array,
        dataset: str,
        measured: float | None = None,
        beyond: float = 0.0,
        independent: float | None = None,
    ) -> SetEstimate:
        """Estimate a set's mean performance and interval, clipped to [0, 1], from its images' estimates, (m,) finite.

        `beyond` says where between the range of the labelled sets (0) and the gate's limit (1) the set lies; `independent` is
        the effective number of groups of its images, by default each is one: chance counts groups.
        """
        predicted, half = float(np.mean(estimates)), self.set_half_width()
        half *= 1.0 + (AT_THE_LIMIT - 1.0) * min(max(beyond, 0.0), 1.0)
        if self.right_or_wrong:
            counts = np.unique(np.array(self.sets, dtype=np.str_), return_counts=True)[1]
            groups = len(estimates) if independent is None else min(independent, len(estimates))
            chance = self._chance_of_few(float(np.mean(estimates * (1.0 - estimates))), groups, counts)
            half = math.sqrt(half**2 + chance) if chance > 0.0 else half
        low, high = max(predicted - half, 0.0), min(predicted + half, 1.0)
        return SetEstimate(dataset, self.name, len(estimates), predicted, low, high, self.level, measured)

    @property
    def right_or_wrong(self) -> bool:
        """Return whether the labelled performance is binary: every value is 0 or 1, and both occur."""
        return set(np.unique(self.performance).tolist()) == {0.0, 1.0}

    def set_errors(self, *roles: Role) -> dict[str, float]:
        """Return each left-out set's error of the mean, estimated minus measured, for the given roles or for all."""
        names, codes = np.unique(np.array(self.sets, dtype=np.str_), return_inverse=True)
        if not len(names):
            return {}
        errors = np.bincount(codes, self.estimates - self.performance) / np.bincount(codes)
        pairs = zip(names.tolist(), errors.tolist(), strict=True)
        return {name: error for name, error in pairs if not roles or self.roles[name] in roles}

    def tried(self) -> tuple[Float64Array, Float64Array, NDArray[np.str_]]:
        """Return estimates, performance and sets of the left-out images that represent a new site.

        They are the images of sites that pass the gate when they are left out; with fewer than two such sites, what was left
        out of the other sites, of the primary's own kind and of corrupted versions of it counts too.
        """
        names = np.array(self.sets, dtype=np.str_)
        passing = {name for name, role in self.roles.items() if role == "site"} - self.stopped
        chosen = np.isin(names, sorted(passing)) if len(passing) > 1 else np.ones(len(names), dtype=np.bool_)
        return self.estimates[chosen], self.performance[chosen], names[chosen]

    def error_scale(self) -> tuple[float, float]:
        """Compute the degrees of freedom ν and the scale s of the error of a set's mean (formula in the module docstring)."""
        corrupted = list(self.set_errors("corrupted").values())
        excess = sum(error**2 - PRIOR_ERROR**2 for error in corrupted)
        prior = PRIOR_ERROR**2 + excess / max(len(corrupted), PRIOR_SETS)
        # Folds of the only set say nothing of other sets, and a fit to one site little of what two would say of P's kind.
        roles: tuple[Role, ...] = ("site", "home") if self.left_out > 1 else ("site",)
        own = self.set_errors(*roles) if self.left_out else {}
        squares = [error**2 for name, error in own.items() if name not in self.stopped]
        freedom = PRIOR_FREEDOM + len(squares)
        return freedom, math.sqrt((PRIOR_FREEDOM * prior + sum(squares)) / freedom)

    def set_half_width(self) -> float:
        """Compute the half-width of a set's interval before clipping, for a set within the range of the labelled sets."""
        freedom, scale = self.error_scale()
        return student(freedom, self.level) * scale

    def share_below(self, estimates: Float64Array, limit: float) -> tuple[float, float, float]:
        """Estimate the share of a set's images with performance below `limit`, with the ends of its interval.

        The interval is the share f of the (m,) estimates below the limit ± √(t² · mean of (e_k + 1 / n_k)² + z² · f̃ (1 − f̃) ·
        (1 / m − mean of 1 / n_k)): e_k is by how much that share of a left-out set of n_k images missed the share of its
        performances, as no share is known finer than one image; t and z are as in the module's text; f̃ = (m f + 1) / (m + 2).
        The interval is 0 to 1 with fewer than two sets left out, from 0 where no left-out image was predicted below the limit,
        to 1 where all were.
        """
        tried, performance, names = self.tried()
        below, failed = tried < limit, performance < limit
        share, m = float(np.mean(estimates < limit)), len(estimates)
        if self.left_out < 2:
            return share, 0.0, 1.0
        _, codes, counts = np.unique(names, return_inverse=True, return_counts=True)
        errors = (np.abs(np.bincount(codes, below.astype(np.float64) - failed)) + 1.0) / counts
        smooth = (m * share + 1.0) / (m + 2.0)
        chance = self._chance_of_few(smooth * (1.0 - smooth), m, counts)
        half = math.sqrt(student(len(counts) - 1, self.level) ** 2 * float(np.mean(errors**2)) + chance)
        low, high = max(share - half, 0.0), min(share + half, 1.0)
        return share, low if below.any() else 0.0, 1.0 if below.all() else high

    def _chance_of_few(self, variance: float, m: float, counts: NDArray[np.integer[Any]]) -> float:
        """Compute z² · variance · (1 / m − mean of 1 / counts), at least 0: the extra sampling variance of m images."""
        from scipy.special import ndtri

        return float(ndtri((1.0 + self.level) / 2.0) ** 2 * variance * max(1.0 / m - float(np.mean(1.0 / counts)), 0.0))

    def to_dict(self) -> dict[str, Any]:
        """Return the calibrated estimator as JSON values; `from_dict` restores it bit for bit."""
        return {
            "fitted": self.fitted.to_dict(),
            "level": self.level,
            "estimates": self.estimates.tolist(),
            "performance": self.performance.tolist(),
            "sets": list(self.sets),
            "roles": dict(self.roles),
            "stopped": sorted(self.stopped),
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Calibrated:
        """Rebuild a calibrated estimator from the values of `to_dict`; raises `InputError` for any other document."""
        try:
            level = float(document["level"])
            estimates, performance = (np.array(document[key], dtype=np.float64) for key in ("estimates", "performance"))
            sets, fitted = tuple(str(name) for name in document["sets"]), document["fitted"]
            # Earlier profiles left out every foreign set, and said no more.
            roles: dict[str, Role] = {
                str(name): ROLES[ROLES.index(role)] for name, role in document.get("roles", dict.fromkeys(sets, "site")).items()
            }
            stopped = frozenset(str(name) for name in document.get("stopped", ()))
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
            raise InputError(f"document must be that of a calibrated estimator ({type(error).__name__}: {error})") from error
        if not estimates.shape == performance.shape == (len(sets),) or not set(sets) <= roles.keys():
            raise InputError.of("document", "must hold one estimate and one performance an image", estimates.shape)
        if not 0 < level < 1 or not np.isfinite(estimates).all() or not np.isfinite(performance).all():
            raise InputError("document must hold a level between 0 and 1, and finite estimates and performance")
        return cls(restore(fitted), level, estimates, performance, sets, roles, stopped)


def calibrate(
    estimator: str | Estimator,
    columns: Columns,
    performance: ArrayLike,
    sets: ArrayLike,
    *,
    level: float = 0.9,
    groups: ArrayLike | None = None,
    home: str | None = None,
    corrupted: Mapping[str, str] | None = None,
) -> Calibrated:
    """Fit an estimator to labelled images, and compute its error on each set when fitted to the other sets.

    `estimator` is a registered name or an estimator; `columns` are what is known of n labelled images, of which those that lack
    what the estimator needs are left out; `performance`, `sets` and `groups` are (n,): performance from 0 to 1, and names of
    the set and the photograph of each image. `home` names the set that is of the primary dataset's own kind, where one is, and
    `corrupted` maps sets that are corrupted versions of the primary dataset's images to the kind of corruption.

    With a single labelled set its ten folds take the place of the sets, so that errors are those on further images of the same
    set: images of one photograph are then left out together, without `groups` runs of consecutive images.

    Raises `InputError` for lengths that differ, a performance outside [0, 1], a level outside (0, 1), or no image that has what
    the estimator needs, and `UnknownNameError` where no estimator of that name is registered.

    Examples
    --------
    >>> columns = {"flip_agreement": [0.2, 0.4, 0.5, 0.9]}
    >>> performance, sets = [0.2, 0.5, 0.5, 0.8], ["cracks", "cracks", "tiles", "tiles"]
    >>> calibrated = calibrate("flip_agreement", columns, performance, sets, level=0.8)
    >>> estimate, low, high = calibrated.predict({"flip_agreement": [0.4]})
    >>> bool(low[0] < estimate[0] < high[0])
    True
    """
    check_level(level)
    whole = LabelledImages.of(columns, performance, sets, groups, home, corrupted)
    settled = resolved(named(estimator), whole)
    if settled is None:
        raise InputError.of("columns", f"must give {named(estimator).name} what it needs", sorted(columns))
    return calibrated(settled, whole, level, KnownFits())


def calibrated(
    settled: Estimator, whole: LabelledImages, level: float, known: KnownFits, stopped: frozenset[str] = frozenset()
) -> Calibrated:
    """Fit a resolved estimator to validated images, and compute its leave-one-set-out errors; `stopped` sites' do not count."""
    labelled = replace(whole, columns=narrow(whole.columns, settled.needs)).having(settled.needs)
    names = labelled.sets.astype(np.str_)
    roles = dict(zip(names.tolist(), labelled.roles.tolist(), strict=True))
    # Many fits sort numbers faster than names.
    groups = None if labelled.groups is None else np.unique(labelled.groups, return_inverse=True)[1]
    labelled = replace(labelled, sets=np.unique(labelled.sets, return_inverse=True)[1], groups=groups)
    # An image's estimate is by a fit to the other sets; NaN if no images remain to fit to.
    left_out = np.full(len(names), np.nan)
    for rest, inside in labelled.rounds():
        if rest.any():
            left_out[inside] = known.fit(settled, labelled.take(rest)).predict(take(labelled.columns, inside))
    tried = np.isfinite(left_out)
    sets, fitted = tuple(names[tried].tolist()), known.fit(settled, labelled.take(labelled.learning()))
    of_sets = {name: roles[name] for name in sets}
    return Calibrated(fitted, level, left_out[tried], labelled.performance[tried], sets, of_sets, stopped)


def resolved(estimator: Estimator, labelled: LabelledImages) -> Estimator | None:
    """Choose columns by the labelled sites (else corrupted sets: home images lack a new image's distance); None if unusable."""
    masks = (labelled.roles == role for role in ("site", "corrupted"))
    deciding = next((labelled.take(mask) for mask in masks if mask.any()), labelled)
    return estimator.resolve(deciding.columns, deciding.sets)


def _spread(estimate: Float64Array) -> Float64Array:
    """Compute the error scale of an image, g(ŷ) = √(ŷ (1 − ŷ) + 0.02); image errors are divided by g."""
    return np.asarray(np.sqrt(estimate * (1.0 - estimate) + _SPREAD), dtype=np.float64)
