"""Compare the identities of two features (weights, layer, preprocessing), and name what differs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from howfar.errors import InputError

_ABSENT = "nothing"


def differences(wanted: Mapping[str, Any], got: Mapping[str, Any]) -> list[str]:
    """List what two feature identities differ in: each key with both values, those within mappings by their path."""
    first, second = dict(_flat(wanted)), dict(_flat(got))
    return [
        f"{key}: {first.get(key, _ABSENT)} and {second.get(key, _ABSENT)}"
        for key in {**first, **second}
        if first.get(key) != second.get(key)
    ]


def check_same(wanted: Mapping[str, Any], got: Mapping[str, Any], primary: str, what: str) -> None:
    """Refuse features of another kind than a profile's.

    `wanted` and `got` are the identities of the features of `primary`'s profile and of `what`, as the error line calls it.
    Raises `InputError` where they differ; the line names every key that does, with the profile's value first.
    """
    differing = differences(wanted, got)
    if differing:
        raise InputError(
            f"{what} must give the features that {primary} was profiled with, and differs in {'; '.join(differing)} "
            "(the profile's first): use the same backbone, or make the profile again"
        )


def _flat(value: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for key, item in value.items():
        if isinstance(item, Mapping) and item:
            yield from _flat(item, f"{above}{key}.")
        else:
            yield f"{above}{key}", json.dumps(item, ensure_ascii=False, sort_keys=True)
