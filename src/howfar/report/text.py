"""Put numbers and names into words, without markup, for the sentences of all topics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

AGREES, UNRELATED = 0.7, 0.3


@dataclass(frozen=True)
class Sentence:
    """Hold a sentence about one dataset; the name is apart so that a page can mark it."""

    name: str
    text: str


def listing(names: Sequence[str], most: int = 4) -> str:
    """Put names in a row, the last after "and"; more than `most` are counted instead of named."""
    left = len(names) - most
    shown = [*names[:most], f"{left} others"] if left > 1 else list(names)
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def plural(count: int, singular: str = "", many: str = "s") -> str:
    """Choose the ending, or the word, that goes with a count."""
    return singular if count == 1 else many


def sentence_case(text: str) -> str:
    """Begin a sentence with a capital and end it with a full stop; nothing stays nothing."""
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def ranks(values: Sequence[float]) -> list[float]:
    """Rank values from 1 for the smallest; equal values share the mean of their ranks."""
    array = np.asarray(values, dtype=np.float64)
    ordered = np.sort(array)
    low, high = np.searchsorted(ordered, array, side="left"), np.searchsorted(ordered, array, side="right")
    return [float(rank) for rank in (low + high + 1) / 2]


def agreement(rho: float | None, count: int) -> str:
    """Say what a rank correlation between two orders of `count` datasets means, to end a sentence."""
    if count < 2 or rho is None:
        return "no order that could be compared"
    if count == 2:
        return f"{'the same' if rho > 0 else 'the opposite'} order, which of two datasets says nothing"
    kinds = (
        (1 - 1e-9, "exactly the same order"),
        (AGREES, "much the same order"),
        (UNRELATED, "a partly similar order"),
        (-UNRELATED + 1e-9, "an unrelated order"),
    )
    kind = next((words for least, words in kinds if rho >= least), "rather the opposite order")
    return f"{kind} (Spearman {rho:.2f})".replace("-", "−")
