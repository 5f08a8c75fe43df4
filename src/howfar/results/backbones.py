"""Hold the result of a comparison by several backbones, which says how far they agree on the same datasets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from howfar.numbers import format_number, signed
from howfar.results.comparison import BaselineSummary, Comparison, DatasetSummary
from howfar.results.json_values import plain
from howfar.results.records import Skipped
from howfar.results.result import Result, holding
from howfar.results.tables import Cells

if TYPE_CHECKING:
    import pandas as pd

SETS: Final = ""
"""Stands in the agreement table for the order of the secondaries themselves, where other rows name a secondary."""


@dataclass(frozen=True, eq=False, repr=False)
class BackboneComparison(Result):
    """Say how far each secondary is from the primary one by several backbones; `howfar.compare_backbones` makes it.

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
    TABLES: ClassVar = {"agreement": "agreement.parquet"}
    COLUMNS: ClassVar = {"agreement": holding("one other dataset", "n spearman")}
    COMMAND: ClassVar = "compare"
    MISSING: ClassVar = "name a folder that compare wrote with several backbones"
    SUBJECT: ClassVar = ": the comparison by several backbones"
    FIGURES: ClassVar = "backbone_figures"
    REPORT: ClassVar = "backbones"

    comparisons: tuple[Comparison, ...]
    agreement: pd.DataFrame

    @property
    def backbones(self) -> tuple[str, ...]:
        """Return the backbones' names."""
        return tuple(comparison.backbone.name for comparison in self.comparisons)

    @property
    def trivial(self) -> tuple[str, ...]:
        """Return the names of the trivial backbones that stand beside them."""
        return tuple(dict.fromkeys(row.backbone for row in self._beside()))

    def _beside(self) -> list[BaselineSummary]:
        rows = dict.fromkeys(row for comparison in self.comparisons for row in comparison.baselines)
        return [row for row in rows if row.backbone not in self.backbones]

    def __getitem__(self, backbone: str) -> Comparison:
        return dict(zip(self.backbones, self.comparisons, strict=True))[backbone]

    def measure(self) -> str:
        """Return the number that orders the datasets: "relative" where every backbone has one, else "o_dist_scaled"."""
        rows: list[DatasetSummary | BaselineSummary] = []
        for comparison in self.comparisons:
            rows += [*comparison.datasets, *comparison.baselines]
        return "relative" if all(row.relative is not None for row in rows) else "o_dist_scaled"

    def to_frame(self) -> pd.DataFrame:
        """Return one row a backbone and secondary.

        Columns: backbone, trivial, dataset, o_dist_scaled, relative with relative_low and relative_high, energy, and rank
        among the secondaries, 1 being the nearest.
        """
        import pandas as pd

        rows = [_row(run.backbone.name, dataset.name, dataset) for run in self.comparisons for dataset in run.datasets]
        rows += [_row(baseline.backbone, baseline.dataset, baseline) for baseline in self._beside()]
        frame = pd.DataFrame(rows)
        return frame.assign(rank=frame.groupby("backbone", sort=False)[self.measure()].rank())

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON document of ``howfar compare --json`` with several backbones; per-image tables are left out."""
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
        """Return the files that no backbone could be given."""
        return tuple(dict.fromkeys(row for comparison in self.comparisons for row in comparison.skipped))

    def folders(self) -> dict[str, str]:
        """Return by backbone the name of its run folder in the folder that `save` writes."""
        taken: dict[str, str] = {}
        for name in self.backbones:
            plain_name = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "backbone"
            number, chosen = 1, plain_name
            # Some disks tell no capitals from small letters.
            while chosen.casefold() in {folder.casefold() for folder in taken.values()}:
                number += 1
                chosen = f"{plain_name}-{number}"
            taken[name] = chosen
        return taken

    def runs(self) -> Mapping[str, Comparison]:
        """Return each backbone's comparison by the name of its run folder."""
        return dict(zip(self.folders().values(), self.comparisons, strict=True))

    @classmethod
    def _read(cls, document: Mapping[str, Any], root: Path) -> Self:
        runs = tuple(Comparison.load(root / name) for name in document["folders"].values())
        return cls(runs, **cls._tables(root))

    def table(self) -> Cells:
        """Return header and cells, a row a backbone: row-scaled O^dist of each secondary as in table 2, and `relative`."""
        frame = self.to_frame()
        names = [dataset.name for dataset in self.comparisons[0].datasets]
        rows = []
        for backbone, distances in frame.groupby("backbone", sort=False):
            by_name = distances.set_index("dataset")
            rows.append((str(backbone), *(_cell(by_name.loc[name]) for name in names)))
        return ("backbone", *names), rows

    def caption(self) -> str:
        """Say in one line what the table is about."""
        first = self.comparisons[0]
        return (
            f"{first.primary.name}: {first.primary.n} images; row-scaled O^dist (relative), "
            f"{first.settings.projection} projection, seed {first.settings.seed}"
        )

    def agreed(self, one: str, other: str) -> tuple[float | None, float | None]:
        """Return Spearman of two backbones' orders of the secondaries, and of images, the mean over the secondaries."""
        pair = self.agreement[(self.agreement["one"] == one) & (self.agreement["other"] == other)]
        pair = pair if len(pair) else self.agreement[(self.agreement["one"] == other) & (self.agreement["other"] == one)]
        sets = pair["dataset"] == SETS
        return _mean(pair.loc[sets, "spearman"]), _mean(pair.loc[~sets, "spearman"])

    def agreement_lines(self) -> list[str]:
        """Say in a line for each two backbones how far they agree on datasets and on images."""
        lines = []
        for one, other in dict.fromkeys(zip(self.agreement["one"], self.agreement["other"], strict=True)):
            sets, images = map(signed, self.agreed(one, other))
            lines.append(f"{one} and {other}: Spearman {sets} over the datasets' order, {images} over a dataset's images")
        return lines

    def notes(self) -> list[str]:
        """Return what a reader should know, of all backbones' runs."""
        return list(dict.fromkeys(note for comparison in self.comparisons for note in comparison.notes))

    def remarks(self) -> list[str]:
        """Return the lines that the terminal shows under the table."""
        return [*self.agreement_lines(), *(f"note: {note}" for note in self.notes())]

    def footer(self) -> list[str]:
        """Return how far each two backbones agree."""
        return self.agreement_lines()


def _row(backbone: str, dataset: str, measured: DatasetSummary | BaselineSummary) -> dict[str, Any]:
    trivial = isinstance(measured, BaselineSummary)
    low, high = (None if isinstance(measured, BaselineSummary) else measured.relative_ci) or (None, None)
    return {
        "backbone": backbone,
        "trivial": trivial,
        "dataset": dataset,
        "o_dist_scaled": measured.o_dist_scaled,
        "relative": measured.relative,
        "relative_low": low,
        "relative_high": high,
        "energy": measured.energy,
    }


def _cell(row: Any) -> str:
    return f"{row['o_dist_scaled']:.3f} ({format_number(row['relative'], 3)})"


def _mean(values: pd.Series) -> float | None:
    defined = values.dropna()
    return float(defined.mean()) if len(defined) else None
