"""Files that are whole or not there, folders that are ready to be written to, and values as JSON has them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from howfar.errors import InputError


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


def ready_folder(argument: str, folder: str | Path | None) -> Path | None:
    """Make the folder that results are to go to, before any work is done, and return its absolute path.

    Raises
    ------
    InputError
        It cannot be made, is no folder, or must not be written to.

    Examples
    --------
    >>> ready_folder("out", None)
    """
    if folder is None:
        return None
    path = Path(folder).absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError.of(argument, f"must be a folder that can be made ({reason})", str(folder), "name another") from error
    if not os.access(path, os.W_OK):
        raise InputError.of(argument, "must be a folder that can be written to", str(folder), "name another")
    return path


def digest(value: Any) -> str:
    """Name a JSON value by 32 hexadecimal digits of its SHA-256.

    Examples
    --------
    >>> digest({"b": 1, "a": [2]}) == digest({"a": [2], "b": 1}), len(digest(None))
    (True, 32)
    """
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]


def plain(value: Any) -> Any:
    """Turn a value into what JSON has: records and mappings into dictionaries, tuples into lists, tables into rows.

    What is not a number in a table becomes None.

    Examples
    --------
    >>> plain({"ci": (0.1, 0.2)})
    {'ci': [0.1, 0.2]}
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "to_dict"):
        rows = value.to_dict("records")
        return [{str(name): None if cell != cell else cell for name, cell in row.items()} for row in rows]
    return value
