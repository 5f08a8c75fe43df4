"""Compute a large dataset's mean and scatter, or its inner products, in parallel tasks, and keep them beside its features."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from howfar.projection.cached import CachedRows
from howfar.projection.gram import SINGLE_FROM as GRAM_LARGE
from howfar.projection.gram import Gram, merge_columns, own_gram
from howfar.projection.moments import SINGLE_FROM as MOMENTS_LARGE
from howfar.projection.moments import Moments, merge, moments
from howfar.protocols import Rows, Runner

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FOLDER: Final = "sums"
KEPT: Final = 2 << 30
"""Most bytes of sums that are kept for the datasets of one feature."""
SPAN: Final = 1 << 27
"""Numbers of features of one task: half a gigabyte."""


def with_sums(rows: Rows, contents: Sequence[str], home: Path | str, executor: Runner) -> Rows:
    """Return rows that keep their moments or inner products, where these take long to compute.

    They are kept in ``sums/`` below the feature's folder: the moments where there are more images than features, else the inner
    products. A runner whose tasks have processes of their own computes them now, span by span, reduced as a tree; else moments
    are computed when they are first needed. A store behind a URL keeps none.

    `rows` are (n, q) features and `contents` the n images' content hashes, which name the kept sums; `home` is the feature's
    folder, `executor` the runner.
    """
    n, q = rows.shape
    kind: type[Moments] | type[Gram] = Moments if n > q else Gram
    few = n * q * q < MOMENTS_LARGE if kind is Moments else n * n * q < GRAM_LARGE
    if not isinstance(home, Path) or few:
        return rows
    digest = _digest(contents)
    cached = CachedRows(rows, home / FOLDER / digest)
    if kind is Gram and not executor.processes and not cached.knows(Gram):
        # Without processes a pair's inner products are one product of both sets; keeping each set's own would take two more.
        return rows
    _mark(home / FOLDER, digest)
    if executor.processes and not cached.knows(kind):
        if kind is Moments:
            cached.give(executor.on_processors().reduce(partial(span_moments, rows), merge, _spans(n, q)))
        else:
            cached.give(executor.on_processors().reduce(partial(span_gram, rows), merge_columns, _spans(q, n)))
    return cached


def _digest(contents: Sequence[str]) -> str:
    """Hash the contents as the lines of one text, which for ten million images need not be in memory."""
    hashed = hashlib.sha256()
    for row, content in enumerate(contents):
        hashed.update((f"\n{content}" if row else content).encode())
    return hashed.hexdigest()[:32]


def _spans(length: int, width: int) -> list[tuple[int, int]]:
    step = max(1, SPAN // width)
    return [(start, min(start + step, length)) for start in range(0, length, step)]


def span_moments(features: Rows, span: tuple[int, int]) -> Moments:
    """Compute the moments of a dataset's rows from the first up to the second number of `span`."""
    return moments(Window(features, rows=span))


def span_gram(features: Rows, span: tuple[int, int]) -> Gram:
    """Compute the inner products over a dataset's columns from the first up to the second number of `span`."""
    return own_gram(Window(features, columns=span))


class Window:
    """Read some successive rows and columns of a matrix in pieces; all of them where none are named."""

    def __init__(self, matrix: Rows, rows: tuple[int, int] | None = None, columns: tuple[int, int] | None = None) -> None:
        self._matrix = matrix
        self._rows, self._columns = rows or (0, matrix.shape[0]), columns or (0, matrix.shape[1])
        self.shape: tuple[int, int] = (self._rows[1] - self._rows[0], self._columns[1] - self._columns[0])

    def rows(self, start: int, stop: int) -> NDArray[np.floating[Any]]:
        """Return rows `start` to `stop` of the window."""
        first = self._rows[0]
        return self._matrix.rows(first + start, first + min(stop, self.shape[0]))[:, slice(*self._columns)]

    def columns(self, start: int, stop: int) -> NDArray[np.floating[Any]]:
        """Return columns `start` to `stop` of every row of the window."""
        first = self._columns[0]
        return self._matrix.columns(first + start, first + min(stop, self.shape[1]))[slice(*self._rows)]


def _mark(folder: Path, used: str) -> None:
    """Mark the sums of one dataset as used; beyond `KEPT` bytes those that were used longest ago are deleted."""
    with suppress(OSError):
        (folder / used).mkdir(parents=True, exist_ok=True)
        (folder / used).touch()
        room = KEPT
        for sums in sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True):
            room -= sum(file.stat().st_size for file in sums.iterdir())
            if room < 0 and sums.name != used:
                shutil.rmtree(sums, ignore_errors=True)
