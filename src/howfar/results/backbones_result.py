"""Hold the distances of the same datasets by several backbones, and how well the backbones agree (`BackboneComparison`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from howfar.formatting_and_escaping import format_number, signed
from howfar.results.comparison_result import BaselineSummary, Comparison
from howfar.results.display_and_shared_records import Cells, Skipped, matching, plain
from howfar.results.result import PART, Result, StudyResult, holding

if TYPE_CHECKING:
    import pandas as pd


SETS: Final = ""
"""Stands in the agreement table for the order of the secondaries themselves, where other rows name a secondary."""


@dataclass(frozen=True, eq=False, repr=False)
class BackboneComparison(Result):
    """Hold each secondary's distance from the primary by several backbones, made by `howfar.compare_backbones`.

    Attributes
    ----------
    comparisons
        One `Comparison` a backbone, in the caller's order: just what `howfar.compare` gives by it alone.
    agreement
        A row for each two backbones, the trivial ones among them (one, other), and each dataset: n images that both have seen,
        spearman, the rank correlation of their I^dist, with low and high of its 95 % bootstrap interval over images. Where
        dataset is "", n is the number of secondaries and spearman that of their `relative`, of `o_dist_scaled` where that is
        undefined, with no interval.
    """

    DOCUMENT: ClassVar = "backbones.json"
    COMMAND: ClassVar = "compare"
    MISSING: ClassVar = "name a folder that compare wrote with several backbones"
    SUBJECT: ClassVar = ": the comparison by several backbones"
    FIGURES: ClassVar = "backbone_figures"
    REPORT: ClassVar = "backbones"

    comparisons: tuple[Comparison, ...]
    agreement: pd.DataFrame = field(metadata=holding("one other dataset", "n spearman"))

    @property
    def backbones(self) -> tuple[str, ...]:
        """Return the backbones' names."""
        return tuple(comparison.backbone.name for comparison in self.comparisons)

    @property
    def trivial(self) -> tuple[str, ...]:
        """Return the names of the trivial backbones in the comparison."""
        return tuple(dict.fromkeys(row.backbone for row in self._beside()))

    def _beside(self) -> list[BaselineSummary]:
        rows = dict.fromkeys(row for comparison in self.comparisons for row in comparison.baselines)
        return [row for row in rows if row.backbone not in self.backbones]

    def __getitem__(self, backbone: str) -> Comparison:
        return dict(zip(self.backbones, self.comparisons, strict=True))[backbone]

    def measure(self) -> str:
        """Return the measure that orders the datasets: "relative" if every backbone has it, else "o_dist_scaled"."""
        known = [row.relative is not None for each in self.comparisons for row in each.datasets]
        known += [row.relative is not None for each in self.comparisons for row in each.baselines]
        return "relative" if all(known) else "o_dist_scaled"

    def to_frame(self) -> pd.DataFrame:
        """Return one row per backbone and secondary.

        Columns: backbone, trivial, dataset, o_dist_scaled, relative with relative_low and relative_high, energy, and rank
        among the secondaries, 1 being the nearest.
        """
        import pandas as pd

        rows: list[tuple[Any, ...]] = []
        for run in self.comparisons:
            for each in run.datasets:
                ends = each.relative_ci or (None, None)
                rows.append((run.backbone.name, False, each.name, each.o_dist_scaled, each.relative, *ends, each.energy))
        for row in self._beside():
            rows.append((row.backbone, True, row.dataset, row.o_dist_scaled, row.relative, None, None, row.energy))
        names = "backbone trivial dataset o_dist_scaled relative relative_low relative_high energy"
        frame = pd.DataFrame(rows, columns=names.split())
        return frame.assign(rank=frame.groupby("backbone", sort=False)[self.measure()].rank())

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON document of ``howfar compare --json`` with several backbones, without per-image tables."""
        first = self.comparisons[0]
        return {
            "format": self.FORMAT,
            "primary": {"name": first.primary.name, "n": first.primary.n},
            "seed": first.settings.seed,
            "backbones": [comparison.to_dict() for comparison in self.comparisons],
            "agreement": plain(self.agreement),
            "skipped": plain(self.skipped),
            "folders": self.folders(),
        }

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Return the files that were skipped by the backbones' runs."""
        return tuple(dict.fromkeys(row for comparison in self.comparisons for row in comparison.skipped))

    def folders(self) -> dict[str, str]:
        """Return each backbone's run folder name within the folder that `save` writes."""
        taken: dict[str, str] = {}
        for name in self.backbones:
            plain_name = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "backbone"
            numbered = chain([plain_name], (f"{plain_name}-{number}" for number in count(2)))
            # Some disks tell no capitals from small letters.
            folders = {folder.casefold() for folder in taken.values()}
            taken[name] = next(folder for folder in numbered if folder.casefold() not in folders)
        return taken

    def runs(self) -> Mapping[str, Comparison]:
        """Return each backbone's comparison by the name of its run folder."""
        return dict(zip(self.folders().values(), self.comparisons, strict=True))

    @classmethod
    def _read(cls, document: Mapping[str, Any], root: Path) -> Self:
        runs = tuple(Comparison.load(root / name) for name in document["folders"].values())
        return cls(runs, **cls._tables(document, root))

    def table(self) -> Cells:
        """Return header and cells, one row per backbone: row-scaled O^dist of each secondary as in table 2, and `relative`."""
        names = [dataset.name for dataset in self.comparisons[0].datasets]
        rows = []
        for backbone, distances in self.to_frame().groupby("backbone", sort=False):
            by_name = {row["dataset"]: row for row in distances.to_dict("records")}
            cells = (f"{by_name[name]['o_dist_scaled']:.3f} ({format_number(by_name[name]['relative'], 3)})" for name in names)
            rows.append((str(backbone), *cells))
        return ("backbone", *names), rows

    def caption(self) -> str:
        first = self.comparisons[0]
        return (
            f"{first.primary.name}: {first.primary.n} images; row-scaled O^dist (relative), "
            f"{first.settings.projection} projection, seed {first.settings.seed}"
        )

    def agreed(self, one: str, other: str) -> tuple[float | None, float | None]:
        """Return Spearman's correlation of two backbones on the secondaries, and its mean over secondaries on images."""
        pair = matching(self.agreement, one=one, other=other)
        pair = pair if len(pair) else matching(self.agreement, one=other, other=one)
        sets = pair["dataset"] == SETS
        return _mean(pair.loc[sets, "spearman"]), _mean(pair.loc[~sets, "spearman"])

    def agreement_lines(self) -> list[str]:
        """State in a line for each two backbones their agreement on datasets and on images."""
        lines = []
        for one, other in dict.fromkeys(zip(self.agreement["one"], self.agreement["other"], strict=True)):
            sets, images = map(signed, self.agreed(one, other))
            lines.append(f"{one} and {other}: Spearman {sets} over the datasets' order, {images} over a dataset's images")
        return lines

    def notes(self) -> list[str]:
        """Return the notes of all backbones' runs."""
        return list(dict.fromkeys(note for comparison in self.comparisons for note in comparison.notes))

    def remarks(self) -> list[str]:
        """Return the lines that the terminal shows under the table."""
        return [*self.agreement_lines(), *(f"note: {note}" for note in self.notes())]

    def footer(self) -> list[str]:
        """Return each two backbones' agreement."""
        return self.agreement_lines()


def _mean(values: pd.Series) -> float | None:
    defined = values.dropna()
    return float(defined.mean()) if len(defined) else None


RUNS: Final = "backbones"
"""The folder of the comparison by all backbones, below that of the study; it holds the run folder of each backbone."""


@dataclass(frozen=True)
class BackboneFeature:
    """Describe the feature of a backbone in the study file (table 1).

    `label` is its name in the study file, `registered` the name that it was loaded by, `feature` a line on what it is, `length`
    its number of values q. `model` is the study in whose model M, trained on the primary dataset alone, it is; "" for one that
    was loaded as it is. A `trivial` one sees colour and layout alone.
    """

    label: str
    registered: str
    feature: str
    length: int
    model: str = ""
    trivial: bool = False


@dataclass(frozen=True, eq=False, repr=False)
class DistanceTable(StudyResult):
    """Hold each secondary's distance by each backbone of a study file (tables 1 and 2, figs. 3 and 10).

    `comparison`: the comparisons by the backbones, labelled as the study file calls them, and how far they agree.
    `features`: what each backbone measures, in the order of the comparisons.
    """

    DOCUMENT: ClassVar = "distance.json"
    SUBJECT: ClassVar = ": the study of distances"

    comparison: BackboneComparison = field(metadata={PART: True})
    features: tuple[BackboneFeature, ...]

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
        """Return the names of the trivial backbones."""
        return tuple(feature.label for feature in self.features if feature.trivial)

    def runs(self) -> Mapping[str, Result]:
        return {RUNS: self.comparison}

    def to_dict(self) -> dict[str, Any]:
        return {**self._document(), RUNS: self.comparison.to_dict()}

    def _document(self) -> dict[str, Any]:
        names = {name: plain(getattr(self, name)) for name in ("primary", "secondaries")}
        return {"format": self.FORMAT, **names, **self._json()}

    @classmethod
    def _read(cls, document: Mapping[str, Any], root: Path) -> Self:
        return cls(comparison=BackboneComparison.load(root / RUNS), **cls._values(document))

    def table(self) -> Cells:
        return self.comparison.table()

    def caption(self) -> str:
        return f"{self.comparison.caption()} (table 2)"

    def footer(self) -> list[str]:
        return self.comparison.footer()
