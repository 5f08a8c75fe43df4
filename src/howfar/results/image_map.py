"""Hold a two-dimensional map of the images of a run, which its pages show beside the first two components."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from howfar.results.records import Provenance
from howfar.results.result import Result, holding
from howfar.results.tables import Cells

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class ImageMap(Result):
    """Hold where a UMAP places the images of a comparison; `howfar compare --map umap` makes it.

    Attributes
    ----------
    places
        One row an image and panel: against (the secondary whose subspace the panel is, "" where all share one), dataset,
        image, x, y.
    panelled
        Whether each pair of datasets has a map of its own.
    components, neighbours, seed
        How many components it was made of, of how many neighbours each image's surroundings are, and what drew.
    first
        Which map pages open with: "umap", or "pca" for the first two components.
    """

    DOCUMENT: ClassVar = "map.json"
    TABLES: ClassVar = {"places": "map.parquet"}
    COLUMNS: ClassVar = {"places": holding("against dataset image", "x y")}
    COMMAND: ClassVar = "report --map umap"
    MISSING: ClassVar = "run howfar report RUN --map umap"
    SUBJECT: ClassVar = ": the map of its images"
    FIGURES: ClassVar = "map_figures"
    REPORT: ClassVar = ""
    PAGE: ClassVar = False

    places: pd.DataFrame
    panelled: bool
    components: int
    neighbours: int
    seed: int
    provenance: Provenance
    first: Literal["pca", "umap"] = "umap"

    @classmethod
    def of(cls, result: Result) -> Self | None:
        """Return the map that a result's folder keeps of this very run; None where there is none.

        Raises `StoreError` where it is damaged.
        """
        folder = result.folder
        if folder is None or not (folder / cls.DOCUMENT).is_file():
            return None
        found = cls.load(folder)
        return found if result.run_id in found.parents else None

    def table(self) -> Cells:
        """Return header and cells, a row a panel: how many images it places."""
        counts = self.places.groupby("against", sort=False).size()
        return ("panel", "images"), [(str(name) or "all", str(count)) for name, count in counts.items()]

    def caption(self) -> str:
        """Say in one line what the table is about."""
        return f"UMAP of {self.components} components, {self.neighbours} neighbours, seed {self.seed}"
