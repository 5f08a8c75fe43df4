"""Read Lance datasets, the folders in which LanceDB and other vector tools keep embeddings: the extra ``howfar[lance]``."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from howfar.data import lance_process
from howfar.errors import InputError, MissingExtraError, one_line
from howfar.io.location import Location, Url
from howfar.memory import check_file, file_limit
from howfar.printable import printable

ENDING: Final = ".lance"
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


def check_lance() -> None:
    """Raise `MissingExtraError` where the library that reads and writes Lance is not installed."""
    try:
        absent = find_spec("lance") is None
    except ValueError:  # it is marked as absent
        absent = True
    if absent:
        raise MissingExtraError("Lance datasets need pylance: pip install 'howfar[lance]'")


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
    check_lance()
    with _at_hand(location) as folder, tempfile.TemporaryDirectory(prefix="howfar-") as scratch:
        out, size = Path(scratch), _bytes(folder)
        lines, fault = lance_process.run(folder, size, file_limit(size), out)
        about, *rest = lines or [{"fault": fault}]
        _check(about, location)
        for line in (about, *rest):
            check_file(line.get("needed", 0), location, size)
        end = rest[0] if rest else {"fault": fault}
        if "fault" not in end and end["rows"] != about["count"]:
            end = {"fault": f"{end['rows']} rows, where its manifest says {about['count']}"}
        _check(end, location)
        values = np.fromfile(out / lance_process.VALUES, about["dtype"]).reshape(-1, about["length"])
        with (out / lance_process.NAMES).open(encoding="utf-8") as file:
            batches = [json.loads(line) for line in file]
    names, filled = ([cell for batch in batches for cell in batch[place]] for place in (0, 1))
    return LanceRows(values, names, filled)


def schema_notes(folder: Path) -> dict[str, str]:
    """Return the notes on the schema of a local Lance dataset. Raises as `read_lance`."""
    check_lance()
    size = _bytes(folder)
    lines, fault = lance_process.run(folder, size, file_limit(size))
    about: dict[str, Any] = lines[0] if lines else {"fault": fault}
    _refuse(about.get("fault"), folder)
    notes: dict[str, str] = about["notes"]
    return notes


def _check(line: Mapping[str, Any], location: Location) -> None:
    """Raise `InputError` for what a line of the reading process says is wrong."""
    _refuse(line.get("fault"), location)
    if line.get("elsewhere"):
        # Such a copy names folders or hosts that nobody gave.
        raise InputError(f"{location} refers to data outside of its folder: copy it with its data (deep_clone)")
    if "columns" in line and line["column"] is None:
        named = ", ".join(map(printable, line["columns"]))
        raise InputError(f"{location} has no column embedding or vector; its columns: {named}: name the column so")
    if "columns" in line and not line["length"]:
        rule = "must hold lists of numbers, all of one length"
        raise InputError.of(f"{location}: column {line['column']}", rule, line["kind"])


def _refuse(fault: str | None, location: Location) -> None:
    if fault is not None:
        raise InputError(f"{location} is not a readable Lance dataset ({one_line(fault or 'it ends early', 120)})")


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for part in _READ for file in (folder / part).rglob("*") if file.is_file())


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
