"""Define `Item`, one image of a dataset, and `ItemTable`, which stores items compactly (about 40 bytes an image)."""

from __future__ import annotations

import pickle
import zlib
from abc import abstractmethod
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from operator import eq
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar, overload

import numpy as np

from howfar.io.file_location import is_in_memory
from howfar.results import Skipped


@dataclass(frozen=True)
class Item:
    """Describe one image of a dataset, without reading it.

    `name` is unique in the dataset: the path below the images folder, with ``/``, or what the table says. `path` is the file,
    or the text of its URL; of a member of a tar, Parquet or Arrow file the container, ``/`` and its own name. `mask` is the
    file of its ground truth. `further` are (column, text) of the further columns of the dataset's table, without empty cells.
    `group` names the scene, patient, clip or photograph that the image shares with others; None if it shares none.
    """

    name: str
    path: Path | str
    mask: Path | str | None = None
    label: str | None = None
    further: tuple[tuple[str, str], ...] = ()
    group: str | None = None


DatasetFields: TypeAlias = tuple[str, Sequence[Item], tuple[Skipped, ...], Path | str]
"""Fields of a `howfar.data.Dataset` in their order, as a reader returns them: name, items, skipped, root."""


T = TypeVar("T")
_WIDTH: Final = 16
"""Bytes of a content hash."""
_RUN: Final = 1 << 15
"""Texts that are sorted at a time: with their keys they take some 25 MB."""
_BLOCK: Final = 32
"""Images that are packed together: more take less memory, and longer to read one."""


class CompactSequence(Sequence[T]):
    """Hold values compactly and build each object on access; equal to a tuple of the same values."""

    @abstractmethod
    def value(self, position: int) -> T:
        """Return the value at a position from the beginning, without a range check."""

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
        if not isinstance(other, (CompactSequence, tuple)):
            return NotImplemented
        return self is other or (len(self) == len(other) and all(map(eq, self, other)))

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __add__(self, other: object) -> tuple[Any, ...]:
        return (*self, *other) if isinstance(other, (CompactSequence, tuple)) else NotImplemented

    def __radd__(self, other: object) -> tuple[Any, ...]:
        return (*other, *self) if isinstance(other, tuple) else NotImplemented

    def __mul__(self, times: int) -> tuple[T, ...]:
        return tuple(self) * times

    __rmul__ = __mul__

    def __repr__(self) -> str:
        return repr(tuple(self))


class TextColumn(CompactSequence[str]):
    """Store texts as concatenated UTF-8 with their end offsets (8 extra bytes per text)."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._bytes, self._ends = bytearray(), array("Q")
        for text in texts:
            self.append(text)

    def append(self, text: str) -> None:
        """Append a text; only the code that builds the column may do so."""
        # Names of files that are not UTF-8 have surrogates.
        self._bytes += text.encode("utf-8", "surrogatepass")
        self._ends.append(len(self._bytes))

    def __len__(self) -> int:
        return len(self._ends)

    def value(self, position: int) -> str:
        """Return the text at a position."""
        start = self._ends[position - 1] if position else 0
        return self._bytes[start : self._ends[position]].decode("utf-8", "surrogatepass")


class HashColumn(CompactSequence[str]):
    """Store content hashes (`howfar.data.content_hash`) in 16 bytes each, given and returned as hexadecimal digits."""

    def __init__(self, hashes: Iterable[str] = ()) -> None:
        self._bytes = bytearray()
        for digits in hashes:
            self.append(digits)

    def append(self, digits: str) -> None:
        """Append a hash ("" stands for zeros); only the code that builds the column may do so."""
        self.replace(len(self), digits)

    def replace(self, position: int, digits: str) -> None:
        """Replace the hash at a position ("" stands for zeros); only the code that builds the column may do so."""
        digest = bytes.fromhex(digits) if digits else bytes(_WIDTH)
        if len(digest) != _WIDTH:
            raise ValueError(f"a content hash has {2 * _WIDTH} hexadecimal digits, got {digits!r}")
        self._bytes[position * _WIDTH : (position + 1) * _WIDTH] = digest

    def __len__(self) -> int:
        return len(self._bytes) // _WIDTH

    def value(self, position: int) -> str:
        """Return the hexadecimal digits of the hash at a position."""
        return self._bytes[position * _WIDTH : (position + 1) * _WIDTH].hex()


def first_repeat(texts: Sequence[str]) -> tuple[int, int] | None:
    """Return the positions of the first repeated text, (first occurrence, repeat), or None, by 16 bytes per text."""
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
    """Sort texts like `sorted`, with only few texts and keys in memory as objects at a time."""
    waiting = iter(texts)
    runs = []
    while run := sorted(islice(waiting, _RUN), key=key):
        runs.append(TextColumn(run))
    return merge(*runs, key=key) if len(runs) > 1 else iter(runs[0] if runs else ())


class ItemTable(CompactSequence[Item]):
    """Store images as compressed blocks of records, unpacked on access; behaves like a tuple of items."""

    def __init__(self, items: Iterable[Item] = ()) -> None:
        self.names = TextColumn()
        self.masks, self.labelled, self.grouped = 0, 0, 0  # numbers of images that have one
        self._blocks: list[bytes | list[Any]] = []
        self._last: tuple[int, list[Any]] = (-1, [])  # replaced as a whole, since several threads read
        columns: dict[str, None] = {}
        waiting = iter(items)
        while block := list(islice(waiting, _BLOCK)):
            for item in block:
                self.names.append(item.name)
                self.masks += item.mask is not None
                self.labelled += item.label is not None
                self.grouped += item.group is not None
                columns.update((column, None) for column, _ in item.further)
            records = [(_packed(item.path), _packed(item.mask), item.label, item.further, item.group) for item in block]
            # The path of an image in memory holds that image, and so must stay.
            in_memory = any(is_in_memory(path) or is_in_memory(mask) for path, mask, *_ in records)
            self._blocks.append(records if in_memory else zlib.compress(pickle.dumps(records, pickle.HIGHEST_PROTOCOL), 1))
        self.columns = tuple(columns)
        """Names of further columns that hold a text for any image."""

    @classmethod
    def of(cls, items: Iterable[Item]) -> ItemTable:
        """Return a table of the images: the given one, if it is a table."""
        return items if isinstance(items, ItemTable) else cls(items)

    def paths(self, rows: Sequence[int] | None = None) -> Sequence[str]:
        """Return the images' paths as text at the given rows, by default at all rows."""
        return ItemPaths(self, range(len(self)) if rows is None else rows)

    def path_text(self, position: int) -> str:
        """Return the path of the image at a position as text."""
        path = self._record(position)[0]
        return str(path[0] if isinstance(path, list) else path)

    def __len__(self) -> int:
        return len(self.names)

    def value(self, position: int) -> Item:
        """Return the image at a position."""
        path, mask, *rest = self._record(position)
        return Item(self.names[position], _unpacked(path), _unpacked(mask), *rest)

    def _record(self, position: int) -> Any:
        number, place = divmod(position, _BLOCK)
        last, records = self._last
        if last != number:
            block = self._blocks[number]
            records = block if isinstance(block, list) else pickle.loads(zlib.decompress(block))
            self._last = number, records
        return records[place]


def _packed(location: object) -> Any:
    """Return the form of a location that is pickled: a `Path` becomes a list of its text."""
    return [str(location)] if isinstance(location, Path) else location


def _unpacked(location: Any) -> Any:
    return Path(*location) if isinstance(location, list) else location


class ItemPaths(CompactSequence[str]):
    """Hold the paths of some rows of a table as text."""

    def __init__(self, table: ItemTable, rows: Sequence[int]) -> None:
        self._table, self._rows = table, rows

    def __len__(self) -> int:
        return len(self._rows)

    def value(self, position: int) -> str:
        """Return the path at a position."""
        return self._table.path_text(self._rows[position])
