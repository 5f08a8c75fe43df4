"""Define the registered estimators of a model's performance on single images: what signals each reads, how it is fitted.

An estimator learns from labelled images, whose sets weigh alike, and then reads only what is known without labels. An image
that lacks a column that an estimator needs is left out of its fit and gets no estimate (NaN) from it; this touches no other
image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar import registry
from howfar.arrays import Float64Array
from howfar.errors import InputError, one_line
from howfar.protocols import Estimator, FittedEstimator
from howfar.relation import regressors
from howfar.relation.labelled_images import (
    AGREEMENTS,
    BOX_COUNT,
    BOX_SIGNALS,
    CLASS_SIGNALS,
    CONFIDENCE,
    CONFIDENCES,
    Columns,
    LabelledImages,
    available,
    column,
    narrow,
    rows,
)
from howfar.relation.labelled_images import DISTANCES as DISTANCE_NAMES

KIND = "estimators"
Fit: TypeAlias = regressors.Linear | regressors.Thresholded | regressors.Boosted | regressors.ConfidenceThreshold
Method: TypeAlias = Callable[[str, tuple[str, ...], LabelledImages], Fit]


class TaskColumns(NamedTuple):
    """Define what an estimator reads of the images of one task, and how it is fitted.

    `marker` is a column that tells the task's images from others, "" for any images. With `sorts` the estimator reads those of
    `needs` that are there: at least two, and one of each sort.
    """

    needs: tuple[str, ...]
    method: Method
    marker: str = ""
    sorts: tuple[tuple[str, ...], ...] = ()

    def resolve(self, columns: Columns, sets: NDArray[Any]) -> TaskColumns | None:
        """Choose the columns to read; None if the images lack them.

        A reading of one signal can be used where any image has what it needs. One of several signals takes a column that at
        least half the images of *every* set have: a column that one set lacks would keep that set's images from any estimate,
        but a few images that lack one need not cost all others a signal.
        """
        if not self.sorts:
            return TaskColumns(self.needs, self.method) if available(columns, self.needs).any() else None
        known = {name: np.isfinite(column(narrow(columns, (name,)), name)) for name in self.needs}
        inside = [sets == dataset for dataset in np.unique(sets)]
        present = tuple(name for name, have in known.items() if all(have[of].mean() >= 0.5 for of in inside))
        enough = len(present) > 1 and all(set(present) & set(sort) for sort in self.sorts)
        return TaskColumns(present, self.method) if enough else None


class _Restoring:
    def restore(self, document: Mapping[str, Any]) -> FittedEstimator:
        """Rebuild a fit from the values of its `to_dict`; raises `InputError` for any other document."""
        try:
            return FORMS[document["form"]].from_dict(document)
        except (KeyError, TypeError, ValueError) as error:
            reason = f"{type(error).__name__}: {one_line(error)}"
            raise InputError(f"document must be that of a fitted estimator ({reason})") from error


@dataclass(frozen=True)
class RegisteredEstimator(_Restoring):
    """Define an unfitted performance estimator: name, kind of evidence, a sentence that explains it, and what it reads by task.

    The first of the `readings` whose task the images are of decides.
    """

    name: str
    kind: str
    sentence: str
    readings: tuple[TaskColumns, ...]

    @property
    def needs(self) -> tuple[str, ...]:
        """Return the names of all columns that the estimator reads, or may read before `resolve`."""
        return _union(self.readings)

    def resolve(self, columns: Columns, sets: ArrayLike) -> RegisteredEstimator | None:
        """Choose the columns to read from the images' available columns; None if the estimator cannot be used."""
        names = np.asarray(sets)
        if names.shape != (rows(columns),):
            raise InputError.of("sets", f"must be one row of {rows(columns)} values, one an image", names.shape)
        of_task = (each for each in self.readings if not each.marker or available(columns, (each.marker,)).any())
        reading = next(of_task, None)
        usable = None if reading is None else reading.resolve(columns, names)
        return None if usable is None else replace(self, readings=(usable,))

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
            joint = " or " if len(self.readings) > 1 or self.readings[0].sorts else " and "
            raise InputError.of("columns", f"must give {self.name} what it needs ({joint.join(self.needs)})", sorted(columns))
        labelled = LabelledImages.of(columns, performance, sets, groups)
        return settled.readings[0].method(self.name, settled.needs, labelled.having(settled.needs))


@dataclass(frozen=True)
class ConsensusFit:
    """Predict the mean of the members' estimates of an image; NaN if a member has no estimate."""

    FORM: ClassVar = "consensus"

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
        return {"form": self.FORM, "estimator": self.name, "fits": [fit.to_dict() for fit in self.fits]}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> ConsensusFit:
        """Rebuild a fit from the values of `to_dict`."""
        if not document["fits"]:
            raise ValueError("a consensus of no members")
        return cls(str(document["estimator"]), tuple(restore(fit) for fit in document["fits"]))


FORMS: Mapping[str, type[Fit | ConsensusFit]] = {
    kind.FORM: kind
    for kind in (regressors.Linear, regressors.Thresholded, regressors.Boosted, regressors.ConfidenceThreshold, ConsensusFit)
}


@dataclass(frozen=True)
class Consensus(_Restoring):
    """Define the average of several registered estimators, before fitting.

    The least left-out error of many estimators on a handful of datasets is small by chance: on datasets kept apart the chosen
    estimator missed by more than most of those it had beaten. Averaging a few that read different evidence needs no choice
    (docs/concepts/estimates.md has both).
    """

    name: str
    members: tuple[str, ...]
    sentence: str = ""
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


def _union(members: Iterable[Any]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(need for member in members for need in member.needs))


def _one(
    name: str, kind: str, sentence: str, method: Method = regressors.line, by_task: Mapping[str, str] | None = None
) -> RegisteredEstimator:
    """Define an estimator of one column: that of its name, or by the marker of a task the task's column."""
    read = {"": name} if by_task is None else by_task
    return RegisteredEstimator(
        name, kind, sentence, tuple(TaskColumns((need,), method, marker) for marker, need in read.items())
    )


def _several(
    name: str, sentence: str, method: Method, maps: tuple[str, ...], more: tuple[str, ...] = ()
) -> RegisteredEstimator:
    """Define an estimator of all signals of the images' task (`maps` for segmentation) and the columns `more`."""
    by_task = {CONFIDENCE: CLASS_SIGNALS, BOX_COUNT: BOX_SIGNALS, "": maps}
    readings = (
        TaskColumns((*more, *read), method, marker, (more, read) if more else (read,)) for marker, read in by_task.items()
    )
    return RegisteredEstimator(name, "combined", sentence, tuple(readings))


MEAN = RegisteredEstimator(
    "mean",
    "baseline",
    "the mean performance of the other labelled datasets, whatever the image: what an estimator has to beat",
    (TaskColumns((), regressors.mean),),
)
CONSENSUS = Consensus(
    "consensus",
    ("atc", "boosted", "signals"),
    "the mean of the estimates of “atc”, “boosted” and “signals”, or of those of them that can be used",
)
I_DIST = _one("i_dist", "distance", "a line over I^dist in units of P's own distance")
KNN = _one("knn", "distance", "a line over the distance to the nearest images of P")
MAHALANOBIS = _one("mahalanobis", "distance", "a line over the distance to P's mean in units of P's covariance")
DISTANCES = RegisteredEstimator(
    "distances",
    "distance",
    "ridge regression on these distances together",
    (TaskColumns(DISTANCE_NAMES, regressors.ridge, sorts=(DISTANCE_NAMES,)),),
)
MEAN_CONFIDENCE = {BOX_COUNT: "box_score", "": "average_confidence"}
AVERAGE_CONFIDENCE = _one(
    "average_confidence",
    "confidence",
    "a line over the confidence: the mean of max(p, 1 − p) over the pixels, the probability of the class that is "
    "predicted, or the mean score of the boxes",
    by_task=MEAN_CONFIDENCE,
)
FOREGROUND_CONFIDENCE = _one(
    "foreground_confidence", "confidence", "a line over Σp² / Σp, the confidence where something is predicted"
)
DOC = _one(
    "doc",
    "confidence",
    "difference of confidences: mean performance, moved by as much as average confidence is higher or lower",
    regressors.difference,
    MEAN_CONFIDENCE,
)
ATC = RegisteredEstimator(
    "atc",
    "confidence",
    "average thresholded confidence: the share of predicted foreground (of a classifier: of images) that is surer "
    "than a level learnt from labels",
    (
        TaskColumns((CONFIDENCE,), regressors.confidence_threshold, CONFIDENCE),
        TaskColumns(regressors.ATC_NEEDS, regressors.thresholded),
    ),
)
NUCLEAR_NORM = _one(
    "nuclear_norm",
    "confidence",
    "a line over the nuclear norm of the image's prediction matrix (of a classifier: its share of the set's)",
)
FLIP_AGREEMENT = _one("flip_agreement", "agreement", "a line over the soft Dice of the map and the flipped image's map")
ENSEMBLE_AGREEMENT = _one("ensemble_agreement", "agreement", "a line over the mean soft Dice of the members of an ensemble")
SOFT_F_LINE = _one(
    "soft_f", "confidence", "a line over 2 Σpb / (Σp + Σb), the F that a map with the foreground b expects of itself"
)
FLIP_OVERLAP_LINE = _one(
    "flip_overlap", "agreement", "a line over the Dice overlap of the thresholded maps of the image and of the flipped image"
)
MAP_SIGNALS = (*CONFIDENCES, *AGREEMENTS)
SIGNALS = _several(
    "signals", "ridge regression on the signals of confidence and agreement that there are", regressors.ridge, MAP_SIGNALS
)
BOOSTED = _several(
    "boosted",
    "boosted trees of depth 2 over confidence, agreement, soft F, and share and shape of the predicted foreground; "
    "of a classifier or a detector over all its signals",
    regressors.boosted,
    regressors.BOOSTED_NEEDS,
)
ALL = _several("all", "ridge regression on those signals and the distances", regressors.ridge, MAP_SIGNALS, DISTANCE_NAMES)
ENTROPY = _one(
    "entropy",
    "confidence",
    "a line over the entropy of the class probabilities, or the mean entropy of the boxes' scores",
    by_task={CONFIDENCE: "entropy", BOX_COUNT: "box_entropy"},
)
MARGIN_LINE = _one("margin", "confidence", "a line over the probability of the predicted class less that of the second")
MANO = _one("mano", "confidence", "a line over the image's share of MaNo, a norm of the dataset's normalised logits")
BOX_COUNT_LINE = _one("box_count", "confidence", "a line over the number of boxes")
BOX_STABILITY = _one("box_stability", "agreement", "a line over the overlap of the boxes with those of the flipped image")
BOX_CONSISTENCY = _one("box_consistency", "agreement", "a line over F1 between the boxes and those of the flipped image")


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


def sentence_of(name: str) -> str:
    """Return the sentence that explains an estimator; "" for one that has none, or is not registered any more."""
    return str(getattr(named(name), "sentence", "")) if name in registry.names(KIND) else ""
