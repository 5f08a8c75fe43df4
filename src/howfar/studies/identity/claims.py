"""Summarise over all primary sets how far equations 9 to 11 hold: share of violated pairs and margin, with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howfar.arrays import Float64Array
from howfar.significance import interval, resample_counts
from howfar.studies.identity.distances import FromReferences
from howfar.studies.identity.sets import Compared

FEWEST = 5
"""Persons, or primary sets, from which on an interval over them says something."""


@dataclass(frozen=True, eq=False)
class Claim:
    """Hold a claim's share of violated pairs and its median margin: of the images as they are, and of every draw.

    Attributes
    ----------
    violated, margin
        Over the primary sets: violated pairs over all pairs, and the median margin; NaN where it is undefined.
    least
        The smallest margin of a primary set.
    holding
        Number of primary sets from which no pair is violated.
    references, pairs
        Number of primary sets, and of pairs (own set, another person's set) from all of them.
    blind
        The share of violated pairs to expect of distances that see the value and not the person: a set of another person under
        the primary's own value is then always nearer, and of the other pairs one half is violated.
    violated_draws, margin_draws
        (draws,) each; empty where there is no interval.
    """

    violated: float
    margin: float
    least: float
    holding: int
    references: int
    pairs: int
    blind: float
    violated_draws: Float64Array
    margin_draws: Float64Array

    def row(self) -> dict[str, Any]:
        """Return the columns of the result's table."""
        names = ("references", "pairs", "violated", "margin", "least", "holding", "blind")
        low, high = _ends(self.violated_draws)
        margin_low, margin_high = _ends(self.margin_draws)
        intervals = {"low": low, "high": high, "margin_low": margin_low, "margin_high": margin_high}
        return {**{name: getattr(self, name) for name in names}, **intervals}

    def change_from(self, before: Claim) -> dict[str, float]:
        """Return the columns that say how the share of violated pairs changed; both claims share their draws."""
        low, high = _ends(self.violated_draws - before.violated_draws)
        return {"change": self.violated - before.violated, "change_low": low, "change_high": high}


def unit_of(compared: Compared) -> str:
    """Say what intervals are drawn over: "persons", with few persons "primary sets" of each, or "" for nothing.

    Examples
    --------
    >>> from howfar.studies.identity.sets import PersonSet
    >>> sets = tuple(PersonSet(person, value, np.arange(1)) for person in "abcde" for value in "xy")
    >>> unit_of(Compared(sets, np.arange(10))), unit_of(Compared(sets, np.arange(6))), unit_of(Compared(sets, np.arange(4)))
    ('persons', 'primary sets', '')
    """
    persons = {compared.sets[reference].person for reference in compared.references}
    if len(persons) >= FEWEST:
        return "persons"
    return "primary sets" if len(compared.references) >= FEWEST else ""


def claim(measured: FromReferences, compared: Compared, draws: int, rng: np.random.Generator) -> Claim:
    """Summarise what was measured from the primary sets of one variation.

    A draw takes as many persons as there are, with replacement, each with all primary sets of that person; where there are few
    persons, it takes each person's primary sets anew. The sets that they are compared with stay.
    """
    pairs = np.array([compared.own(place).sum() * compared.others(place).sum() for place in compared.references])
    times = _times(compared, draws, rng)
    weighted = times * pairs[:, None]
    finite = np.isfinite(measured.margins)
    defined = measured.margins[finite]
    medians = [float(np.median(np.repeat(defined, taken))) for taken in times[finite].T if taken.any()]
    return Claim(
        violated=float(measured.violated @ pairs / pairs.sum()),
        margin=float(np.median(defined)) if len(defined) else np.nan,
        least=float(defined.min()) if len(defined) else np.nan,
        holding=int((measured.violated == 0).sum()),
        references=len(pairs),
        pairs=int(pairs.sum()),
        blind=float(_blind(compared) @ pairs / pairs.sum()),
        violated_draws=np.asarray(measured.violated @ weighted / weighted.sum(axis=0), dtype=np.float64),
        margin_draws=np.array(medians),
    )


def _blind(compared: Compared) -> Float64Array:
    """Compute from each primary set the share to expect where the value alone decides: (1 + share of its value) / 2."""
    values = np.array([each.value for each in compared.sets])
    same = [(values[compared.others(place)] == compared.sets[place].value).mean() for place in compared.references]
    return (1 + np.array(same)) / 2


def _times(compared: Compared, draws: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Count how often each draw takes each primary set, (r, draws); no draws where there is no interval."""
    unit = unit_of(compared)
    persons = np.unique([compared.sets[place].person for place in compared.references], return_inverse=True)[1]
    times = np.zeros((len(persons), draws if unit else 0), np.int64)
    if unit and draws:
        if unit == "persons":
            return resample_counts(int(persons.max()) + 1, draws, rng)[persons].astype(np.int64)
        for person in range(int(persons.max()) + 1):
            own = persons == person
            times[own] = resample_counts(int(own.sum()), draws, rng)
    return times


def _ends(draws: Float64Array) -> tuple[float, float]:
    return interval(draws) if len(draws) else (np.nan, np.nan)


def rows(claims: Mapping[tuple[str, str, str], Claim], units: Mapping[str, str], plain: str) -> list[dict[str, Any]]:
    """Make the rows of the result's table of claims by (backbone, perturbation, variation)."""
    found = []
    for (backbone, perturbation, variation), each in claims.items():
        named = {"backbone": backbone, "perturbation": perturbation, "variation": variation}
        change = each.change_from(claims[backbone, plain, variation])
        if perturbation == plain:
            change = dict.fromkeys(change, np.nan)
        found.append({**named, **each.row(), **change, "interval_over": units[variation] if len(each.violated_draws) else ""})
    return found
