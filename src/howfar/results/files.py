"""How results go to disk and come back: whole files or none, and plain JSON values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


def replace(path: Path, write: Callable[[Path], Any]) -> None:
    """Write a file under a temporary name, then move it over the old one, so that a reader never sees half of it.

    Where the writing fails the old file stays and nothing else is left.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        write(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def plain(value: Any) -> Any:
    """The value with mappings as dictionaries and tuples as lists, as JSON has them.

    Examples
    --------
    >>> plain({"ci": (0.1, 0.2)})
    {'ci': [0.1, 0.2]}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def tupled(row: dict[str, Any], *names: str) -> dict[str, Any]:
    """The row with the named lists as the tuples that they were before JSON; None stays.

    Examples
    --------
    >>> tupled({"ci": [0.1, 0.2], "n": 3}, "ci")
    {'ci': (0.1, 0.2), 'n': 3}
    """
    return {key: tuple(value) if key in names and value is not None else value for key, value in row.items()}
