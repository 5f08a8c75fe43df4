"""Rows that keep their own sums, so that a dataset that is part of many pairs is summed once."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from howfar.projection.gram import Gram, own_gram
from howfar.projection.moments import Moments, moments
from howfar.protocols import Rows


class Remembered:
    """The rows of a dataset, and what they are summed to, by either route: computed once, kept in memory or in a folder.

    Parameters
    ----------
    rows
        (n, q) features.
    folder
        Where the sums are kept, of a name that stands for these very features; memory where it is None. A file that cannot be
        read is made anew.

    Examples
    --------
    >>> from howfar.arrays import as_rows
    >>> x = Remembered(as_rows([[1.0], [2.0], [6.0]], "x"))
    >>> x.moments().mean.tolist(), x.moments().scatter is x.moments().scatter
    ([3.0], True)
    """

    def __init__(self, rows: Rows, folder: Path | None = None) -> None:
        self._rows, self._folder = rows, folder
        self._memory: dict[str, Any] = {}
        self.shape = rows.shape

    def rows(self, start: int, stop: int) -> NDArray[np.floating[Any]]:
        """As those of the dataset."""
        return self._rows.rows(start, stop)

    def columns(self, start: int, stop: int) -> NDArray[np.floating[Any]]:
        """As those of the dataset."""
        return self._rows.columns(start, stop)

    def moments(self, block: int | None = None) -> Moments:
        """Count, mean and scatter, as `howfar.projection.moments.moments`."""
        found = self._kept("moments", lambda: _arrays(moments(self._rows, block)))
        return Moments(self.shape[0], found["mean"], found["scatter"])

    def gram(self, layers: Sequence[int] | None = None, block: int | None = None) -> Gram:
        """Inner products within the dataset, as `howfar.projection.gram.own_gram`."""
        parts = "-".join(map(str, layers or self.shape[1:]))
        found = self._kept(f"gram-{parts}", lambda: _arrays(own_gram(self._rows, layers, block)))
        return Gram(found["mean"], found["centre"], found["inner"], bool(found["single"]))

    def _kept(self, name: str, compute: Any) -> Mapping[str, NDArray[Any]]:
        if self._folder is None:
            if name not in self._memory:
                self._memory[name] = compute()
            found: Mapping[str, NDArray[Any]] = self._memory[name]
            return found
        path = self._folder / f"{name}.npz"
        try:
            with path.open("rb") as file, np.load(file) as kept:
                return dict(kept)
        # Absent, cut short, or of another make.
        except (OSError, ValueError, EOFError, BadZipFile):
            fresh: Mapping[str, NDArray[Any]] = compute()
        self._folder.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        with part.open("wb") as written:
            np.savez(written, **dict[str, Any](fresh))
        part.replace(path)
        return fresh


def _arrays(found: Moments | Gram) -> dict[str, NDArray[Any]]:
    if isinstance(found, Moments):
        return {"mean": found.mean, "scatter": found.scatter}
    return {"mean": found.mean, "centre": found.centre, "inner": found.inner, "single": np.array(found.single)}


def moments_of(x: Rows, block: int | None = None) -> Moments:
    """Moments of rows, from their memory where they have one.

    Examples
    --------
    >>> from howfar.arrays import as_rows
    >>> moments_of(as_rows([[1.0], [2.0], [6.0]], "x")).scatter.tolist()
    [[14.0]]
    """
    return x.moments(block) if isinstance(x, Remembered) else moments(x, block)


def gram_of(x: Rows, layers: Sequence[int] | None = None, block: int | None = None) -> Gram:
    """Inner products within rows, from their memory where they have one.

    Examples
    --------
    >>> from howfar.arrays import as_rows
    >>> gram_of(Remembered(as_rows([[1.0], [3.0]], "x"))).inner.tolist()
    [[[1.0, -1.0], [-1.0, 1.0]]]
    """
    return x.gram(layers, block) if isinstance(x, Remembered) else own_gram(x, layers, block)
