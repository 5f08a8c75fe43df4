"""Define `Container`, the interface of tar, Parquet and Arrow files of images, and `TableImages`, which reads image columns."""

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from howfar.data.untrusted_documents_and_tables import cell_text
from howfar.errors import ImageError, InputError
from howfar.io.file_location import Location, as_location, is_url
from howfar.io.url_guard import cell_location


class Member(NamedTuple):
    """Identify one image of a container file by its path in the file (`inner_path`) and the `name` that its maker gave."""

    inner_path: str
    name: str | None = None
    mask: str | None = None
    label: str | None = None
    group: str | None = None


@dataclass(frozen=True)
class ContainerListing:
    """List a container's images in file order, and the entries that are no images with the reasons."""

    members: tuple[Member, ...]
    faults: tuple[tuple[str, str], ...] = ()


class Container(Protocol):
    """Read images from a container file; the methods may be called from several threads at a time."""

    def listing(self) -> ContainerListing:
        """List the images without reading their data."""

    def has(self, inner_path: str) -> bool:
        """Return whether the container holds this member."""

    def read(self, inner_path: str) -> bytes | Location:
        """Return a member's bytes, or its file's location if only that is stored; raise `ImageError` if it is missing."""


IMAGE, MASK, LABEL, GROUP = "image", "mask", "label", "group"


def _holds_bytes(column_type: Any) -> bool:
    """Return whether a column type holds files: bytes, or a struct with a field ``bytes``."""
    import pyarrow.types as types

    if types.is_struct(column_type):
        position = column_type.get_field_index("bytes")
        return position >= 0 and _holds_bytes(column_type.field(position).type)
    return bool(types.is_binary(column_type) or types.is_large_binary(column_type) or types.is_fixed_size_binary(column_type))


def type_of_files(schema: Any, column: str) -> Any:
    """Return the type of a column of files; None if the column is missing or holds no bytes."""
    position = schema.get_field_index(column)
    return schema.field(position).type if position >= 0 and _holds_bytes(schema.field(position).type) else None


def label_text(value: Any, names: Sequence[str] | None) -> str | None:
    """Return the class that a cell states, as text or as a number of one of the names; None for an empty cell."""
    if names is not None and isinstance(value, int):
        return names[value] if 0 <= value < len(names) else None  # Hugging Face writes -1 for an unknown class
    return cell_text(value)


class TableImages(ABC):
    """Read the images of a table in a file, one a row, whose number is its inner path; subclasses read the cells."""

    def __init__(self, location: Location, schema: Any, rows: int) -> None:
        self.location, self.schema, self.rows = location, schema, rows
        if type_of_files(schema, IMAGE) is None:
            columns = ", ".join(schema.names) or "none"
            line = f"{location} has no column image of bytes; its columns: {columns}: name the column of image files image"
            raise InputError(line)

    @abstractmethod
    def cells(self, column: str, field: str | None = None) -> list[Any]:
        """Return a small column, or a field of its structs, as Python objects."""

    @abstractmethod
    def cell(self, column: str, row: int) -> Any:
        """Return one cell of a column of files as a Python object."""

    @abstractmethod
    def masked(self) -> list[bool]:
        """Return whether each row has a mask, for a table with a column of masks."""

    def listing(self) -> ContainerListing:
        """List the images in row order."""
        import pyarrow as pa

        labels, groups = (self.cells(column) if column in self.schema.names else [] for column in (LABEL, GROUP))
        kind = type_of_files(self.schema, IMAGE)
        paths = self.cells(IMAGE, "path") if pa.types.is_struct(kind) and kind.get_field_index("path") >= 0 else []
        masked = self.masked() if type_of_files(self.schema, MASK) is not None else []
        names: list[str] | None = None
        # Hugging Face's metadata hold the names of classes.
        with suppress(KeyError, TypeError, ValueError, AttributeError, RecursionError):
            noted = json.loads((self.schema.metadata or {})[b"huggingface"])["info"]["features"][LABEL]
            names = list(map(str, noted["names"])) if noted.get("_type") == "ClassLabel" else None
        return ContainerListing(
            tuple(
                Member(
                    inner_path=str(row),
                    name=str(paths[row]) if paths and paths[row] else None,
                    mask=f"{row}/{MASK}" if masked and masked[row] else None,
                    label=label_text(labels[row], names) if labels else None,
                    group=cell_text(groups[row]) if groups else None,
                )
                for row in range(self.rows)
            )
        )

    def has(self, inner_path: str) -> bool:
        """Return whether the file has this row and column."""
        return self._place(inner_path) is not None

    def read(self, inner_path: str) -> bytes | Location:
        """Return the bytes of a row's image (``17``) or mask (``17/mask``), or the location of a file that it names."""
        place = self._place(inner_path)
        if place is None:
            raise ImageError("no such row")
        value: Any = self.cell(*place)
        path = None
        if isinstance(value, dict):
            value, path = value.get("bytes"), value.get("path")
        if value is not None:
            return bytes(value)
        if not path or not isinstance(self.location, Path):
            raise ImageError("no image in this row")
        if not is_url(str(path)):
            return as_location(self.location.parent / str(path))
        try:
            return cell_location(self.location, str(path))
        except InputError as error:
            raise ImageError(str(error)) from error

    def _place(self, inner_path: str) -> tuple[str, int] | None:
        """Split an inner path into column and row; return None if the file has no such cell."""
        number, _, column = inner_path.partition("/")
        # Numbers of thousands of digits are no rows, and Python does not read them.
        is_row = number.isascii() and number.isdigit() and len(number) <= len(str(self.rows)) + 1
        known = column in ("", MASK) and type_of_files(self.schema, column or IMAGE) is not None
        return (column or IMAGE, int(number)) if is_row and known and int(number) < self.rows else None
