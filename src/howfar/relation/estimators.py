"""The estimators of performance by name: what each reads, how it learns, and what sort it is of.

Each learns from labelled images, whose sets weigh alike, and then reads only what is known without labels. An image that
lacks a column that an estimator needs is left out of its fit and gets no estimate (NaN) from it; this touches no other image.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar import registry
from howfar.errors import InputError
from howfar.protocols import Estimator, FittedEstimator
from howfar.relation import image_columns as known
from howfar.relation.atc import NEEDS, Thresholded, thresholded
from howfar.relation.image_columns import Columns, available, column, narrow, rows
from howfar.relation.labelled_images import Labelled
from howfar.relation.linear import Linear, difference, line, mean, ridge

KIND = "estimators"
FORMS: Mapping[str, type[Linear] | type[Thresholded]] = {"linear": Linear, "thresholded": Thresholded}


@dataclass(frozen=True)
class RegisteredEstimator:
    """An estimator of performance before its fit.

    `needs` are the columns that it reads. Where `sorts` is given it reads those of them that are there, of which it wants two,
    and one of each sort.
    """

    name: str
    kind: str
    needs: tuple[str, ...]
    method: Callable[[str, tuple[str, ...], Labelled], Linear | Thresholded]
    sorts: tuple[tuple[str, ...], ...] = ()

    def resolve(self, columns: Columns, sets: ArrayLike) -> RegisteredEstimator | None:
        """Settle which columns it reads; None where it cannot be used on these images.

        An estimator of one signal can be used where any image has what it needs. One of several reads a column where at least
        half the images of *every* set have it: a column that one set lacks would keep that set's images from any estimate, but
        a few images that lack one need not cost all others a signal.

        Parameters
        ----------
        columns
            What is known of the images, labelled or not.
        sets
            (m,) the set that each is of.

        Examples
        --------
        >>> half = {"i_dist": [1.0, 2.0], "knn": [1.0, 3.0], "mahalanobis": [float("nan"), 2.0]}
        >>> DISTANCES.resolve(half, ["cracks", "tiles"]).needs
        ('i_dist', 'knn')
        >>> FLIP_AGREEMENT.resolve(half, ["cracks", "tiles"]) is None
        True
        """
        names = np.asarray(sets)
        if names.shape != (rows(columns),):
            raise InputError.of("sets", f"must be one row of {rows(columns)} values, one an image", names.shape)
        if not self.sorts:
            return self if available(columns, self.needs).any() else None
        there = tuple(name for name in self.needs if _is_there(columns, name, names))
        enough = len(there) > 1 and all(set(there) & set(sort) for sort in self.sorts)
        return replace(self, needs=there, sorts=()) if enough else None

    def fit(
        self, columns: Columns, performance: ArrayLike, sets: ArrayLike, groups: ArrayLike | None = None
    ) -> FittedEstimator:
        """Learn from the labelled images that have what it needs.

        Parameters
        ----------
        columns
            What is known of them.
        performance
            (n,) their performances, 0 to 1.
        sets
            (n,) the set that each is of.
        groups
            (n,) the photograph that each is of; matters only where there is one set and a penalty to choose.

        Raises
        ------
        InputError
            Lengths that differ, a performance outside [0, 1], or no image that has what it needs.

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
        labelled = Labelled.of(columns, performance, sets, groups)
        return self.method(self.name, settled.needs, labelled.having(settled.needs))

    def restore(self, document: Mapping[str, Any]) -> FittedEstimator:
        """Make a fit again from its `to_dict`.

        Raises
        ------
        InputError
            It is not such a document.
        """
        try:
            return FORMS[document["form"]].from_dict(document)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"document must be that of a fitted estimator ({type(error).__name__}: {error})") from error


def _is_there(columns: Columns, name: str, sets: NDArray[Any]) -> bool:
    values = np.isfinite(column(narrow(columns, (name,)), name))
    return all(bool(values[sets == one].mean() >= 0.5) for one in np.unique(sets))


SIGNAL_NAMES = (*known.CONFIDENCES, *known.AGREEMENTS)

MEAN = RegisteredEstimator("mean", "baseline", (), mean)
I_DIST = RegisteredEstimator("i_dist", "distance", ("i_dist",), line)
KNN = RegisteredEstimator("knn", "distance", ("knn",), line)
MAHALANOBIS = RegisteredEstimator("mahalanobis", "distance", ("mahalanobis",), line)
DISTANCES = RegisteredEstimator("distances", "distance", known.DISTANCES, ridge, (known.DISTANCES,))
AVERAGE_CONFIDENCE = RegisteredEstimator("average_confidence", "confidence", ("average_confidence",), line)
FOREGROUND_CONFIDENCE = RegisteredEstimator("foreground_confidence", "confidence", ("foreground_confidence",), line)
DOC = RegisteredEstimator("doc", "confidence", ("average_confidence",), difference)
ATC = RegisteredEstimator("atc", "confidence", NEEDS, thresholded)
NUCLEAR_NORM = RegisteredEstimator("nuclear_norm", "confidence", ("nuclear_norm",), line)
FLIP_AGREEMENT = RegisteredEstimator("flip_agreement", "agreement", ("flip_agreement",), line)
ENSEMBLE_AGREEMENT = RegisteredEstimator("ensemble_agreement", "agreement", ("ensemble_agreement",), line)
SIGNALS = RegisteredEstimator("signals", "combined", SIGNAL_NAMES, ridge, (SIGNAL_NAMES,))
ALL = RegisteredEstimator("all", "combined", (*known.DISTANCES, *SIGNAL_NAMES), ridge, (known.DISTANCES, SIGNAL_NAMES))


def every() -> tuple[Estimator, ...]:
    """Every registered estimator: "mean" first, ours in the registry's order, then other packages' by name.

    Examples
    --------
    >>> [one.name for one in every()][:4]
    ['mean', 'i_dist', 'knn', 'mahalanobis']
    """
    ours = tuple(registry.OURS[KIND])
    return tuple(named(name) for name in (*ours, *(name for name in registry.names(KIND) if name not in ours)))


def named(estimator: str | Estimator) -> Estimator:
    """Return an estimator by its registered name; an estimator itself is given back.

    Raises
    ------
    UnknownNameError
        No such name; the line lists the known ones.

    Examples
    --------
    >>> named("doc").kind
    'confidence'
    """
    if not isinstance(estimator, str):
        return estimator
    found: Estimator = registry.load(KIND, estimator)
    return found


def restore(document: Mapping[str, Any]) -> FittedEstimator:
    """Make a fitted estimator again from its `to_dict`.

    Raises
    ------
    InputError
        It is not such a document.
    UnknownNameError
        No estimator of its name is registered.

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
