"""Log the numbers of a result, as its ``result.json`` holds them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from howfar.tracking.tracking import Log, tracked

LEFT_OUT: Final = frozenset(
    {"provenance", "settings", "sources", "notes", "skipped", "options", "thresholds", "curves", "identity", "format", "seed"}
)
"""What of a document is no score."""
INTERVAL: Final = "_ci"
"""How the name of an interval ends."""
_NAMES: Final = ("name", "dataset", "estimator", "metric")
_ODD: Final = re.compile(r"[^A-Za-z0-9_. -]")


def log_result(log: Log | None, settings: Mapping[str, Any], document: Mapping[str, Any]) -> None:
    """Log the numbers of a document as one run; without `log` nothing is done. Raises `HowfarError` as `tracked` does."""
    if log is not None:
        with tracked(log, settings) as tracking:
            tracking.conclude(dict(numbers_of(document)))


def numbers_of(document: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, float]]:
    """Yield the numbers of a document under the path of their names; entries of a list are called by their own name.

    Examples
    --------
    >>> dict(numbers_of({"primary": {"n": 8}, "datasets": [{"name": "site a", "relative": 1.5, "p_value": None}]}))
    {'primary/n': 8.0, 'datasets/site a/relative': 1.5}
    >>> dict(numbers_of({"size": [224, 224], "relative_ci": [1.2, 1.8], "rivals_ci": {"kid": [0.1, 0.2]}}))
    {'relative_ci/low': 1.2, 'relative_ci/high': 1.8, 'rivals_ci/kid/low': 0.1, 'rivals_ci/kid/high': 0.2}
    """
    for name, value in document.items():
        if name in LEFT_OUT:
            continue
        path = f"{above}{_part(name)}"
        if isinstance(value, bool) or value is None:
            continue
        if isinstance(value, (int, float)):
            yield path, float(value)
        elif isinstance(value, Mapping):
            yield from numbers_of(value, f"{path}/")
        elif isinstance(value, (list, tuple)):
            yield from _of_list(value, path)


def _of_list(values: list[Any] | tuple[Any, ...], path: str) -> Iterator[tuple[str, float]]:
    """Yield the numbers of entries that are records, or the two ends of an interval."""
    if f"{INTERVAL}/" in f"{path}/" and len(values) == 2 and all(isinstance(value, (int, float)) for value in values):
        yield from zip((f"{path}/low", f"{path}/high"), map(float, values), strict=True)
        return
    for number, entry in enumerate(values):
        if isinstance(entry, Mapping):
            called = next((str(entry[key]) for key in _NAMES if isinstance(entry.get(key), str)), str(number))
            yield from numbers_of(entry, f"{path}/{_part(called)}/")


def _part(name: str) -> str:
    """Write a name as trackers take it within a path."""
    part = _ODD.sub("_", name).strip(" ")[:100]
    return part if part.strip(".") else "_"
