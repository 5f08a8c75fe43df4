"""Hold how F goes with distance for every model of several segmenters (tables 3-5 of the paper)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from howfar.numbers import format_interval, format_number
from howfar.results.adaptation import ALL, F_ODS
from howfar.results.records import Provenance
from howfar.results.result import Result, holding
from howfar.results.tables import Cells

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class PerformanceByDistance(Result):
    """Say how F of images goes with their distance, before and after adaptation (section 4.2).

    Attributes
    ----------
    of
        The study of adaptation, by its name in the study file, whose folder lies beside this result's.
    primary, secondaries
        Names of the datasets.
    segmenters, architectures
        The segmenters as the study file calls them, and what each of them is (unetplusplus, deepcrack, adsam).
    seeds, adapted
        Those of all models; the adapted model that the text is about, of the most shots by the first strategy but random.
    tau, flat
        The least mean F that counts as consistent, and the largest change over all distances that counts as none.
    strata
        `Adaptation.strata` of every segmenter, with its name in the column segmenter. Here and in slopes models that learnt
        from background are left out.
    slopes
        One row a segmenter, model, secondary ("all": pooled within secondaries) and measure ("f_ods", F at the dataset's best
        threshold as in the paper, or "f", F at the threshold tuned on P): n images of so many photographs, span
        (of scaled distances, from the nearest of them to the farthest; of "all" the datasets' mean), mean (of F), slope of F on
        scaled distance with low and high of its 95 % interval over photographs, lowest and highest of the seeds' own slopes
        (NaN for "all"), kind ("falls", "rises", "consistent", "none") and verdict (the same in a sentence), and change: this
        slope less that of M, with change_low and change_high. F and distance of an image are means over the seeds.
    """

    DOCUMENT: ClassVar = "performance.json"
    TABLES: ClassVar = {"strata": "strata.parquet", "slopes": "slopes.parquet"}
    COLUMNS: ClassVar = {
        "slopes": holding("segmenter model dataset measure kind", "slope low high"),
    }
    COMMAND: ClassVar = "study"
    MISSING: ClassVar = "name a folder that howfar study wrote"
    SUBJECT: ClassVar = ": the study of performance by distance"
    FIGURES: ClassVar = "performance_figures"
    REPORT: ClassVar = "section"

    of: str
    primary: str
    secondaries: tuple[str, ...]
    segmenters: tuple[str, ...]
    architectures: tuple[str, ...]
    seeds: tuple[int, ...]
    adapted: str
    tau: float
    flat: float
    strata: pd.DataFrame
    slopes: pd.DataFrame
    provenance: Provenance
    notes: tuple[str, ...] = ()

    def pooled(self, measure: str = F_ODS) -> pd.DataFrame:
        """Return the rows of all secondaries alike by one measure; of a single secondary its own."""
        name = ALL if len(self.secondaries) > 1 else self.secondaries[0]
        return self.slopes[(self.slopes["dataset"] == name) & (self.slopes["measure"] == measure)]

    def table(self) -> Cells:
        """Return header and cells, a row a segmenter and model: the slope of F on distance within the secondaries."""
        rows: list[tuple[str, ...]] = [
            (
                str(row["segmenter"]),
                str(row["model"]),
                format_number(row["mean"], 3),
                "–" if np.isnan(row["slope"]) else format_interval(row["slope"], row["low"], row["high"], "+.3f"),
                str(row["kind"]),
            )
            for row in self.pooled().to_dict("records")
        ]
        return ("segmenter", "model", "mean F", "slope [95 % CI]", "F by distance"), rows

    def caption(self) -> str:
        """Say in one line what the table is about."""
        return f"slope of F on scaled distance from {self.primary}, within {', '.join(self.secondaries)}"
