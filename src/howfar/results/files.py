"""How results go to disk and come back: whole files or none, and plain JSON values."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from howfar.errors import InputError
from howfar.io.atomic import replace as replace


def ready_folder(argument: str, folder: str | Path | None) -> Path | None:
    """Make the folder that results are to go to, before any work is done; its absolute path.

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
