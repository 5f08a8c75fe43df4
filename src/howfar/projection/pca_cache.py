"""Compute a dataset's mean and scatter, or inner products, in parallel, and cache these sums for PCA."""

from __future__ import annotations

import copy
import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from howfar import memory
from howfar.arrays import ArrayRows, spans
from howfar.io.partial_results import KeptArrays
from howfar.projection.gram_and_moments import GRAM_LARGE, MOMENTS_LARGE, Gram, Moments, merge, merge_columns, moments, own_gram
from howfar.protocols import Rows, Runner

Arrays: TypeAlias = Mapping[str, NDArray[Any]]
HELD_BYTES = 64 << 20
"""Bytes of rows up to which they are held in memory by one who reads them more than once."""


class CachedRows:
    """Read a dataset's rows, and cache their moments and inner products in `folder`, or in memory if it is None.

    The folder's name has to stand for these very features. A file that cannot be read is made anew.
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
        """Return count, mean and scatter, as `howfar.projection.gram_and_moments.moments` computes them."""
        q = self.shape[1]
        shapes = {"mean": (q,), "scatter": (q, q), "single": ()}
        name = "moments-double" if double else "moments"
        sums = self._sums(name, shapes, lambda: _arrays(moments_of(self._rows, block, double)))
        return Moments(self.shape[0], sums["mean"], sums["scatter"], bool(sums["single"]))

    def gram(self, layers: Sequence[int] | None = None, block: int | None = None, double: bool = False) -> Gram:
        """Return the inner products within the dataset, as `howfar.projection.gram_and_moments.own_gram` computes them."""
        n, q = self.shape
        parts = tuple(layers or (q,))
        shapes = {"mean": (q,), "centre": (q,), "inner": (len(parts), n, n), "single": ()}
        sums = self._sums(_gram_name(parts, double), shapes, lambda: _arrays(gram_of(self._rows, layers, block, double)))
        return Gram(sums["mean"], sums["centre"], sums["inner"], bool(sums["single"]))

    def held(self) -> CachedRows:
        """Return a copy with the rows in memory if they are few enough for `held`."""
        same = copy.copy(self)
        same._rows = held(self._rows)
        return same

    def knows(self, kind: type[Moments] | type[Gram]) -> bool:
        """Return whether the moments, or the inner products of one layer, are cached."""
        return self._name(kind) in (self._memory if self._kept.folder is None else self._kept)

    def give(self, sums: Moments | Gram) -> None:
        """Cache moments, or inner products of one layer, computed elsewhere."""
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
    return {name: np.asarray(value) for name, value in vars(sums).items() if name != "count"}


def held(x: Rows) -> Rows:
    """Load rows into memory if they take at most 64 MiB and no memory budget is set, so that they are read once."""
    if isinstance(x, CachedRows):
        return x.held()
    n, q = x.shape
    few = n * q * x.rows(0, 1).dtype.itemsize <= HELD_BYTES and not memory.is_set()
    return ArrayRows(x.rows(0, n)) if few else x


def moments_of(x: Rows, block: int | None = None, double: bool = False) -> Moments:
    """Return the moments of rows, from the cache of `CachedRows` if possible."""
    return x.moments(block, double) if isinstance(x, CachedRows) else moments(x, block, double=double)


def gram_of(x: Rows, layers: Sequence[int] | None = None, block: int | None = None, double: bool = False) -> Gram:
    """Return the inner products within rows, from the cache of `CachedRows` if possible."""
    return x.gram(layers, block, double) if isinstance(x, CachedRows) else own_gram(x, layers, block, double=double)


FOLDER: Final = "sums"
KEPT: Final = 2 << 30
"""Most bytes of sums that are kept for the datasets of one feature."""
SPAN: Final = 1 << 27
"""Numbers of features of one task: half a gigabyte."""


def with_sums(rows: Rows, contents: Sequence[str], home: Path | str, executor: Runner) -> Rows:
    """Return rows that cache their moments or inner products in ``sums/`` of the feature's folder, if these are slow to find.

    Kept are the moments where there are more images than features, else the inner products, under a name made of the images'
    content hashes. A runner whose tasks have processes of their own computes them now, span by span; a store behind a URL keeps
    none.
    """
    n, q = rows.shape
    kind: type[Moments] | type[Gram] = Moments if n > q else Gram
    few = n * q * q < MOMENTS_LARGE if kind is Moments else n * n * q < GRAM_LARGE
    if not isinstance(home, Path) or few:
        return rows
    # The content hashes are hashed as lines of one text, without holding that text in memory.
    hashed = hashlib.sha256()
    for row, content in enumerate(contents):
        hashed.update((f"\n{content}" if row else content).encode())
    digest = hashed.hexdigest()[:32]
    cached = CachedRows(rows, home / FOLDER / digest)
    if kind is Gram and not executor.processes and not cached.knows(Gram):
        # Without processes a pair's inner products are one product of both sets; keeping each set's own would take two more.
        return rows
    with suppress(OSError):
        # These sums are in use; beyond `KEPT` bytes the least recently used ones of other datasets are deleted.
        (home / FOLDER / digest).mkdir(parents=True, exist_ok=True)
        (home / FOLDER / digest).touch()
        room = KEPT
        for sums in sorted((home / FOLDER).iterdir(), key=lambda path: path.stat().st_mtime, reverse=True):
            room -= sum(file.stat().st_size for file in sums.iterdir())
            if room < 0 and sums.name != digest:
                shutil.rmtree(sums, ignore_errors=True)
    if executor.processes and not cached.knows(kind):
        if kind is Moments:
            cached.give(executor.on_processors().reduce(partial(span_moments, rows), merge, spans(n, max(1, SPAN // q))))
        else:
            cached.give(executor.on_processors().reduce(partial(span_gram, rows), merge_columns, spans(q, max(1, SPAN // n))))
    return cached


def span_moments(features: Rows, span: slice) -> Moments:
    """Compute the moments of a dataset's rows in the half-open range `span`."""
    return moments(Window(features, rows=span))


def span_gram(features: Rows, span: slice) -> Gram:
    """Compute the inner products over a dataset's columns in the half-open range `span`."""
    return own_gram(Window(features, columns=span))


class Window:
    """Read a contiguous range of rows and columns of a matrix in blocks; by default all rows and columns."""

    def __init__(self, matrix: Rows, rows: slice | None = None, columns: slice | None = None) -> None:
        self._matrix = matrix
        self._rows, self._columns = rows or slice(0, matrix.shape[0]), columns or slice(0, matrix.shape[1])
        self.shape: tuple[int, int] = (self._rows.stop - self._rows.start, self._columns.stop - self._columns.start)

    def rows(self, start: int, stop: int) -> NDArray[np.floating[Any]]:
        """Return rows `start` to `stop` of the window."""
        first = self._rows.start
        return self._matrix.rows(first + start, first + min(stop, self.shape[0]))[:, self._columns]

    def columns(self, start: int, stop: int) -> NDArray[np.floating[Any]]:
        """Return columns `start` to `stop` of every row of the window."""
        first = self._columns.start
        return self._matrix.columns(first + start, first + min(stop, self.shape[1]))[self._rows]
