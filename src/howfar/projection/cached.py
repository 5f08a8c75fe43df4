"""Cache a dataset's moments and inner products, so that a dataset that is part of many pairs is summed once."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from howfar import memory
from howfar.arrays import ArrayRows
from howfar.io.checkpoint import KeptArrays
from howfar.projection.gram import Gram, own_gram
from howfar.projection.moments import Moments, moments
from howfar.protocols import Rows

Arrays: TypeAlias = Mapping[str, NDArray[Any]]
HELD_BYTES = 64 << 20
"""Bytes of rows up to which they are held in memory by one who reads them more than once."""


class CachedRows:
    """Read a dataset's rows, and cache their moments and inner products, so that they are computed once.

    `rows` are (n, q) features. `folder` is where the sums are kept, of a name that stands for these very features; memory where
    it is None. A file that cannot be read is made anew.
    """

    def __init__(self, rows: Rows, folder: Path | None = None) -> None:
        self._rows, self._kept = rows, KeptArrays(folder)
        self._memory: dict[str, Arrays] = {}
        self.shape = rows.shape

    def rows(self, start: int, stop: int) -> NDArray[np.floating[Any]]:
        """Read rows `start` to `stop` of the dataset."""
        return self._rows.rows(start, stop)

    def columns(self, start: int, stop: int) -> NDArray[np.floating[Any]]:
        """Read columns `start` to `stop` of every row of the dataset."""
        return self._rows.columns(start, stop)

    def moments(self, block: int | None = None, double: bool = False) -> Moments:
        """Return count, mean and scatter, as `howfar.projection.moments.moments` computes them."""
        q = self.shape[1]
        shapes = {"mean": (q,), "scatter": (q, q), "single": ()}
        name = "moments-double" if double else "moments"
        sums = self._sums(name, shapes, lambda: _arrays(moments_of(self._rows, block, double)))
        return Moments(self.shape[0], sums["mean"], sums["scatter"], bool(sums["single"]))

    def gram(self, layers: Sequence[int] | None = None, block: int | None = None, double: bool = False) -> Gram:
        """Return the inner products within the dataset, as `howfar.projection.gram.own_gram` computes them."""
        n, q = self.shape
        parts = tuple(layers or (q,))
        shapes = {"mean": (q,), "centre": (q,), "inner": (len(parts), n, n), "single": ()}
        sums = self._sums(_gram_name(parts, double), shapes, lambda: _arrays(gram_of(self._rows, layers, block, double)))
        return Gram(sums["mean"], sums["centre"], sums["inner"], bool(sums["single"]))

    def held(self) -> CachedRows:
        """Return the same with its rows in memory, where they are few (`held`)."""
        same = copy.copy(self)
        same._rows = held(self._rows)
        return same

    def knows(self, kind: type[Moments] | type[Gram]) -> bool:
        """Tell whether the moments, or the inner products of one layer, are kept already."""
        return self._name(kind) in (self._memory if self._kept.folder is None else self._kept)

    def give(self, sums: Moments | Gram) -> None:
        """Keep moments, or inner products of one layer, that were computed elsewhere."""
        self._keep(self._name(type(sums)), _arrays(sums))

    def _name(self, kind: type[Moments] | type[Gram]) -> str:
        return "moments" if kind is Moments else _gram_name((self.shape[1],), double=False)

    def _sums(self, name: str, shapes: Mapping[str, tuple[int, ...]], compute: Callable[[], Arrays]) -> Arrays:
        cached = self._memory.get(name) if self._kept.folder is None else self._kept.read(name)
        # A file of another make has other shapes.
        if cached is not None and {key: value.shape for key, value in cached.items()} == shapes:
            return cached
        fresh = compute()
        self._keep(name, fresh)
        return fresh

    def _keep(self, name: str, sums: Arrays) -> None:
        if self._kept.folder is None:
            self._memory[name] = sums
        else:
            self._kept.keep(name, sums)


def _gram_name(parts: tuple[int, ...], double: bool) -> str:
    return f"gram-{hashlib.sha256(repr((parts, double)).encode()).hexdigest()[:16]}"


def _arrays(sums: Moments | Gram) -> Arrays:
    names = ("mean", "scatter") if isinstance(sums, Moments) else ("mean", "centre", "inner")
    return {**{name: getattr(sums, name) for name in names}, "single": np.array(sums.single)}


def held(x: Rows) -> Rows:
    """Read rows into memory where they take at most 64 MiB and no budget is set: sums and scores then read them once."""
    if isinstance(x, CachedRows):
        return x.held()
    n, q = x.shape
    few = n * q * x.rows(0, 1).dtype.itemsize <= HELD_BYTES and not memory.is_set()
    return ArrayRows(x.rows(0, n)) if few else x


def moments_of(x: Rows, block: int | None = None, double: bool = False) -> Moments:
    """Return the moments of rows; of `CachedRows` those that are cached, if there are any."""
    return x.moments(block, double) if isinstance(x, CachedRows) else moments(x, block, double=double)


def gram_of(x: Rows, layers: Sequence[int] | None = None, block: int | None = None, double: bool = False) -> Gram:
    """Return the inner products within rows; of `CachedRows` those that are cached, if there are any."""
    return x.gram(layers, block, double) if isinstance(x, CachedRows) else own_gram(x, layers, block, double=double)
