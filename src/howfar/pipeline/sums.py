"""What a large dataset is summed to, computed by a runner's tasks and kept beside its features."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from howfar.projection.moments import SINGLE_FROM, Moments, merge, moments
from howfar.projection.remembered import Remembered
from howfar.protocols import Rows, Runner

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FOLDER: Final = "sums"
KEPT: Final = 64
"""Datasets of one feature whose sums are kept; of more, those that were used longest ago go."""
SPAN: Final = 1 << 27
"""Numbers of features of one task: half a gigabyte."""


def with_sums(rows: Rows, contents: Sequence[str], home: Path | str, executor: Runner) -> Rows:
    """Rows that remember their moments, where summing them takes long: in ``sums/`` below their feature's folder.

    A runner whose tasks have processes of their own computes them now, span by span, reduced as a tree; else they are computed
    when they are first needed. A store behind a URL keeps none.

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
    if not isinstance(home, Path) or n <= q or n * q * q < SINGLE_FROM:
        return rows
    digest = hashlib.sha256("\n".join(contents).encode()).hexdigest()[:32]
    kept = Remembered(rows, home / FOLDER / digest)
    _forget(home / FOLDER, digest)
    if executor.processes and not kept.knows_moments():
        step = max(1, SPAN // q)
        spans = [(start, min(start + step, n)) for start in range(0, n, step)]
        kept.give(executor.reduce(SpanMoments(rows), merge, spans))
    return kept


@dataclass(frozen=True)
class SpanMoments:
    """Moments of some of a dataset's rows, by where they begin and end."""

    features: Rows

    def __call__(self, span: tuple[int, int]) -> Moments:
        """Those of one span."""
        return moments(Span(self.features, *span))


class Span:
    """Some successive rows, read in pieces.

    Examples
    --------
    >>> from howfar.arrays import as_rows
    >>> Span(as_rows([[1.0], [2.0], [6.0]], "x"), 1, 3).rows(0, 1)
    array([[2.]])
    """

    def __init__(self, rows: Rows, start: int, stop: int) -> None:
        self._rows, self._start = rows, start
        self.shape: tuple[int, int] = (stop - start, rows.shape[1])

    def rows(self, start: int, stop: int) -> NDArray[np.floating[Any]]:
        """Rows `start` to `stop` of the span."""
        return self._rows.rows(self._start + start, self._start + min(stop, self.shape[0]))

    def columns(self, start: int, stop: int) -> NDArray[np.floating[Any]]:
        """Columns `start` to `stop` of every row of the span."""
        return self._rows.rows(self._start, self._start + self.shape[0])[:, start:stop]


def _forget(folder: Path, used: str) -> None:
    """Mark the sums of one dataset as used, and delete those that were used longest ago."""
    with suppress(OSError):
        (folder / used).mkdir(parents=True, exist_ok=True)
        (folder / used).touch()
        known = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
        for old in known[KEPT:]:
            shutil.rmtree(old, ignore_errors=True)
