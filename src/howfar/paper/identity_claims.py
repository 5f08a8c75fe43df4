"""Measure how often and how clearly equations 9 to 11 hold: another person is farther than the same person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from howfar.arrays import ArrayRows, Float64Array, FloatArray, quotient
from howfar.data import Dataset
from howfar.data.folder import natural_key
from howfar.data.variations import variation_columns, variations
from howfar.distances.dataset import identity_margin, image_to_dataset, self_distance
from howfar.errors import InputError
from howfar.options import Space
from howfar.projection import Projector
from howfar.projection.sufficient_statistics import CachedRows
from howfar.settings import nearest
from howfar.significance import interval, resample_counts
from howfar.streams import stream

PERSON: Final = "person"


@dataclass(frozen=True, eq=False)
class PersonSet:
    """Hold a person's images under one value of a variation: p_i v_k of equations 9 to 11.

    Attributes
    ----------
    person, value
        Who, and under which value.
    rows
        (n,) places of its images in the dataset, ascending.
    """

    person: str
    value: str
    rows: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class VariationSets:
    """Hold a variation's sets, and which of them are primary.

    Attributes
    ----------
    sets
        By person, then by value, in natural order.
    references
        (r,) places of the primary sets among `sets`: each of a person who is seen under another value, too.
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
    Raises `InputError` for a name that the pattern does not match, no person or nothing that varies, or an absent person.
    """
    names = [item.name for item in dataset.items]
    table = variation_columns(dataset, columns) if columns else variations(names, pattern)
    said = "columns" if columns else "pattern"
    if PERSON not in table or len(table.columns) < 2:
        value = list(columns) if columns else pattern
        raise InputError.of(said, "must have person, and another for what varies", value, "call who is seen person")
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
    """Divide images into sets for each wanted variation, by default each with two values for some person.

    `table` is that of `described`; its row numbers are the places of `PersonSet.rows`. At most `most` primary sets of a
    variation are drawn, by the seed. Raises `InputError` for an absent variation, or one under which no person has two values.
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
    places: dict[tuple[str, str], list[int]] = {}
    for row, key in enumerate(zip(table[PERSON], table[variation], strict=True)):
        places.setdefault(key, []).append(row)
    ordered = sorted(places, key=lambda key: (natural_key(key[0]), natural_key(key[1])))
    sets = tuple(PersonSet(*key, np.array(places[key], dtype=np.intp)) for key in ordered)
    values = pd.Series([person for person, _ in ordered]).value_counts()
    references = np.flatnonzero([values[each.person] > 1 for each in sets])
    if most is not None and most < len(references):
        rng = stream(seed, "identity of sets", variation)
        references = np.sort(rng.choice(references, most, replace=False))
    return VariationSets(sets, references)


class FromReferences(NamedTuple):
    """Hold the measures from r primary sets to all s sets of a variation with N images.

    Attributes
    ----------
    o_dist, relative
        (r, s) O^dist in mean form, and over the primary set's self-distance: NaN at the primary itself, `relative` also where
        that has one image.
    violated, margins
        (r,) share of violated pairs, and margin.
    i_dist
        (N,) I^dist in mean form of each image from the first primary set, in the order of the sets; NaN for its own.
    """

    o_dist: Float64Array
    relative: Float64Array
    violated: Float64Array
    margins: Float64Array
    i_dist: Float64Array


class SetSpaces:
    """Project two sets of a dataset into the space of their distance, caching each single set's sums.

    `rows` are the (N, q) features of all images, which the sets divide; `components` and `mode` are those of
    `howfar.projection.project`.
    """

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
    """Yield the measures from each primary set in turn, one record each, for `stacked` to join.

    `rows` are the (N, q) features of all images; `components` and `mode` are those of `howfar.projection.project`.
    """
    spaces = SetSpaces(rows, compared.sets, components, mode)
    for order, reference in enumerate(compared.references.tolist()):
        yield _from_reference(spaces, compared, reference, keep_images=order == 0)


def stacked(parts: list[FromReferences]) -> FromReferences:
    """Join the records of single primary sets."""
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in FromReferences._fields[:-1]}
    return FromReferences(**joined, i_dist=parts[0].i_dist)


def _from_reference(spaces: SetSpaces, compared: VariationSets, reference: int, keep_images: bool) -> FromReferences:
    sets = compared.sets
    i_dist = [np.full(len(each.rows), np.nan) for each in sets]
    own_distance = np.full(len(sets), np.nan)
    for place in range(len(sets)):
        if place != reference:
            p, s = spaces.pair(reference, place)
            i_dist[place] = image_to_dataset(s, p)
            own_distance[place] = self_distance(p) if len(p) > 1 else np.nan
    o_dist = np.array([values.mean() for values in i_dist])
    found = identity_margin(o_dist[compared.own(reference)].tolist(), o_dist[compared.others(reference)].tolist())
    return FromReferences(
        o_dist[None],
        quotient(o_dist, own_distance)[None],
        np.array([found.violated]),
        np.array([found.margin]),
        np.concatenate(i_dist) if keep_images else np.empty(0),
    )


FEWEST = 5
"""Persons, or primary sets, from which on an interval over them says something."""


@dataclass(frozen=True, eq=False)
class Claim:
    """Hold a claim's share of violated pairs and median margin, as measured and in every draw.

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
        """Return the change in the share of violated pairs as columns; both claims use the same draws."""
        low, high = _ends(self.violated_draws - before.violated_draws)
        return {"change": self.violated - before.violated, "change_low": low, "change_high": high}


def unit_of(compared: VariationSets) -> str:
    """Return the unit that intervals resample: "persons", "primary sets" if persons are few, or "" for no interval.

    Examples
    --------
    >>> sets = tuple(PersonSet(person, value, np.arange(1)) for person in "abcde" for value in "xy")
    >>> [unit_of(VariationSets(sets, np.arange(count))) for count in (10, 6, 4)]
    ['persons', 'primary sets', '']
    """
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


def _blind(compared: VariationSets) -> Float64Array:
    """Compute each primary set's expected share of violations if only the value counts: (1 + share of its value) / 2."""
    values = np.array([each.value for each in compared.sets])
    same = [(values[compared.others(place)] == compared.sets[place].value).mean() for place in compared.references]
    return (1 + np.array(same)) / 2


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


def _ends(draws: Float64Array) -> tuple[float, float]:
    return interval(draws) if len(draws) else (np.nan, np.nan)


def rows(claims: Mapping[tuple[str, str, str], Claim], units: Mapping[str, str], plain: str) -> list[dict[str, Any]]:
    """Build the rows of the result's table of claims by (backbone, perturbation, variation)."""
    found = []
    for (backbone, perturbation, variation), each in claims.items():
        named = {"backbone": backbone, "perturbation": perturbation, "variation": variation}
        change = each.change_from(claims[backbone, plain, variation])
        if perturbation == plain:
            change = dict.fromkeys(change, np.nan)
        found.append({**named, **each.row(), **change, "interval_over": units[variation] if len(each.violated_draws) else ""})
    return found
