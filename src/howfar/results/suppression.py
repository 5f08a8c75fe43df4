"""Hold what background images changed for several segmenters: false positives, and the cost elsewhere (appendix C)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from howfar.numbers import format_interval
from howfar.results.records import Provenance
from howfar.results.result import Result, holding
from howfar.results.tables import Cells

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class Suppression(Result):
    """Say how models that learnt from background images (M_B3, M_B7) differ from the one without (figs 13-17).

    Attributes
    ----------
    of
        The study of adaptation, by its name in the study file, whose folder lies beside this result's.
    primary, secondaries, background
        Names of the datasets.
    segmenters, architectures
        The segmenters as the study file calls them, and what each of them is (unetplusplus, deepcrack, adsam).
    seeds
        Those of all models.
    left
        How many background images no model learnt from: on these false positives are measured.
    shares
        One row a segmenter and model (M, the model with the most shots, those with background): share of pixels of the
        background left out that are taken for foreground, mean over images and seeds, with low and high of its 95 % interval
        over photographs and trainings (NaN for a single photograph), lowest and highest of the seeds.
    changes
        `Adaptation.suppression` of every segmenter, with its name in the column segmenter: change of the share from the model
        "of", and cost in mean F of the secondaries, with intervals.
    """

    DOCUMENT: ClassVar = "suppression.json"
    TABLES: ClassVar = {"shares": "shares.parquet", "changes": "changes.parquet"}
    COLUMNS: ClassVar = {
        "shares": holding("segmenter model", "share"),
        "changes": holding("segmenter model of", "change low high cost cost_low cost_high"),
    }
    COMMAND: ClassVar = "study"
    MISSING: ClassVar = "name a folder that howfar study wrote"
    SUBJECT: ClassVar = ": the study of suppression"
    FIGURES: ClassVar = "suppression_figures"
    REPORT: ClassVar = "section"

    of: str
    primary: str
    secondaries: tuple[str, ...]
    background: str
    segmenters: tuple[str, ...]
    architectures: tuple[str, ...]
    seeds: tuple[int, ...]
    left: int
    shares: pd.DataFrame
    changes: pd.DataFrame
    provenance: Provenance
    notes: tuple[str, ...] = ()

    def table(self) -> Cells:
        """Return header and cells, a row a segmenter and model: share of false positives, its change, and the cost in F."""
        changes = self.changes.set_index(["segmenter", "model"])
        rows: list[tuple[str, ...]] = []
        for row in self.shares.to_dict("records"):
            key = (row["segmenter"], row["model"])
            own = changes.loc[key] if key in changes.index and changes.loc[key, "of"] else None
            written = (
                ("–", "–")
                if own is None
                else (_interval(own, "change", "low", "high"), _interval(own, "cost", "cost_low", "cost_high"))
            )
            rows.append((str(row["segmenter"]), str(row["model"]), f"{row['share']:.4f}", *written))
        return ("segmenter", "model", "false positives", "change [95 % CI]", "change of mean F [95 % CI]"), rows

    def caption(self) -> str:
        """Say in one line what the table is about."""
        return f"share of pixels of {self.background} taken for foreground, {self.left} images that no model learnt from"


def _interval(row: pd.Series[float], *names: str) -> str:
    value, low, high = (float(row[name]) for name in names)
    return "–" if value != value else format_interval(value, low, high, "+.4f")
