"""Divide a dataset of persons into sets: the images of one person under one value of one variation."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from howfar.data import Dataset
from howfar.data.folder_walk import natural_key
from howfar.data.variation_columns import variation_columns
from howfar.data.variations import variations
from howfar.errors import InputError
from howfar.settings import nearest

PERSON: Final = "person"


@dataclass(frozen=True, eq=False)
class PersonSet:
    """Hold one person under one value of a variation: p_i v_k of equations 9 to 11.

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
class Compared:
    """Hold the sets of one variation, and those of them that distances are measured from.

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
        """Mark the sets of the same person under every other value."""
        person = self.sets[reference].person
        return np.array([each.person == person and place != reference for place, each in enumerate(self.sets)])

    def others(self, reference: int) -> NDArray[np.bool_]:
        """Mark the sets of every other person."""
        return np.array([each.person != self.sets[reference].person for each in self.sets])


def described(dataset: Dataset, pattern: str, columns: Sequence[str], persons: Sequence[str | int]) -> pd.DataFrame:
    """Return a table of the images of the persons wanted: text columns image, person, and one a variation.

    Parameters
    ----------
    dataset
        All persons' images.
    pattern
        Expression by which images' names are read; not used where `columns` are given.
    columns
        Columns of the dataset's own table.
    persons
        Whose images are kept; everybody's where there are none.

    Raises
    ------
    InputError
        A name that the pattern does not match, no person or nothing that varies, or a person who is not there.
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


def compared(table: pd.DataFrame, wanted: Sequence[str], most: int | None, seed: int) -> dict[str, Compared]:
    """Divide images into sets, for each variation that has something to compare.

    Parameters
    ----------
    table
        As `described` returns it; its row numbers are the places of `PersonSet.rows`.
    wanted
        The variations; all where none is named, but for those under which nobody has two values.
    most
        The number of primary sets of a variation, if they are to be drawn.
    seed
        Seed of that draw.

    Raises
    ------
    InputError
        A variation that is not there, or under which no person has two values.
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


def _compared(table: pd.DataFrame, variation: str, most: int | None, seed: int) -> Compared:
    places: dict[tuple[str, str], list[int]] = {}
    for row, key in enumerate(zip(table[PERSON], table[variation], strict=True)):
        places.setdefault(key, []).append(row)
    ordered = sorted(places, key=lambda key: (natural_key(key[0]), natural_key(key[1])))
    sets = tuple(PersonSet(*key, np.array(places[key], dtype=np.intp)) for key in ordered)
    values = pd.Series([person for person, _ in ordered]).value_counts()
    references = np.flatnonzero([values[each.person] > 1 for each in sets])
    if most is not None and most < len(references):
        rng = np.random.default_rng([seed, zlib.crc32(variation.encode())])
        references = np.sort(rng.choice(references, most, replace=False))
    return Compared(sets, references)
