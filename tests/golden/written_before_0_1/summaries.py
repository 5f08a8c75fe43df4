"""How documents and tables are summed up, as they were when the expectations were written."""

from typing import Any

import pandas as pd


def keys(value: Any, path: str = "") -> set[str]:
    """Every key of a JSON document, with the keys above it: "datasets[].name"."""
    if isinstance(value, dict):
        return {name for key, item in value.items() for name in {f"{path}{key}"} | keys(item, f"{path}{key}.")}
    if isinstance(value, list):
        return {name for item in value for name in keys(item, f"{path[:-1]}[].")}
    return set()


def columns(frame: pd.DataFrame) -> dict[str, Any]:
    """A table's rows, and of each column the sum of its numbers, or how many different texts it has."""
    sums = {}
    for name, column in frame.items():
        numbers = pd.api.types.is_numeric_dtype(column)
        sums[str(name)] = float(column.sum()) if numbers else int(column.map(repr).nunique())
    return {"rows": len(frame), "columns": sums}
