"""Define `Item`, one image of a dataset, and `ItemTable`, which stores items in compact columns (about 40 bytes an image)."""

from __future__ import annotations

import json
from abc import abstractmethod
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from operator import eq
from pathlib import Path, PosixPath, WindowsPath
from typing import Any, Final, TypeAlias, TypeVar, overload

import numpy as np

from howfar.io.file_location import Url
from howfar.io.safe_cell_urls import CellUrl
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


class BufferedText(Sequence[T]):
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
        if not isinstance(other, (BufferedText, tuple)):
            return NotImplemented
        return self is other or (len(self) == len(other) and all(map(eq, self, other)))

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __add__(self, other: object) -> tuple[Any, ...]:
        return (*self, *other) if isinstance(other, (BufferedText, tuple)) else NotImplemented

    def __radd__(self, other: object) -> tuple[Any, ...]:
        return (*other, *self) if isinstance(other, tuple) else NotImplemented

    def __mul__(self, times: int) -> tuple[T, ...]:
        return tuple(self) * times

    __rmul__ = __mul__

    def __repr__(self) -> str:
        return repr(tuple(self))


class TextColumn(BufferedText[str]):
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


class HashColumn(BufferedText[str]):
    """Store content hashes (`howfar.data.content_hash`) in 16 bytes each, given and returned as hexadecimal digits."""

    def __init__(self, hashes: Iterable[str] = ()) -> None:
        self._bytes = bytearray()
        for digits in hashes:
            self.append(digits)

    def append(self, digits: str) -> None:
        """Append a hash ("" stands for zeros); only the code that builds the column may do so."""
        self._bytes += _digest(digits)

    def replace(self, position: int, digits: str) -> None:
        """Replace the hash at a position ("" stands for zeros); only the code that builds the column may do so."""
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


_KINDS: Final = (PosixPath, WindowsPath, str, Url, CellUrl)
_MOST: Final = 4096
"""Frames of locations that are held; an image whose location fits none of them has its whole text held."""


def _is_plain(item: Item) -> bool:
    """Return whether an image can be rebuilt from texts: its files are locations and all else is text."""
    located = type(item.path) in _KINDS and (item.mask is None or type(item.mask) in _KINDS)
    texts_only = all(type(text) in (str, type(None)) for text in (item.label, item.group))
    if type(item) is not Item or not located or not texts_only:
        return False
    texts = (type(pair) is tuple and len(pair) == 2 and type(pair[0]) is str is type(pair[1]) for pair in item.further)
    return item.further == () or (type(item.further) is tuple and all(texts))


class TextView(BufferedText[str]):
    """Hold the texts that `read` finds at some positions of a table."""

    def __init__(self, positions: Sequence[int], read: Callable[[int], str]) -> None:
        self._positions, self._read = positions, read

    def __len__(self) -> int:
        return len(self._positions)

    def value(self, position: int) -> str:
        """Return the text at a position."""
        return self._read(self._positions[position])


class ItemTable(BufferedText[Item]):
    """Store images in columns and build each `Item` on access; behaves like a tuple of items.

    A record is the JSON list of an image's path, mask, label, group and further texts, a line break, and the image's name. A
    path or mask is the number of a frame: the text before and after the image's name without its extension, which the files of
    many images share.
    """

    def __init__(self) -> None:
        self._records = TextColumn()
        self._frames: list[tuple[Path | str, str, str]] = []
        self._columns: list[tuple[str, ...]] = []
        self._numbers: dict[object, int] = {}  # of frames and columns
        self._as_given: dict[int, Item] = {}
        self.masks, self.labelled, self.grouped = 0, 0, 0  # numbers of images that have one

    @classmethod
    def of(cls, items: Iterable[Item]) -> ItemTable:
        """Build a table from images; an image that the columns cannot represent is kept as it is."""
        if isinstance(items, ItemTable):
            return items
        table = cls()
        for item in items:
            table._add(item)
        return table

    @property
    def names(self) -> Sequence[str]:
        """Return the images' names, in order."""
        return TextView(range(len(self)), self._name)

    def paths(self, rows: Sequence[int] | None = None) -> Sequence[str]:
        """Return the images' paths as text at the given rows, by default at all rows."""
        return TextView(range(len(self)) if rows is None else rows, self._path_text)

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of further columns that hold a text for any image."""
        return tuple(dict.fromkeys(column for columns in self._columns for column in columns))

    def __len__(self) -> int:
        return len(self._records)

    def value(self, position: int) -> Item:
        """Return the image at a position."""
        if position in self._as_given:
            return self._as_given[position]
        record, _, name = self._records[position].partition("\n")
        values = json.loads(record)
        path, mask, label, group, number, *texts = values + [None] * (5 - len(values))
        further = tuple(zip(self._columns[number], texts, strict=True)) if texts else ()
        located = self._location(name, path)
        return Item(name, located, None if mask is None else self._location(name, mask), label, further, group)

    def _name(self, position: int) -> str:
        return self._records[position].partition("\n")[2]

    def _path_text(self, position: int) -> str:
        if position in self._as_given:
            return str(self._as_given[position].path)
        record, _, name = self._records[position].partition("\n")
        return self._location_text(name, json.loads(record)[0])

    def _add(self, item: Item) -> None:
        columns = tuple(column for column, _ in item.further)
        if columns not in self._numbers:
            self._numbers[columns] = len(self._columns)
            self._columns.append(columns)
        self.masks += item.mask is not None
        self.labelled += item.label is not None
        self.grouped += item.group is not None
        record: list[Any] = []
        if _is_plain(item):
            mask = None if item.mask is None else self._framed(item.name, item.mask)
            number = self._numbers[columns] if columns else None
            record = [
                self._framed(item.name, item.path),
                mask,
                item.label,
                item.group,
                number,
                *(text for _, text in item.further),
            ]
            while record[-1] is None:
                record.pop()
        else:
            # The path of an image in memory holds that image, and so must stay; a label that is no text stays what it is.
            self._as_given[len(self)] = item
        self._records.append(f"{json.dumps(record, separators=(',', ':'))}\n{item.name}")

    def _framed(self, name: str, location: Path | str) -> int | list[Any]:
        """Return the number of a location's frame, with the whole text if the location fits none."""
        text, own = str(location), _own(name)
        # Two URLs of one text may be read under different rules.
        kind = (type(location), getattr(location, "hosts", None), getattr(location, "home", None))
        start = text.rfind(own) if own else -1
        frame = (kind, text[:start], text[start + len(own) :])
        framed = start >= 0 and (frame in self._numbers or len(self._frames) < _MOST)
        _, before, behind = frame = frame if framed else (kind, "", "")
        if frame not in self._numbers:
            self._numbers[frame] = len(self._frames)
            self._frames.append((location, before, behind))
        return self._numbers[frame] if framed else [self._numbers[frame], text]

    def _location_text(self, name: str, framed: int | list[Any]) -> str:
        if isinstance(framed, list):
            return str(framed[1])
        _, before, behind = self._frames[framed]
        return f"{before}{_own(name)}{behind}"

    def _location(self, name: str, framed: int | list[Any]) -> Path | str:
        """Return a location in its original type."""
        like = self._frames[framed[0] if isinstance(framed, list) else framed][0]
        text = self._location_text(name, framed)
        return like.beside(text) if isinstance(like, Url) else type(like)(text)


def _own(name: str) -> str:
    """Return an image's name without its last extension, the part that its files share."""
    return name.rpartition(".")[0] or name
