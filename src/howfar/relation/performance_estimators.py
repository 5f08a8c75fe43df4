"""Register the estimators of an image's performance: mean, distance, confidence, agreement, combined, consensus.

An estimator learns from labelled images, whose sets weigh alike, and then reads only what is known without labels. An image
that lacks a column that an estimator needs is left out of its fit and gets no estimate (NaN) from it; this touches no other
image.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar import registry
from howfar.arrays import Float64Array
from howfar.errors import InputError
from howfar.protocols import Estimator, FittedEstimator
from howfar.relation import fitted_columns
from howfar.relation.fitted_columns import (
    ATC_NEEDS,
    Boosted,
    ConfidenceThreshold,
    Linear,
    Thresholded,
    boosted,
    confidence_threshold,
    difference,
    line,
    mean,
    ridge,
    thresholded,
)
from howfar.relation.image_columns import (
    AGREEMENTS,
    BOX_COUNT,
    BOX_SIGNALS,
    CLASS_SIGNALS,
    CONFIDENCE,
    CONFIDENCES,
    FLIP_OVERLAP,
    MARGIN,
    SOFT_F,
    Columns,
    LabelledImages,
    available,
    column,
    narrow,
    rows,
)
from howfar.relation.image_columns import DISTANCES as DISTANCE_NAMES


@dataclass(frozen=True)
class ByTask:
    """Define an estimator whose columns depend on the task.

    `variants` are pairs of a column and the estimator where images have that column; "" stands for any images. The first pair
    whose column is there decides.
    """

    name: str
    kind: str
    variants: tuple[tuple[str, Estimator], ...]

    @property
    def needs(self) -> tuple[str, ...]:
        """Return the names of all columns that the estimator may read."""
        return tuple(dict.fromkeys(need for _, variant in self.variants for need in variant.needs))

    def resolve(self, columns: Columns, sets: ArrayLike) -> Estimator | None:
        """Choose the columns to read from the images' available columns; None if the estimator cannot be used."""
        for marker, variant in self.variants:
            if not marker or bool(np.any(available(columns, (marker,)))):
                return variant.resolve(columns, sets)
        return None

    def fit(
        self, columns: Columns, performance: ArrayLike, sets: ArrayLike, groups: ArrayLike | None = None
    ) -> FittedEstimator:
        """Fit the estimator to labelled images; arguments and errors are those of `RegisteredEstimator.fit`."""
        settled = self.resolve(columns, sets)
        if settled is None:
            raise InputError.of("columns", f"must give {self.name} what it needs ({' or '.join(self.needs)})", sorted(columns))
        return settled.fit(columns, performance, sets, groups)

    def restore(self, document: Mapping[str, Any]) -> FittedEstimator:
        """Rebuild a fit from the values of its `to_dict`; raises `InputError` for any other document."""
        return self.variants[0][1].restore(document)


KIND = "estimators"
Fit: TypeAlias = Linear | Thresholded | Boosted | ConfidenceThreshold
FORMS: Mapping[str, type[Fit]] = {
    "linear": Linear,
    "thresholded": Thresholded,
    "boosted": Boosted,
    "confidence_threshold": ConfidenceThreshold,
}


@dataclass(frozen=True)
class RegisteredEstimator:
    """Define an unfitted performance estimator: its name, the columns it reads, and its fitting method.

    `needs` are the columns that it reads. Where `sorts` is given it reads those of them that are there, of which it wants two,
    and one of each sort.
    """

    name: str
    kind: str
    needs: tuple[str, ...]
    method: Callable[[str, tuple[str, ...], LabelledImages], Fit]
    sorts: tuple[tuple[str, ...], ...] = ()

    def resolve(self, columns: Columns, sets: ArrayLike) -> RegisteredEstimator | None:
        """Choose the columns to read from the images' available columns; None if the estimator cannot be used.

        An estimator of one signal can be used where any image has what it needs. An estimator of several reads a column where
        at least half the images of *every* set have it: a column that one set lacks would keep that set's images from any
        estimate, but a few images that lack one need not cost all others a signal.
        """
        names = np.asarray(sets)
        if names.shape != (rows(columns),):
            raise InputError.of("sets", f"must be one row of {rows(columns)} values, one an image", names.shape)
        if not self.sorts:
            return self if available(columns, self.needs).any() else None
        present = tuple(name for name in self.needs if _in_every_set(columns, name, names))
        enough = len(present) > 1 and all(set(present) & set(sort) for sort in self.sorts)
        return replace(self, needs=present, sorts=()) if enough else None

    def fit(
        self, columns: Columns, performance: ArrayLike, sets: ArrayLike, groups: ArrayLike | None = None
    ) -> FittedEstimator:
        """Fit the estimator to the n labelled images that have the columns it needs.

        `performance` is (n,), 0 to 1; `sets` and `groups` (n,) name the set and the photograph that each image is of. Raises
        `InputError` for lengths that differ, a performance outside [0, 1], or no image that has what it needs.

        Examples
        --------
        >>> columns = {"flip_agreement": [0.2, 0.4, 0.9]}
        >>> FLIP_AGREEMENT.fit(columns, [0.3, 0.4, 0.65], ["cracks"] * 3).predict({"flip_agreement": [0.6]})
        array([0.5])
        """
        settled = self.resolve(columns, sets)
        if settled is None:
            wanted = " or ".join(self.needs) if self.sorts else " and ".join(self.needs)
            raise InputError.of("columns", f"must give {self.name} what it needs ({wanted})", sorted(columns))
        labelled = LabelledImages.of(columns, performance, sets, groups)
        return self.method(self.name, settled.needs, labelled.having(settled.needs))

    def restore(self, document: Mapping[str, Any]) -> FittedEstimator:
        """Rebuild a fit from the values of its `to_dict`; raises `InputError` for any other document."""
        try:
            return FORMS[document["form"]].from_dict(document)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"document must be that of a fitted estimator ({type(error).__name__}: {error})") from error


def _in_every_set(columns: Columns, name: str, sets: NDArray[Any]) -> bool:
    values = np.isfinite(column(narrow(columns, (name,)), name))
    return all(bool(values[sets == dataset].mean() >= 0.5) for dataset in np.unique(sets))


SIGNAL_NAMES = (*CONFIDENCES, *AGREEMENTS)
Method: TypeAlias = Callable[[str, tuple[str, ...], LabelledImages], Fit]


def _one(name: str, kind: str, method: Method, columns: Mapping[str, str]) -> ByTask:
    """Make an estimator of one column per task; `columns` maps a column that identifies the task to the column to read."""
    return ByTask(name, kind, tuple((told, RegisteredEstimator(name, kind, (read,), method)) for told, read in columns.items()))


def _several(name: str, method: Method, maps: tuple[str, ...], more: tuple[str, ...] = ()) -> ByTask:
    """Make an estimator of the task's signals (`maps` for segmentation) and the columns `more`."""
    by_task = {CONFIDENCE: CLASS_SIGNALS, BOX_COUNT: BOX_SIGNALS, "": maps}
    sorts = {told: (more, read) if more else (read,) for told, read in by_task.items()}
    variants = (
        (told, RegisteredEstimator(name, "combined", (*more, *read), method, sorts[told])) for told, read in by_task.items()
    )
    return ByTask(name, "combined", tuple(variants))


_CONFIDENCE = {BOX_COUNT: "box_score", "": "average_confidence"}

MEAN = RegisteredEstimator("mean", "baseline", (), mean)
I_DIST = RegisteredEstimator("i_dist", "distance", ("i_dist",), line)
KNN = RegisteredEstimator("knn", "distance", ("knn",), line)
MAHALANOBIS = RegisteredEstimator("mahalanobis", "distance", ("mahalanobis",), line)
DISTANCES = RegisteredEstimator("distances", "distance", DISTANCE_NAMES, ridge, (DISTANCE_NAMES,))
AVERAGE_CONFIDENCE = _one("average_confidence", "confidence", line, _CONFIDENCE)
FOREGROUND_CONFIDENCE = RegisteredEstimator("foreground_confidence", "confidence", ("foreground_confidence",), line)
DOC = _one("doc", "confidence", difference, _CONFIDENCE)
_MAP_ATC = RegisteredEstimator("atc", "confidence", ATC_NEEDS, thresholded)
_CLASS_ATC = RegisteredEstimator("atc", "confidence", (CONFIDENCE,), confidence_threshold)
ATC = ByTask("atc", "confidence", ((CONFIDENCE, _CLASS_ATC), ("", _MAP_ATC)))
NUCLEAR_NORM = RegisteredEstimator("nuclear_norm", "confidence", ("nuclear_norm",), line)
FLIP_AGREEMENT = RegisteredEstimator("flip_agreement", "agreement", ("flip_agreement",), line)
ENSEMBLE_AGREEMENT = RegisteredEstimator("ensemble_agreement", "agreement", ("ensemble_agreement",), line)
SIGNALS = _several("signals", ridge, SIGNAL_NAMES)
BOOSTED = _several("boosted", boosted, fitted_columns.NEEDS)
SOFT_F_LINE = RegisteredEstimator("soft_f", "confidence", (SOFT_F,), line)
FLIP_OVERLAP_LINE = RegisteredEstimator("flip_overlap", "agreement", (FLIP_OVERLAP,), line)
ALL = _several("all", ridge, SIGNAL_NAMES, DISTANCE_NAMES)
ENTROPY = _one("entropy", "confidence", line, {CONFIDENCE: "entropy", BOX_COUNT: "box_entropy"})
MARGIN_LINE = RegisteredEstimator("margin", "confidence", (MARGIN,), line)
MANO = RegisteredEstimator("mano", "confidence", ("mano",), line)
BOX_COUNT_LINE = RegisteredEstimator("box_count", "confidence", (BOX_COUNT,), line)
BOX_STABILITY = RegisteredEstimator("box_stability", "agreement", ("box_stability",), line)
BOX_CONSISTENCY = RegisteredEstimator("box_consistency", "agreement", ("box_consistency",), line)


def every() -> tuple[Estimator, ...]:
    """List all registered estimators: "mean", howfar's others in registry order, then those of other packages by name.

    Examples
    --------
    >>> [estimator.name for estimator in every()][:4]
    ['mean', 'consensus', 'i_dist', 'knn']
    """
    return tuple(named(name) for name in registry.ordered(KIND))


def named(estimator: str | Estimator) -> Estimator:
    """Return the estimator registered under a name; an estimator object is returned unchanged.

    Raises `UnknownNameError`: no estimator of that name is registered; the line lists the known ones.

    Examples
    --------
    >>> named("doc").kind
    'confidence'
    """
    if not isinstance(estimator, str):
        return estimator
    loaded: Estimator = registry.load(KIND, estimator)
    return loaded


def restore(document: Mapping[str, Any]) -> FittedEstimator:
    """Rebuild a fitted estimator of any kind from the values of its `to_dict`.

    Raises `InputError`: the document is not that of a fitted estimator. Raises `UnknownNameError`: no estimator of the
    document's name is registered.

    Examples
    --------
    >>> fitted = MEAN.fit({"i_dist": [1.0, 2.0]}, [0.25, 0.75], ["cracks", "tiles"])
    >>> restore(fitted.to_dict()) == fitted
    True
    """
    name = document.get("estimator") if isinstance(document, Mapping) else None
    if not isinstance(name, str):
        raise InputError.of("document", "must be that of a fitted estimator", document)
    return named(name).restore(document)


FORM = "consensus"


@dataclass(frozen=True)
class ConsensusFit:
    """Predict the mean of the members' estimates of an image; NaN if a member has no estimate."""

    name: str
    fits: tuple[FittedEstimator, ...]

    @property
    def needs(self) -> tuple[str, ...]:
        """Return the names of all columns that the members read."""
        return _union(self.fits)

    def predict(self, columns: Columns) -> Float64Array:
        """Estimate performance, (m,); NaN for an image that lacks a column which a member reads."""
        # One member after the other: the estimate of an image does not depend on which images stand beside it.
        total = self.fits[0].predict(columns)
        for fit in self.fits[1:]:
            total = total + fit.predict(columns)
        return np.asarray(total / len(self.fits), dtype=np.float64)

    def to_dict(self) -> dict[str, Any]:
        """Return the fit as JSON values."""
        return {"form": FORM, "estimator": self.name, "fits": [fit.to_dict() for fit in self.fits]}


@dataclass(frozen=True)
class Consensus:
    """Define the average of several registered estimators, before fitting.

    The least left-out error of many estimators on a handful of datasets is small by chance: on datasets kept apart the chosen
    estimator missed by more than most of those it had beaten. Averaging a few that read different evidence needs no choice
    (docs/concepts/estimates.md has both).
    """

    name: str
    members: tuple[str, ...]
    kind: str = "combined"
    settled: tuple[Estimator, ...] = ()

    @property
    def needs(self) -> tuple[str, ...]:
        """Return the names of all columns that the members read, or may read before `resolve`."""
        return _union(self.settled or [named(name) for name in self.members])

    def resolve(self, columns: Columns, sets: ArrayLike) -> Consensus | None:
        """Choose the members that can be used on these images, with their columns; None if there is no usable member."""
        if self.settled:
            return self
        found = [settled for name in self.members if (settled := named(name).resolve(columns, sets)) is not None]
        return replace(self, settled=tuple(found)) if found else None

    def fit(
        self, columns: Columns, performance: ArrayLike, sets: ArrayLike, groups: ArrayLike | None = None
    ) -> FittedEstimator:
        """Fit every member to the labelled images; arguments and errors are those of `RegisteredEstimator.fit`."""
        settled = self.resolve(columns, sets)
        if settled is None:
            rule = f"must give {self.name} what one of its members needs ({', '.join(self.members)})"
            raise InputError.of("columns", rule, sorted(columns))
        return ConsensusFit(self.name, tuple(member.fit(columns, performance, sets, groups) for member in settled.settled))

    def restore(self, document: Mapping[str, Any]) -> FittedEstimator:
        """Rebuild a fit from the values of its `to_dict`; raises `InputError` for any other document."""
        try:
            if document["form"] != FORM or not document["fits"]:
                raise ValueError(f"form {document['form']!r} of {len(document['fits'])} members")
            fits = tuple(named(str(fit["estimator"])).restore(fit) for fit in document["fits"])
            return ConsensusFit(str(document["estimator"]), fits)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"document must be that of a fitted estimator ({type(error).__name__}: {error})") from error


def _union(members: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(need for member in members for need in member.needs))


CONSENSUS = Consensus("consensus", ("atc", "boosted", "signals"))
