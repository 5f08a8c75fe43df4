"""Read Lance datasets, the folders in which LanceDB and other vector tools keep embeddings: the extra ``howfar[lance]``."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from howfar.errors import HowfarError, InputError, MissingExtraError, one_line
from howfar.io.location import Location, Url
from howfar.memory import check_file
from howfar.printable import printable

ENDING: Final = ".lance"
VECTORS: Final = ("embedding", "vector")
"""Columns that hold features, the first there is: howfar's name for it and LanceDB's."""
_COPIES: Final = 3
_ROWS: Final = 1024
_NAME: Final = 100
_READ: Final = ("_versions", "data", "_deletions")
"""Folders of a Lance dataset that are needed to read it."""


def is_lance(location: Location) -> bool:
    """Return whether a Lance dataset lies at a location: a folder that ends in ``.lance`` and holds its versions.

    Examples
    --------
    >>> is_lance(Path("no/such.lance"))
    False
    """
    return location.suffix.lower() == ENDING and (location / "_versions").is_dir()


def import_lance() -> Any:
    """Import the library that reads and writes Lance. Raises `MissingExtraError` where it is not installed."""
    try:
        import lance
    except ImportError as error:
        raise MissingExtraError("Lance datasets need pylance: pip install 'howfar[lance]'") from error
    return lance


class LanceRows(NamedTuple):
    """Hold the features of the rows that have one, and of all rows the names and whether they have."""

    values: NDArray[Any]
    names: list[Any]
    filled: list[bool]


def read_lance(location: Location) -> LanceRows:
    """Read the features of a Lance dataset's newest version, and the names of its rows in the column ``image``.

    Features are the column ``embedding``, or ``vector``, of lists of one length; a name is None where there is none. What lies
    behind a URL is copied to this machine first. Raises `InputError` where it is damaged, has no such column, refers to data
    elsewhere, or takes more memory than is allowed, and `MissingExtraError` where pylance is not installed.
    """
    lance = import_lance()
    with _at_hand(location) as folder, _refused(location):
        dataset = lance.dataset(str(folder))
        if dataset.base_paths():
            # Such a copy names folders or hosts that nobody gave.
            raise InputError(f"{location} refers to data outside of its folder: copy it with its data (deep_clone)")
        size = sum(file.stat().st_size for file in (folder / "data").rglob("*") if file.is_file())
        return _read(dataset, location, size, _vectors(dataset.schema, location))


def schema_metadata(folder: Path) -> dict[bytes, bytes]:
    """Return the notes on the schema of a local Lance dataset. Raises as `read_lance`."""
    lance = import_lance()
    with _refused(folder):
        return dict(lance.dataset(str(folder)).schema.metadata or {})


def _vectors(schema: Any, location: Location) -> Any:
    import pyarrow.types as types

    column = next((name for name in VECTORS if name in schema.names), None)
    if column is None:
        named = ", ".join(map(printable, schema.names))
        raise InputError(f"{location} has no column embedding or vector; its columns: {named}: name the column so")
    field = schema.field(column)
    kind = field.type
    number = types.is_fixed_size_list(kind) and kind.list_size > 0 and kind.value_type
    if not number or not (types.is_floating(number) or types.is_integer(number)):
        raise InputError.of(f"{location}: column {column}", "must hold lists of numbers, all of one length", str(kind))
    return field


def _read(dataset: Any, location: Location, size: int, field: Any) -> LanceRows:
    count, length = dataset.count_rows(), field.type.list_size
    values: NDArray[Any] = np.empty((0, length), field.type.value_type.to_pandas_dtype())
    check_file(count * (_COPIES * length * values.itemsize + _NAME), location, size)
    values = np.empty((count, length), values.dtype)
    names: list[str | None] = []
    filled: list[bool] = []
    columns = [name for name in ("image", field.name) if name in dataset.schema.names]
    reading = {"batch_size": _ROWS, "batch_readahead": 1, "fragment_readahead": 1, "scan_in_order": True}
    held, row = values.nbytes, 0
    for batch in dataset.to_batches(columns=columns, **reading):
        batch.validate(full=True)
        vectors = batch.column(field.name)
        # A text that the file has once may stand in every row.
        held += batch.nbytes - vectors.nbytes + _NAME * len(batch)
        check_file(held, location, size)
        found = vectors.drop_null().flatten().to_numpy(zero_copy_only=False).reshape(-1, length)
        values[row : row + len(found)] = found
        row += len(found)
        filled += vectors.is_valid().to_pylist()
        names += batch.column("image").to_pylist() if "image" in columns else [None] * len(batch)
    if len(filled) != count:
        raise ValueError(f"{len(filled)} rows, where its manifest says {count}")
    return LanceRows(values[:row], names, filled)


@contextmanager
def _refused(location: Location) -> Iterator[None]:
    """Turn whatever Lance raises over a damaged dataset into an `InputError`."""
    try:
        yield
    except (HowfarError, MemoryError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # a panic of its Rust library is no `Exception`
        raise InputError(f"{location} is not a readable Lance dataset ({one_line(error, 120)})") from error


@contextmanager
def _at_hand(location: Location) -> Iterator[Path]:
    """Give the folder of a Lance dataset on this machine: its own, or a copy that is removed again."""
    if isinstance(location, Path):
        yield location
        return
    with tempfile.TemporaryDirectory(prefix="howfar-") as copy:
        _fetch(location, Path(copy))
        yield Path(copy)


def _fetch(url: Url, folder: Path) -> None:
    system, root = url.file_system()
    base = root.rstrip("/") + "/"
    found = {
        str(path).removeprefix(base): int(entry.get("size") or 0) for path, entry in system.find(root, detail=True).items()
    }
    wanted = {path: size for path, size in found.items() if PurePosixPath(path).parts[0] in _READ}
    check_file(sum(wanted.values()), url, sum(wanted.values()))
    for path in wanted:
        if path.startswith("/") or ".." in PurePosixPath(path).parts:
            raise InputError(f"{url} holds a file of the name {one_line(path, 120)}: remove it")
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        with system.open(f"{base}{path}", "rb") as source, (folder / path).open("wb") as copy:
            while block := source.read(1 << 20):
                copy.write(block)
