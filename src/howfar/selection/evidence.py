"""Read from recorded benchmarks whether each selection strategy beat choosing images at random (`StrategyEvidence`)."""

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from howfar.formatting_and_escaping import format_interval

RANDOM = "random"
FILE = "evidence.json"
"""What docs/make_strategies.py takes from the bake-offs in benchmarks/results."""


@dataclass(frozen=True)
class StrategyEvidence:
    """Hold a strategy's difference of mean F from random over all sites, with its 95 % interval; None if not measured.

    `beats_random` is decided at a level corrected for the number of strategies; `line` says the same in a line of text.
    """

    over_random: float | None
    low: float | None
    high: float | None
    beats_random: bool
    line: str


def evidence(strategy: str) -> StrategyEvidence:
    """Look up a strategy's recorded performance relative to random choice; a strategy without a record counts as unmeasured.

    Examples
    --------
    >>> evidence("kcenter").beats_random, evidence("kcenter").line
    (False, 'no record shows that it beats random: -0.022 [-0.096, 0.053] by retrain')
    >>> evidence("one_of_mine").line
    'no record shows that it beats random: not measured'
    """
    if strategy == RANDOM:
        return StrategyEvidence(None, None, None, False, "what every other is compared with")
    kept = next((kept for kept in records() if strategy in kept["strategies"]), None)
    if kept is None:
        return StrategyEvidence(None, None, None, False, "no record shows that it beats random: not measured")
    row = kept["strategies"][strategy]
    difference, low, high = (float(row[name]) for name in ("over_random", "low", "high"))
    beats = bool(row["beats_random"])
    worse = "worse than random in the record" if row["below_random"] else "no record shows that it beats random"
    said = "beats random in the record" if beats else worse
    return StrategyEvidence(
        difference, low, high, beats, f"{said}: {format_interval(difference, low, high, '.3f')} by {kept['way']}"
    )


def summaries() -> list[str]:
    """Summarise each record in a sentence: what was measured, and which strategies beat random."""
    sentences = []
    for kept in records():
        better, worse = (
            [name for name, row in kept["strategies"].items() if row[said]] for said in ("beats_random", "below_random")
        )
        who = f"{', '.join(better)} beat{'s' if len(better) == 1 else ''} it" if better else "none beats it"
        less = f", and {', '.join(worse)} {'does' if len(worse) == 1 else 'do'} worse" if worse else ""
        more = f" ({kept['random_seeds']} of random)" if kept["random_seeds"] != kept["seeds"] else ""
        sentences.append(
            f"Measured against random with {kept['segmenter']} at {kept['shots']} labels of each of "
            f"{', '.join(kept['sites'])}, way {kept['way']}, {kept['seeds']} seeds{more}, as a difference of mean F with its "
            f"95 % interval: of {len(kept['strategies'])} strategies {who}{less}."
        )
    return sentences


@cache
def records() -> list[dict[str, Any]]:
    """Read the records of all bake-offs from `evidence.json` in the package."""
    text = resources.files("howfar.selection").joinpath(FILE).read_text(encoding="utf-8")
    return list(json.loads(text))
