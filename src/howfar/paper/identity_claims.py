"""Measure how often and how clearly equations 9 to 11 hold: another person is farther than the same person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from howfar.arrays import ArrayRows, Float64Array, FloatArray, quotient
from howfar.data import Dataset
from howfar.data.image_folder import natural_key
from howfar.data.variations import variation_columns, variations
from howfar.distances.dataset_distances import identity_margin, image_to_dataset, self_distance
from howfar.errors import InputError
from howfar.options import Space
from howfar.projection import Projector
from howfar.projection.sufficient_statistics import CachedRows
from howfar.results.distance_studies import UNCHANGED
from howfar.settings import nearest
from howfar.significance import interval, resample_counts
from howfar.streams import stream

PERSON: Final = "person"


@dataclass(frozen=True, eq=False)
class PersonSet:
    """Hold a person's images under one value of a variation, p_i v_k of eqs. 9 to 11, by their ascending rows in the table."""

    person: str
    value: str
    rows: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class VariationSets:
    """Hold a variation's sets by person, then value, in natural order, and which of them are primary.

    `references` are the (r,) places of the primary sets: each of a person who is seen under another value, too.
    """

    sets: tuple[PersonSet, ...]
    references: NDArray[np.intp]

    def own(self, reference: int) -> NDArray[np.bool_]:
        """Return a mask of the sets of the same person under every other value."""
        person = self.sets[reference].person
        return np.array([each.person == person and place != reference for place, each in enumerate(self.sets)])

    def others(self, reference: int) -> NDArray[np.bool_]:
        """Return a mask of the sets of every other person."""
        return np.array([each.person != self.sets[reference].person for each in self.sets])


def described(dataset: Dataset, pattern: str, columns: Sequence[str], persons: Sequence[str | int]) -> pd.DataFrame:
    """Return a table of the wanted persons' images (default: all), with text columns image, person and each variation.

    The columns come from the dataset's own table where `columns` names some, else from the images' names by the `pattern`.
    """
    names = [item.name for item in dataset.items]
    table = variation_columns(dataset, columns) if columns else variations(names, pattern)
    if PERSON not in table or len(table.columns) < 2:
        option, value = ("columns", list(columns)) if columns else ("pattern", pattern)
        raise InputError.of(option, "must have person, and another for what varies", value, "call who is seen person")
    table = table.astype(str)
    wanted, known = [str(person) for person in persons], sorted(set(table[PERSON]), key=natural_key)
    for person in wanted:
        if person not in known:
            raise InputError.of("persons", f"must be persons of {dataset.name}", person, nearest(person, known, "persons"))
    kept = set(wanted or known)
    if len(kept) < 2:
        raise InputError.of("persons", "must be at least two", sorted(kept), "distances tell one from another")
    table.insert(0, "image", names)
    return table[table[PERSON].isin(kept)].reset_index(drop=True)


def compared(table: pd.DataFrame, wanted: Sequence[str], most: int | None, seed: int) -> dict[str, VariationSets]:
    """Divide the images of `described` into sets for each wanted variation, by default each with two values for some person.

    At most `most` primary sets of a variation are drawn, by the seed.
    """
    known = [str(name) for name in table if name not in ("image", PERSON)]
    for name in wanted:
        if name not in known:
            raise InputError.of("variations", "must be among those of the images", name, nearest(name, known, "variations"))
    found = {name: _compared(table, name, most, seed) for name in wanted or known}
    empty = [name for name, each in found.items() if not len(each.references)]
    if empty and (wanted or len(empty) == len(found)):
        raise InputError.of("variations", "must have two values for some person", empty[0], "leave it out")
    return {name: each for name, each in found.items() if len(each.references)}


def _compared(table: pd.DataFrame, variation: str, most: int | None, seed: int) -> VariationSets:
    places: Any = table.groupby([PERSON, variation]).indices
    ordered = sorted(places, key=lambda key: (natural_key(key[0]), natural_key(key[1])))
    sets = tuple(PersonSet(person, value, places[person, value]) for person, value in ordered)
    values = Counter(person for person, _ in ordered)
    references = np.flatnonzero([values[each.person] > 1 for each in sets])
    if most is not None and most < len(references):
        rng = stream(seed, "identity of sets", variation)
        references = np.sort(rng.choice(references, most, replace=False))
    return VariationSets(sets, references)


class FromReferences(NamedTuple):
    """Hold the measures from r primary sets to all s sets of a variation with N images.

    `o_dist` (r, s) is in mean form, and `relative` over the primary set's self-distance: NaN at the primary itself, `relative`
    also where that has one image. `violated` (r,) is the share of violated pairs, beside the `margins`. `i_dist` (N,) is each
    image's from the first primary set, in the order of the sets; NaN for its own.
    """

    o_dist: Float64Array
    relative: Float64Array
    violated: Float64Array
    margins: Float64Array
    i_dist: Float64Array


class SetSpaces:
    """Project two sets of (N, q) features into the space of their distance, caching each single set's sums."""

    def __init__(self, rows: FloatArray, sets: tuple[PersonSet, ...], components: int, mode: Space) -> None:
        self._components, self._mode = components, mode
        self._parts: list[FloatArray]
        if mode == "joint":
            every = np.sort(np.concatenate([each.rows for each in sets]))
            fitted = Projector(rows[every], min(components, max(1, len(every) - 1), rows.shape[1])).own()
            self._parts = [fitted[np.searchsorted(every, each.rows)] for each in sets]
        else:
            self._parts = [rows[each.rows] for each in sets]
        self._cached = [CachedRows(ArrayRows(part)) for part in self._parts]

    def pair(self, primary: int, secondary: int) -> tuple[FloatArray, FloatArray]:
        """Project a primary and a secondary set to (n, z) and (m, z) scores."""
        p, s = self._parts[primary], self._parts[secondary]
        fitted = len(p) if self._mode == "primary" else len(p) + len(s)
        most = min(fitted - 1, p.shape[1])
        # Where all components are kept, distances are those of the features themselves.
        if self._mode in ("none", "joint") or (self._mode == "pair" and most <= self._components):
            return p, s
        projector = Projector(self._cached[primary], min(self._components, most))
        projected = next(projector.project([self._cached[secondary]], self._mode))
        return projected.primary, projected.secondary


def from_references(rows: FloatArray, compared: VariationSets, components: int, mode: Space) -> Iterator[FromReferences]:
    """Yield the measures from each primary set in turn, one record each, for `stacked` to join."""
    spaces, sets = SetSpaces(rows, compared.sets, components, mode), compared.sets
    for order, reference in enumerate(compared.references.tolist()):
        i_dist = [np.full(len(each.rows), np.nan) for each in sets]
        own_distance = np.full(len(sets), np.nan)
        for place in range(len(sets)):
            if place != reference:
                p, s = spaces.pair(reference, place)
                i_dist[place] = image_to_dataset(s, p)
                own_distance[place] = self_distance(p) if len(p) > 1 else np.nan
        o_dist = np.array([values.mean() for values in i_dist])
        found = identity_margin(o_dist[compared.own(reference)].tolist(), o_dist[compared.others(reference)].tolist())
        yield FromReferences(
            o_dist[None],
            quotient(o_dist, own_distance)[None],
            np.array([found.violated]),
            np.array([found.margin]),
            np.empty(0) if order else np.concatenate(i_dist),
        )


def stacked(parts: list[FromReferences]) -> FromReferences:
    """Join the records of single primary sets."""
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in FromReferences._fields[:-1]}
    return FromReferences(**joined, i_dist=parts[0].i_dist)


FEWEST = 5
"""Persons, or primary sets, from which on an interval over them says something."""


class Claim(NamedTuple):
    """Hold a claim's columns of the result's table, and its shares of violated pairs in every draw (none without an interval).

    `row` has `Identity.claims`'s numbers but for the changes.
    """

    row: dict[str, Any]
    violated_draws: Float64Array


def unit_of(compared: VariationSets) -> str:
    """Return the unit that intervals resample: "persons", "primary sets" if persons are few, or "" for no interval."""
    persons = {compared.sets[reference].person for reference in compared.references}
    if len(persons) >= FEWEST:
        return "persons"
    return "primary sets" if len(compared.references) >= FEWEST else ""


def claim(measured: FromReferences, compared: VariationSets, draws: int, rng: np.random.Generator) -> Claim:
    """Summarise the measures from a variation's primary sets.

    A draw takes as many persons as there are, with replacement, each with all primary sets of that person; where there are few
    persons, it takes each person's primary sets anew. The sets that they are compared with stay.
    """
    pairs = np.array([compared.own(place).sum() * compared.others(place).sum() for place in compared.references])
    times = _times(compared, draws, rng)
    weighted = times * pairs[:, None]
    finite = np.isfinite(measured.margins)
    defined = measured.margins[finite]
    medians = np.array([np.median(np.repeat(defined, taken)) for taken in times[finite].T if taken.any()])
    draws_of = np.asarray(measured.violated @ weighted / weighted.sum(axis=0), dtype=np.float64)
    # If only the value counts, a set of another person under the primary's value is always nearer, of the rest one half.
    values = np.array([each.value for each in compared.sets])
    same = [(values[compared.others(place)] == compared.sets[place].value).mean() for place in compared.references]
    blind = (1 + np.array(same)) / 2
    row = {
        "references": len(pairs),
        "pairs": int(pairs.sum()),
        "violated": float(measured.violated @ pairs / pairs.sum()),
        "margin": float(np.median(defined)) if len(defined) else np.nan,
        "least": float(defined.min()) if len(defined) else np.nan,
        "holding": int((measured.violated == 0).sum()),
        "blind": float(blind @ pairs / pairs.sum()),
        **_ends("", draws_of),
        **_ends("margin_", medians),
    }
    return Claim(row, draws_of)


def _times(compared: VariationSets, draws: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Count how often each draw takes each primary set, (r, draws); without an interval there are no draws."""
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


def _ends(name: str, draws: Float64Array) -> dict[str, float]:
    low, high = interval(draws) if len(draws) else (np.nan, np.nan)
    return {f"{name}low": low, f"{name}high": high}


def rows(claims: Mapping[tuple[str, str, str], Claim], units: Mapping[str, str]) -> list[dict[str, Any]]:
    """Build the rows of the result's table of claims by (backbone, perturbation, variation)."""
    found = []
    for (backbone, perturbation, variation), each in claims.items():
        named = {"backbone": backbone, "perturbation": perturbation, "variation": variation}
        before = claims[backbone, UNCHANGED, variation]
        # Both claims use the same draws.
        change = {
            "change": each.row["violated"] - before.row["violated"],
            **_ends("change_", each.violated_draws - before.violated_draws),
        }
        if perturbation == UNCHANGED:
            change = dict.fromkeys(change, np.nan)
        found.append({**named, **each.row, **change, "interval_over": units[variation] if len(each.violated_draws) else ""})
    return found
