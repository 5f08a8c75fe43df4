"""Hold millions of texts, or hashes, in a few buffers, since each as a Python object takes 60 to 90 bytes more."""

from __future__ import annotations

from abc import abstractmethod
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import merge
from itertools import islice
from operator import eq
from typing import Any, Final, TypeVar, overload

import numpy as np

T = TypeVar("T")
_WIDTH: Final = 16
"""Bytes of a content hash."""
_RUN: Final = 1 << 15
"""Texts that are sorted at a time: with their keys they take some 25 MB."""


class Column(Sequence[T]):
    """Hold values in buffers, and make the object of one when it is asked for; it equals a tuple of the same values."""

    @abstractmethod
    def value(self, position: int) -> T:
        """Return the value at a position, which counts from the beginning and is not checked."""

    @overload
    def __getitem__(self, position: int) -> T: ...
    @overload
    def __getitem__(self, position: slice) -> tuple[T, ...]: ...
    def __getitem__(self, position: int | slice) -> T | tuple[T, ...]:
        if isinstance(position, slice):
            return tuple(map(self.value, range(*position.indices(len(self)))))
        # `range` takes positions from the end and those that numpy gives, and refuses those outside, as a tuple does.
        return self.value(range(len(self))[position])

    def __iter__(self) -> Iterator[T]:
        return map(self.value, range(len(self)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (Column, tuple)):
            return NotImplemented
        return self is other or (len(self) == len(other) and all(map(eq, self, other)))

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __add__(self, other: object) -> tuple[Any, ...]:
        return (*self, *other) if isinstance(other, (Column, tuple)) else NotImplemented

    def __radd__(self, other: object) -> tuple[Any, ...]:
        return (*other, *self) if isinstance(other, tuple) else NotImplemented

    def __mul__(self, times: int) -> tuple[T, ...]:
        return tuple(self) * times

    __rmul__ = __mul__

    def __repr__(self) -> str:
        return repr(tuple(self))


class TextColumn(Column[str]):
    """Hold texts as UTF-8, one behind another, and where each ends: 8 bytes a text beside its own.

    Examples
    --------
    >>> names = TextColumn(["1.png", "", "straße.png"])
    >>> names[2], len(names), names == ("1.png", "", "straße.png")
    ('straße.png', 3, True)
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._bytes, self._ends = bytearray(), array("Q")
        for text in texts:
            self.append(text)

    def append(self, text: str) -> None:
        """Add a text at the end, as only the code that makes the column may."""
        # Names of files that are not UTF-8 have surrogates.
        self._bytes += text.encode("utf-8", "surrogatepass")
        self._ends.append(len(self._bytes))

    def extend_to(self, length: int) -> None:
        """Add empty texts at the end until there are as many as `length`."""
        self._ends.extend([len(self._bytes)] * (length - len(self._ends)))

    def __len__(self) -> int:
        return len(self._ends)

    def value(self, position: int) -> str:
        """Return the text at a position."""
        start = self._ends[position - 1] if position else 0
        return self._bytes[start : self._ends[position]].decode("utf-8", "surrogatepass")


class HashColumn(Column[str]):
    """Hold hashes of images' contents (`howfar.data.content_hash`), given and returned as hexadecimal digits: 16 bytes each.

    Examples
    --------
    >>> hashes = HashColumn(["d6984d471a1d0ad4bb7b34ab34540c2f"])
    >>> hashes[0], len(hashes)
    ('d6984d471a1d0ad4bb7b34ab34540c2f', 1)
    """

    def __init__(self, hashes: Iterable[str] = ()) -> None:
        self._bytes = bytearray()
        for digits in hashes:
            self.append(digits)

    def append(self, digits: str) -> None:
        """Add a hash at the end, as only the code that makes the column may; "" stands for zeros."""
        self._bytes += _digest(digits)

    def replace(self, position: int, digits: str) -> None:
        """Put another hash at a position, as only the code that makes the column may; "" stands for zeros."""
        self._bytes[position * _WIDTH : (position + 1) * _WIDTH] = _digest(digits)

    def __len__(self) -> int:
        return len(self._bytes) // _WIDTH

    def value(self, position: int) -> str:
        """Return the hexadecimal digits of the hash at a position."""
        return self._bytes[position * _WIDTH : (position + 1) * _WIDTH].hex()


def _digest(digits: str) -> bytes:
    digest = bytes.fromhex(digits) if digits else bytes(_WIDTH)
    if len(digest) != _WIDTH:
        raise ValueError(f"a content hash has {2 * _WIDTH} hexadecimal digits, got {digits!r}")
    return digest


def first_repeat(texts: Sequence[str]) -> tuple[int, int] | None:
    """Find the first text that an earlier one equals: the positions of both, or None; 16 bytes a text are held meanwhile.

    Examples
    --------
    >>> first_repeat(["a", "b", "c", "b", "a"]), first_repeat(["a", "b"])
    ((1, 3), None)
    """
    hashes = np.fromiter(map(hash, texts), np.int64, len(texts))
    ordered = np.sort(hashes)
    repeated = ordered[1:][ordered[1:] == ordered[:-1]]
    if not len(repeated):
        return None
    first: dict[str, int] = {}
    for position in np.flatnonzero(np.isin(hashes, repeated)).tolist():
        text = texts[position]
        if text in first:
            return first[text], position
        first[text] = position
    return None


def sorted_texts(texts: Iterable[str], key: Callable[[str], Any]) -> Iterator[str]:
    """Sort texts by a key, as `sorted` does, with few of them and of their keys in memory as objects at a time.

    Examples
    --------
    >>> list(sorted_texts(["b", "a"], key=str))
    ['a', 'b']
    """
    waiting = iter(texts)
    runs = []
    while run := sorted(islice(waiting, _RUN), key=key):
        runs.append(TextColumn(run))
    return merge(*runs, key=key) if len(runs) > 1 else iter(runs[0] if runs else ())
