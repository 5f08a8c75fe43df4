"""Define the interface of files that hold images, and read the columns of Parquet and Arrow files that hold them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from howfar.errors import ImageError, InputError
from howfar.io.cell_urls import cell_location
from howfar.io.location import Location, as_location, is_url


class Member(NamedTuple):
    """Name one image in a container file by its `inner_path`, behind the container's and ``/``, and by its maker's `name`."""

    inner_path: str
    name: str | None = None
    mask: str | None = None
    label: str | None = None


@dataclass(frozen=True)
class ContainerListing:
    """List a container's images in file order, and the entries that are no images with the reasons."""

    members: tuple[Member, ...]
    faults: tuple[tuple[str, str], ...] = ()


class Container(Protocol):
    """Read images from a container file; the methods may be called from several threads at a time."""

    def listing(self) -> ContainerListing:
        """List the images without reading their data."""
        ...

    def has(self, inner_path: str) -> bool:
        """Return whether the container holds this member."""
        ...

    def read(self, inner_path: str) -> bytes | Location:
        """Return a member's bytes, or the location of its file if the container stores only that.

        Raises `ImageError` where there is none, or it is cut short.
        """
        ...


IMAGE, MASK, LABEL = "image", "mask", "label"


def _holds_bytes(column_type: Any) -> bool:
    """Return whether a column type holds files: bytes, or a struct with a field ``bytes``."""
    import pyarrow.types as types

    if types.is_struct(column_type):
        position = column_type.get_field_index("bytes")
        return position >= 0 and _holds_bytes(column_type.field(position).type)
    return bool(types.is_binary(column_type) or types.is_large_binary(column_type) or types.is_fixed_size_binary(column_type))


def has_paths(column_type: Any) -> bool:
    """Return whether a column of files also stores their paths."""
    import pyarrow.types as types

    return bool(types.is_struct(column_type)) and column_type.get_field_index("path") >= 0


def kind_of(schema: Any, column: str) -> Any:
    """Return the type of a column of files; None if the column is missing or holds no bytes."""
    position = schema.get_field_index(column)
    return schema.field(position).type if position >= 0 and _holds_bytes(schema.field(position).type) else None


def check(schema: Any, location: Location) -> None:
    """Raise `InputError` for a table without a column of images."""
    if kind_of(schema, IMAGE) is None:
        columns = ", ".join(schema.names) or "none"
        line = f"{location} has no column image of bytes; its columns: {columns}: name the column of image files image"
        raise InputError(line)


def class_names(schema: Any) -> Sequence[str] | None:
    """Read the class names of column ``label`` from Hugging Face metadata; return None without such metadata."""
    try:
        noted = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"][LABEL]
        return list(map(str, noted["names"])) if noted.get("_type") == "ClassLabel" else None
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return None


def members(
    count: int, paths: Sequence[Any], labels: Sequence[Any], masked: Sequence[bool], names: Sequence[str] | None
) -> tuple[Member, ...]:
    """Make one member per row, with the row number as its inner path; an empty sequence means no such column."""
    return tuple(
        Member(
            inner_path=str(row),
            name=str(paths[row]) if paths and paths[row] else None,
            mask=f"{row}/{MASK}" if masked and masked[row] else None,
            label=_label(labels[row], names) if labels else None,
        )
        for row in range(count)
    )


def _label(value: Any, names: Sequence[str] | None) -> str | None:
    if value is None or value != value:
        return None
    if names is not None and isinstance(value, int):
        return names[value] if 0 <= value < len(names) else None  # Hugging Face writes -1 for an unknown class
    return str(value)


def filled(column: Any) -> list[bool]:
    """Return which cells of an Arrow column of files hold bytes or a path."""
    import pyarrow.compute as pc
    import pyarrow.types as types

    if not types.is_struct(column.type):
        return list(column.is_valid().to_pylist())
    names = [name for name in ("bytes", "path") if column.type.get_field_index(name) >= 0]
    return [any(valid) for valid in zip(*(pc.struct_field(column, name).is_valid().to_pylist() for name in names), strict=True)]


def row_of(inner_path: str, count: int) -> tuple[int, str] | None:
    """Split a member's inner path into row and column; return None if it names no cell."""
    number, _, column = inner_path.partition("/")
    # Numbers of thousands of digits are no rows, and Python does not read them.
    if (
        not (number.isascii() and number.isdigit())
        or len(number) > len(str(count)) + 1
        or int(number) >= count
        or column not in ("", MASK)
    ):
        return None
    return int(number), column or IMAGE


def bytes_or_location(value: Any, location: Location) -> bytes | Location:
    """Return a cell's bytes, or the location of its file if it holds only a path (below the container's folder) or a URL."""
    path = None
    if isinstance(value, dict):
        value, path = value.get("bytes"), value.get("path")
    if value is not None:
        return bytes(value)
    if not path or not isinstance(location, Path):
        raise ImageError("no image in this row")
    if not is_url(str(path)):
        return as_location(location.parent / str(path))
    try:
        return cell_location(location, str(path))
    except InputError as error:
        raise ImageError(str(error)) from error
