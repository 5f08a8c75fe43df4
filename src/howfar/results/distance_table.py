"""Hold the result of the study of distances, which says how far datasets are by several backbones, and what each measures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Self

from howfar.results.backbones import BackboneComparison
from howfar.results.json_values import plain
from howfar.results.records import Provenance
from howfar.results.result import Result
from howfar.results.tables import Cells

RUNS: Final = "backbones"
"""The folder of the comparison by all backbones, below that of the study; it holds the run folder of each backbone."""


@dataclass(frozen=True)
class BackboneFeature:
    """Describe what a backbone of the study file measures (table 1).

    Attributes
    ----------
    label, registered
        Its name in the study file, and the registered name that it was loaded by.
    feature
        What the feature is, in a line.
    length
        Its number of values q.
    model
        The study in whose model M, trained on the primary dataset alone, it is; "" for one that was loaded as it is.
    trivial
        Whether it is one of the trivial backbones, which see colour and layout alone.
    """

    label: str
    registered: str
    feature: str
    length: int
    model: str = ""
    trivial: bool = False


@dataclass(frozen=True, eq=False, repr=False)
class DistanceTable(Result):
    """Hold how far each secondary is by each backbone of a study file (tables 1 and 2, figs. 3 and 10).

    Attributes
    ----------
    comparison
        The comparisons by the backbones, labelled as the study file calls them, and how far they agree.
    features
        What each backbone measures, in the order of the comparisons.
    notes, provenance
        What a reader should know; what made it.
    """

    DOCUMENT: ClassVar = "distance.json"
    COMMAND: ClassVar = "study"
    MISSING: ClassVar = "name a folder that howfar study wrote"
    SUBJECT: ClassVar = ": the study of distances"
    FIGURES: ClassVar = "distance_figures"
    REPORT: ClassVar = "section"

    comparison: BackboneComparison
    features: tuple[BackboneFeature, ...]
    provenance: Provenance
    notes: tuple[str, ...] = ()

    @property
    def primary(self) -> str:
        """Return the name of the primary dataset."""
        return self.comparison.comparisons[0].primary.name

    @property
    def secondaries(self) -> tuple[str, ...]:
        """Return the names of the secondary datasets, in the study file's order."""
        return tuple(dataset.name for dataset in self.comparison.comparisons[0].datasets)

    @property
    def backbones(self) -> tuple[str, ...]:
        """Return the backbones' names in the study file."""
        return self.comparison.backbones

    @property
    def trivial(self) -> tuple[str, ...]:
        """Return the names of those backbones that are trivial."""
        return tuple(feature.label for feature in self.features if feature.trivial)

    def runs(self) -> Mapping[str, Result]:
        """Return the comparison by all backbones, which is kept in a folder of its own."""
        return {RUNS: self.comparison}

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON document of ``howfar study --json``; tables of one row an image are left out."""
        return {**self._document(), RUNS: self.comparison.to_dict()}

    def _document(self) -> dict[str, Any]:
        names = ("primary", "secondaries", "features", "notes", "provenance")
        return {"format": self.FORMAT, **{name: plain(getattr(self, name)) for name in names}}

    @classmethod
    def _read(cls, document: Mapping[str, Any], root: Path) -> Self:
        return cls(
            comparison=BackboneComparison.load(root / RUNS),
            features=tuple(BackboneFeature(**feature) for feature in document["features"]),
            provenance=Provenance(**document["provenance"]),
            notes=tuple(document["notes"]),
        )

    def table(self) -> Cells:
        """Return header and cells, a row a backbone: row-scaled O^dist of each secondary as in table 2, and `relative`."""
        return self.comparison.table()

    def caption(self) -> str:
        """Say in one line what the table is about."""
        return f"{self.comparison.caption()} (table 2)"

    def footer(self) -> list[str]:
        """Return how far each two backbones agree."""
        return self.comparison.footer()
