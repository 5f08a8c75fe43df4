"""Hold the result of the study of edges, which says what trained models draw on images without what they were trained for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from howfar.results.records import Average, Provenance, Skipped
from howfar.results.result import Result, holding
from howfar.results.tables import Cells

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ModelEdges:
    """Hold what one model draws.

    Attributes
    ----------
    model, segmenter
        Its name in the study file, and the registered segmenter's.
    threshold, held_out_ods
        Its threshold, tuned on the primary dataset's held-out photographs, and its ODS there, which says how well it does what
        it was trained for; None where none were held out.
    foreground, probability
        The share of an image that is foreground at the threshold, and the mean probability: means over the images.
    edges
        Mean over the images of the rank correlation of map and gradient; of those whose map is not the same everywhere.
    n, blank
        Images that were mapped, and those without a correlation.
    """

    model: str
    segmenter: str
    threshold: float
    held_out_ods: float | None
    foreground: Average
    probability: Average
    edges: Average
    n: int
    blank: int


@dataclass(frozen=True)
class EdgeDifference:
    """Hold how much more one model's maps follow edges than another's, on the same images."""

    model: str
    other: str
    edges: Average


@dataclass(frozen=True, eq=False, repr=False)
class Edges(Result):
    """Hold what trained models draw on a dataset without foreground (fig. 2 of the paper).

    Attributes
    ----------
    dataset, of, seed
        The dataset; the study whose models M these are, and the seed that they were trained with.
    models, differences
        A record of each model, in the study's order; one of each two models.
    shown
        The images that the figure shows.
    images
        One row a model and image: model, image, path, map (8-bit probabilities, below the study's folder), foreground,
        probability and edges as in `ModelEdges`.
    skipped, notes, provenance
        Images that could not be read; what a reader should know; what made it.
    """

    DOCUMENT: ClassVar = "edges.json"
    TABLES: ClassVar = {"images": "images.parquet"}
    COLUMNS: ClassVar = {"images": holding("model image path map", "foreground probability edges")}
    COMMAND: ClassVar = "study"
    MISSING: ClassVar = "name a folder that howfar study wrote"
    SUBJECT: ClassVar = ": the study of edges"
    FIGURES: ClassVar = "edges_figures"
    REPORT: ClassVar = "section"

    dataset: str
    of: str
    seed: int
    models: tuple[ModelEdges, ...]
    differences: tuple[EdgeDifference, ...]
    shown: tuple[str, ...]
    images: pd.DataFrame
    provenance: Provenance
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()

    def table(self) -> Cells:
        """Return header and cells, a row a model."""
        rows: list[tuple[str, ...]] = [
            (each.model, f"{each.threshold:.2f}", str(each.foreground), str(each.probability), str(each.edges))
            for each in self.models
        ]
        return ("model", "threshold", "foreground", "mean probability", "follows edges"), rows

    def caption(self) -> str:
        """Say in one line what the table is about."""
        return f"what M of {self.of} draws on {self.dataset}, means over {self.models[0].n} images [95 % interval] (fig. 2)"

    def footer(self) -> list[str]:
        """Return the notes, and how many images are skipped."""
        return [*self.notes, *([f"{len(self.skipped)} files were skipped (.skipped)"] if self.skipped else [])]
