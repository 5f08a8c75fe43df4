"""Hold the result of the study of identity, which says whether distances tell persons apart whatever varies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from howfar.numbers import format_interval, share
from howfar.results.records import Provenance
from howfar.results.result import Result, holding
from howfar.results.tables import Cells

if TYPE_CHECKING:
    import pandas as pd

PLAIN: Final = "none"
"""Name of images as they are among the perturbations."""


def called(person: str) -> str:
    """Name a person in a sentence or figure: one whose name is a number is "person 1".

    Examples
    --------
    >>> called("1"), called("ann")
    ('person 1', 'ann')
    """
    return f"person {person}" if person.isdigit() else person


@dataclass(frozen=True, eq=False, repr=False)
class Identity(Result):
    """Hold distances between sets of persons' images, and how often another person is not farther (appendix E, eqs. 9-11).

    A set holds the images of one person under one value of a variation. Each primary set is compared with the same person's
    other sets (own) and with all sets of other persons; a pair (own, other) is violated where the other is not farther.

    Attributes
    ----------
    dataset, backbones
        Names of the dataset and of the backbones.
    perturbations
        Names of the perturbations, "none" (images as they are) before others.
    variations, persons
        Names of the variations studied, and of the persons.
    components, projection
        The number of components z, and what they were fitted on.
    sets
        One row a set: variation, person, value, images, reference (whether distances were measured from it).
    distances
        One row a backbone, perturbation, variation, primary set (reference_person, reference_value) and other set (person,
        value): o_dist_mean, relative (over the primary set's self-distance; NaN where that has one image).
    references
        One row a backbone, perturbation, variation and primary set (person, value): violated (share of pairs), margin.
    claims
        One row a backbone, perturbation and variation: references, pairs, violated (share of all pairs) with low and high,
        margin (median over the primary sets) with margin_low and margin_high, least (the smallest margin), holding (primary
        sets without a violated pair), blind (violated to expect of distances that see the value and not the person), change (of
        violated, from images as they are) with change_low and change_high, interval_over ("persons", "primary sets" or "").
    images
        I^dist of every image from the first primary set: backbone, perturbation, variation, person, value, image, i_dist_mean.
    pictures
        Images that show the persons: person, path, image, text (its values).
    """

    DOCUMENT: ClassVar = "identity.json"
    TABLES: ClassVar = {
        "sets": "sets.parquet",
        "distances": "distances.parquet",
        "references": "references.parquet",
        "claims": "claims.parquet",
        "images": "images.parquet",
        "pictures": "pictures.parquet",
    }
    COLUMNS: ClassVar = {
        "distances": holding("backbone perturbation variation reference_person person", "o_dist_mean relative"),
        "references": holding("backbone perturbation variation person", "violated margin"),
        "claims": holding(
            "backbone perturbation variation", "references pairs violated low high margin margin_low margin_high"
        ),
        "images": holding("backbone perturbation variation person image", "i_dist_mean"),
    }
    COMMAND: ClassVar = "study"
    MISSING: ClassVar = "name a folder that howfar study wrote"
    SUBJECT: ClassVar = ": the study of identity"
    FIGURES: ClassVar = "identity_figures"
    REPORT: ClassVar = "section"

    dataset: str
    backbones: tuple[str, ...]
    perturbations: tuple[str, ...]
    variations: tuple[str, ...]
    persons: tuple[str, ...]
    components: int
    projection: str
    sets: pd.DataFrame
    distances: pd.DataFrame
    references: pd.DataFrame
    claims: pd.DataFrame
    images: pd.DataFrame
    pictures: pd.DataFrame
    provenance: Provenance
    notes: tuple[str, ...] = ()

    def table(self) -> Cells:
        """Return header and cells, a row a backbone, perturbation and variation: violated share and margin."""
        header = ("backbone", "perturbation", "variation", "pairs", "violated [95 % CI]", "median margin [95 % CI]", "hold")
        rows: list[tuple[str, ...]] = []
        for row in self.claims.to_dict("records"):
            violated = share(row["violated"])
            if row["low"] == row["low"]:
                violated = f"{violated} [{share(row['low'])}, {share(row['high'])}]"
            low, high = (None if row[end] != row[end] else float(row[end]) for end in ("margin_low", "margin_high"))
            margin = format_interval(float(row["margin"]), low, high, "+.3f")
            holding = f"{row['holding']} of {row['references']}"
            names = (str(row["backbone"]), str(row["perturbation"]), str(row["variation"]))
            rows.append((*names, f"{row['pairs']:,}", violated, margin, holding))
        return header, rows

    def caption(self) -> str:
        """Say in one line what the table is about."""
        persons = f"{len(self.persons)} persons of {self.dataset}"
        return f"pairs in which another of {persons} is not farther than the same (eqs. 9-11)"

    def named(self, backbone: str, perturbation: str, variation: str, table: str = "images") -> pd.DataFrame:
        """Return the rows of a table, by default that of images, of one backbone, perturbation and variation."""
        frame: pd.DataFrame = getattr(self, table)
        chosen = (frame["backbone"] == backbone) & (frame["perturbation"] == perturbation) & (frame["variation"] == variation)
        return frame[chosen]
