"""Turn records, mappings and tables into values that JSON has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any


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
