"""Say of each strategy what the committed record shows: whether it beat random choice where that was measured."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from howfar.numbers import format_interval

RANDOM = "random"
FILE = "evidence.json"
"""What docs/make_strategies.py takes from benchmarks/results/bakeoff.json."""


@dataclass(frozen=True)
class Evidence:
    """Hold what a record shows of a strategy against random choice.

    Attributes
    ----------
    over_random, low, high
        Difference of mean F from random, over all sites alike, with its 95 % interval; None where it was not measured.
    beats_random
        Whether the interval of the difference, at a level corrected for the number of strategies, lies above 0.
    line
        The same in one line of text.
    """

    over_random: float | None
    low: float | None
    high: float | None
    beats_random: bool
    line: str


def evidence(strategy: str) -> Evidence:
    """Look up what the record shows of a strategy, by its name; a strategy that is in no record has not been measured.

    Examples
    --------
    >>> evidence("kcenter").beats_random, evidence("kcenter").line
    (False, 'no record shows that it beats random: -0.022 [-0.096, 0.053]')
    >>> evidence("one_of_mine").line
    'no record shows that it beats random: not measured'
    """
    if strategy == RANDOM:
        return Evidence(None, None, None, False, "what every other is compared with")
    row = record()["strategies"].get(strategy)
    if row is None:
        return Evidence(None, None, None, False, "no record shows that it beats random: not measured")
    difference, low, high = (float(row[name]) for name in ("over_random", "low", "high"))
    beats = bool(row["beats_random"])
    said = "beats random in the record" if beats else "no record shows that it beats random"
    return Evidence(difference, low, high, beats, f"{said}: {format_interval(difference, low, high, '.3f')}")


def summary() -> str:
    """Say in one sentence what was measured, and whether any strategy beat random.

    Examples
    --------
    >>> summary().partition(":")[2]
    ' of 12 strategies none beats it.'
    """
    kept = record()
    better = [name for name, row in kept["strategies"].items() if row["beats_random"]]
    who = f"{', '.join(better)} beat{'s' if len(better) == 1 else ''} it" if better else "none beats it"
    return (
        f"Measured against random at {kept['shots']} labels of each of {', '.join(kept['sites'])}, way {kept['way']}, "
        f"{kept['seeds']} seeds ({kept['random_seeds']} of random), as a difference of mean F with its 95 % interval: of "
        f"{len(kept['strategies'])} strategies {who}."
    )


@cache
def record() -> dict[str, Any]:
    """Read the file that lies beside this one."""
    text = resources.files("howfar.selection").joinpath(FILE).read_text(encoding="utf-8")
    return dict(json.loads(text))
