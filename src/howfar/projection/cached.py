"""Rows that keep their own sums, so that a dataset that is part of many pairs is summed once."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from howfar.projection.gram import Gram, own_gram
from howfar.projection.moments import Moments, moments
from howfar.protocols import Rows

Arrays: TypeAlias = Mapping[str, NDArray[Any]]


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
        self._memory: dict[str, Arrays] = {}
        self.shape = rows.shape

    def rows(self, start: int, stop: int) -> NDArray[np.floating[Any]]:
        """As those of the dataset."""
        return self._rows.rows(start, stop)

    def columns(self, start: int, stop: int) -> NDArray[np.floating[Any]]:
        """As those of the dataset."""
        return self._rows.columns(start, stop)

    def moments(self, block: int | None = None, double: bool = False) -> Moments:
        """Count, mean and scatter, as `howfar.projection.moments.moments`."""
        q = self.shape[1]
        shapes = {"mean": (q,), "scatter": (q, q), "single": ()}
        name = "moments-double" if double else "moments"
        found = self._kept(name, shapes, lambda: _arrays(moments_of(self._rows, block, double)))
        return Moments(self.shape[0], found["mean"], found["scatter"], bool(found["single"]))

    def knows(self, kind: type[Moments] | type[Gram]) -> bool:
        """Whether the moments, or the inner products of one layer, are kept already."""
        name = self._name(kind)
        return name in self._memory if self._folder is None else (self._folder / f"{name}.npz").is_file()

    def give(self, found: Moments | Gram) -> None:
        """Keep moments, or inner products of one layer, that were computed elsewhere."""
        name = self._name(type(found))
        if self._folder is None:
            self._memory[name] = _arrays(found)
        else:
            _keep(self._folder / f"{name}.npz", _arrays(found))

    def _name(self, kind: type[Moments] | type[Gram]) -> str:
        return "moments" if kind is Moments else _gram_name((self.shape[1],), double=False)

    def gram(self, layers: Sequence[int] | None = None, block: int | None = None, double: bool = False) -> Gram:
        """Inner products within the dataset, as `howfar.projection.gram.own_gram`."""
        n, q = self.shape
        parts = tuple(layers or (q,))
        shapes = {"mean": (q,), "centre": (q,), "inner": (len(parts), n, n), "single": ()}
        found = self._kept(_gram_name(parts, double), shapes, lambda: _arrays(gram_of(self._rows, layers, block, double)))
        return Gram(found["mean"], found["centre"], found["inner"], bool(found["single"]))

    def _kept(self, name: str, shapes: Mapping[str, tuple[int, ...]], compute: Callable[[], Arrays]) -> Arrays:
        if self._folder is None:
            if name not in self._memory:
                self._memory[name] = compute()
            return self._memory[name]
        path = self._folder / f"{name}.npz"
        # Absent, cut short, or of another make: it is computed anew.
        with suppress(OSError, ValueError, EOFError, KeyError, BadZipFile), path.open("rb") as file, np.load(file) as kept:
            found = dict(kept)
            if {key: value.shape for key, value in found.items()} == shapes:
                return found
        fresh = compute()
        _keep(path, fresh)
        return fresh


def _gram_name(parts: tuple[int, ...], double: bool) -> str:
    return f"gram-{hashlib.sha256(repr((parts, double)).encode()).hexdigest()[:16]}"


def _keep(path: Path, fresh: Arrays) -> None:
    """Write what was computed; a disk that refuses, or a folder that is gone meanwhile, costs time later and no more."""
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    with suppress(OSError):
        # Not those above it: a task on a machine that does not share the folder leaves nothing behind there.
        path.parent.mkdir(exist_ok=True)
        with part.open("wb") as written:
            np.savez(written, **dict[str, Any](fresh))
        part.replace(path)


def _arrays(found: Moments | Gram) -> Arrays:
    if isinstance(found, Moments):
        return {"mean": found.mean, "scatter": found.scatter, "single": np.array(found.single)}
    return {"mean": found.mean, "centre": found.centre, "inner": found.inner, "single": np.array(found.single)}


def moments_of(x: Rows, block: int | None = None, double: bool = False) -> Moments:
    """Moments of rows, from their memory where they have one.

    Examples
    --------
    >>> from howfar.arrays import as_rows
    >>> moments_of(as_rows([[1.0], [2.0], [6.0]], "x")).scatter.tolist()
    [[14.0]]
    """
    return x.moments(block, double) if isinstance(x, Remembered) else moments(x, block, double=double)


def gram_of(x: Rows, layers: Sequence[int] | None = None, block: int | None = None, double: bool = False) -> Gram:
    """Inner products within rows, from their memory where they have one.

    Examples
    --------
    >>> from howfar.arrays import as_rows
    >>> gram_of(Remembered(as_rows([[1.0], [3.0]], "x"))).inner.tolist()
    [[[1.0, -1.0], [-1.0, 1.0]]]
    """
    return x.gram(layers, block, double) if isinstance(x, Remembered) else own_gram(x, layers, block, double=double)
