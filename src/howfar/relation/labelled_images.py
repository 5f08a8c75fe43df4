"""Validate labelled images, weight them so that datasets count alike, and split them into folds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar.arrays import Float64Array
from howfar.errors import InputError
from howfar.relation.label_free_columns import Columns, Mask, available, rows, take

FOLDS = 10


@dataclass(frozen=True, eq=False)
class Labelled:
    """Hold n labelled images: their columns, performance, the set of each and, where known, its group.

    `home` marks the images of the primary dataset's own kind, which has labels wherever a model is used. `kinds` names the
    corruption of each image of a corrupted set, "" of the others; None where there is no corrupted set.
    """

    columns: Columns
    performance: Float64Array
    sets: NDArray[Any]
    groups: NDArray[Any] | None = None
    home: Mask | None = None
    kinds: NDArray[np.str_] | None = None

    @classmethod
    def of(
        cls,
        columns: Columns,
        performance: ArrayLike,
        sets: ArrayLike,
        groups: ArrayLike | None = None,
        home: str | None = None,
        corrupted: Mapping[str, str] | None = None,
    ) -> Labelled:
        """Validate labelled images that a caller passes; `home` names the set of the primary dataset's own kind.

        `corrupted` gives the kind of corruption by the name of each corrupted set. Raises `InputError` for lengths that differ,
        no image, or a performance that is not in [0, 1].
        """
        n = rows(columns)
        values = _row(performance, "performance", n).astype(np.float64)
        wrong = ~((values >= 0.0) & (values <= 1.0))
        if n == 0:
            raise InputError.of("performance", "must be of at least one labelled image", "none")
        if wrong.any():
            position = int(np.argmax(wrong))
            received = f"{values[position]} at position {position}"
            raise InputError.of("performance", "must lie between 0 and 1", received, "pass the scored images only")
        names = _labels(sets, "sets", n)
        own = None if home is None else np.asarray(names.astype(np.str_) == home)
        kinds = np.array([corrupted.get(str(name), "") for name in names], dtype=np.str_) if corrupted else None
        return cls(columns, values, names, None if groups is None else _labels(groups, "groups", n), own, kinds)

    def take(self, which: Mask | NDArray[np.integer[Any]]) -> Labelled:
        """Select some of the images."""
        groups = None if self.groups is None else self.groups[which]
        home = None if self.home is None else self.home[which]
        kinds = None if self.kinds is None else self.kinds[which]
        return Labelled(take(self.columns, which), self.performance[which], self.sets[which], groups, home, kinds)

    def coded(self) -> Labelled:
        """Replace the names of sets and groups by numbers in the same order: many fits then sort numbers, not texts."""
        groups = None if self.groups is None else np.unique(self.groups, return_inverse=True)[1]
        return replace(self, sets=np.unique(self.sets, return_inverse=True)[1], groups=groups)

    def having(self, needs: tuple[str, ...]) -> Labelled:
        """Select the images that have every one of the columns; raises `InputError` where none has."""
        have = available(self.columns, needs)
        if not have.any():
            raise InputError.of("columns", f"must give {', '.join(needs)} for at least one labelled image", "none")
        return self if have.all() else self.take(have)

    def weights(self) -> Float64Array:
        """Compute (n,) weights that sum to 1 and to the same in each set, so that a large set does not dominate."""
        _, codes, counts = np.unique(self.sets, return_inverse=True, return_counts=True)
        weights: Float64Array = 1.0 / (len(counts) * counts[codes])
        return weights

    def folds(self) -> NDArray[np.int64]:
        """Assign each image the fold that it is left out with: its set's, or one of the parts of the only set.

        A single set falls into ten folds (or as many as it has images): whole groups in the order of their names, or, without
        groups, runs of consecutive images, so that tiles of one photograph mostly stay together.
        """
        names, codes = np.unique(self.sets, return_inverse=True)
        if len(names) > 1:
            return codes.astype(np.int64)
        if self.groups is not None:
            names, codes = np.unique(self.groups, return_inverse=True)
        if len(names) < 2:
            codes = np.arange(len(self.sets))
        parts = int(codes.max()) + 1
        return np.asarray(codes * min(FOLDS, parts) // parts, dtype=np.int64)

    def splits(self) -> Iterator[tuple[Labelled, Mask]]:
        """Yield for each fold the images outside it, and the mask of those inside; nothing where there is one image only."""
        folds = self.folds()
        for fold in np.unique(folds) if len(folds) > 1 else ():
            inside: Mask = folds == fold
            yield self.take(~inside), inside

    @property
    def own(self) -> Mask:
        """Mark the images of the primary dataset's own kind, (n,)."""
        return np.zeros(len(self.sets), dtype=np.bool_) if self.home is None else self.home

    @property
    def corrupted(self) -> Mask:
        """Mark the images of corrupted sets, (n,)."""
        return np.zeros(len(self.sets), dtype=np.bool_) if self.kinds is None else np.asarray(self.kinds != "")

    @property
    def foreign(self) -> Mask:
        """Mark the images of labelled sites, (n,): neither the primary dataset's own kind nor corrupted versions of it."""
        return ~(self.own | self.corrupted)

    def learning(self) -> Mask:
        """Mark the images that an estimator is fitted to: the primary's own kind and the sites, without any site the corrupted.

        Beside labelled sites corrupted sets made estimates worse (docs/howto/no-labels.md).
        """
        return ~self.corrupted if self.foreign.any() else np.ones(len(self.sets), dtype=np.bool_)

    def rounds(self) -> Iterator[tuple[Mask, Mask]]:
        """Yield the images that a fit learns from, and those that it is tried on, so that every set is tried once, left out.

        Each site is left out in turn, then the primary dataset's own kind. Corrupted sets are left out one kind of corruption
        at a time, of a fit to the primary's own kind and the other corrupted sets, whatever sites are labelled: how large an
        error is to be expected before any site is labelled. A single set falls into folds.
        """
        if len(np.unique(self.sets)) < 2:
            folds = self.folds()
            for fold in np.unique(folds) if len(folds) > 1 else ():
                yield folds != fold, folds == fold
            return
        for name in np.unique(self.sets[self.foreign]):
            yield self._others(self.sets == name)
        if self.own.any():
            yield self._others(self.own)
        if self.kinds is not None:
            for kind in np.unique(self.kinds[self.corrupted]):
                inside = np.asarray(self.kinds == kind)
                yield (self.own | self.corrupted) & ~inside, inside

    def _others(self, inside: Mask) -> tuple[Mask, Mask]:
        """Mark what the images outside learn from when these are left out."""
        outside = np.flatnonzero(~inside)
        rest: Mask = np.zeros(len(inside), dtype=np.bool_)
        if len(outside):
            rest[outside] = self.take(outside).learning()
        return rest, inside


def _row(values: ArrayLike, name: str, n: int) -> NDArray[Any]:
    row = np.asarray(values)
    if row.shape != (n,):
        raise InputError.of(name, f"must be one row of {n} values, one an image", row.shape)
    return row


def _labels(values: ArrayLike, name: str, n: int) -> NDArray[Any]:
    row = _row(values, name, n)
    return row if row.dtype.kind in "iu" else row.astype(np.str_)
