"""Sum a large dataset by a runner's tasks, and keep the sums beside its features."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from howfar.projection.cached import Remembered
from howfar.projection.gram import SINGLE_FROM as GRAM_LARGE
from howfar.projection.gram import Gram, beside, own_gram
from howfar.projection.moments import SINGLE_FROM as MOMENTS_LARGE
from howfar.projection.moments import Moments, merge, moments
from howfar.protocols import Rows, Runner

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FOLDER: Final = "sums"
KEPT: Final = 2 << 30
"""Bytes of the sums of one feature's datasets that are kept."""
SPAN: Final = 1 << 27
"""Numbers of features of one task: half a gigabyte."""


def with_sums(rows: Rows, contents: Sequence[str], home: Path | str, executor: Runner) -> Rows:
    """Make rows keep their sums, where summing takes long: in ``sums/`` below their feature's folder.

    These are the moments where there are more images than features, else the inner products. A runner whose tasks have
    processes of their own computes them now, span by span, reduced as a tree; else moments are computed when they are first
    needed. A store behind a URL keeps none.

    Parameters
    ----------
    rows
        (n, q) features.
    contents
        The n contents, by which they are known.
    home
        The feature's folder.
    executor
        The runner.
    """
    n, q = rows.shape
    kind: type[Moments] | type[Gram] = Moments if n > q else Gram
    few = n * q * q < MOMENTS_LARGE if kind is Moments else n * n * q < GRAM_LARGE
    if not isinstance(home, Path) or few:
        return rows
    digest = hashlib.sha256("\n".join(contents).encode()).hexdigest()[:32]
    kept = Remembered(rows, home / FOLDER / digest)
    if kind is Gram and not executor.processes and not kept.knows(Gram):
        # Here a pair's inner products are one product of both sets; those of each alone, to be kept, would be two more.
        return rows
    _mark(home / FOLDER, digest)
    if executor.processes and not kept.knows(kind):
        if kind is Moments:
            kept.give(executor.on_processors().reduce(SpanMoments(rows), merge, _spans(n, q)))
        else:
            kept.give(executor.on_processors().reduce(SpanGram(rows), beside, _spans(q, n)))
    return kept


def _spans(length: int, width: int) -> list[tuple[int, int]]:
    step = max(1, SPAN // width)
    return [(start, min(start + step, length)) for start in range(0, length, step)]


@dataclass(frozen=True)
class SpanMoments:
    """Compute moments of some of a dataset's rows, by where they begin and end."""

    features: Rows

    def __call__(self, span: tuple[int, int]) -> Moments:
        """Compute those of one span."""
        return moments(Part(self.features, span))


@dataclass(frozen=True)
class SpanGram:
    """Compute inner products over some of a dataset's columns, by where they begin and end."""

    features: Rows

    def __call__(self, span: tuple[int, int]) -> Gram:
        """Compute those of one span."""
        return own_gram(Part(self.features, columns=span))


class Part:
    """Read some successive rows, or columns, of a dataset in pieces.

    Examples
    --------
    >>> from howfar.arrays import as_rows
    >>> rows = as_rows([[1.0, 4.0], [2.0, 5.0], [6.0, 7.0]], "x")
    >>> Part(rows, (1, 3)).rows(0, 1), Part(rows, columns=(1, 2)).columns(0, 1)[:, 0]
    (array([[2., 5.]]), array([4., 5., 7.]))
    """

    def __init__(self, rows: Rows, span: tuple[int, int] | None = None, columns: tuple[int, int] | None = None) -> None:
        self._rows = rows
        self._span, self._columns = span or (0, rows.shape[0]), columns or (0, rows.shape[1])
        self.shape: tuple[int, int] = (self._span[1] - self._span[0], self._columns[1] - self._columns[0])

    def rows(self, start: int, stop: int) -> NDArray[np.floating[Any]]:
        """Read rows `start` to `stop` of the part."""
        first, last = self._span
        return self._rows.rows(first + start, min(first + stop, last))[:, slice(*self._columns)]

    def columns(self, start: int, stop: int) -> NDArray[np.floating[Any]]:
        """Read columns `start` to `stop` of every row of the part."""
        first, last = self._columns
        if self.shape[0] < self._rows.shape[0]:
            return self.rows(0, self.shape[0])[:, start:stop]
        return self._rows.columns(first + start, min(first + stop, last))


def _mark(folder: Path, used: str) -> None:
    """Mark the sums of one dataset as used; beyond `KEPT` bytes those that were used longest ago are deleted."""
    with suppress(OSError):
        (folder / used).mkdir(parents=True, exist_ok=True)
        (folder / used).touch()
        room = KEPT
        for known in sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True):
            room -= sum(file.stat().st_size for file in known.iterdir())
            if room < 0 and known.name != used:
                shutil.rmtree(known, ignore_errors=True)
