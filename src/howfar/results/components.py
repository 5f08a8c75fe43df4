"""Hold the result of the study of components, which says from which number of components on distances no longer change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from howfar.results.records import Provenance
from howfar.results.result import Result, holding
from howfar.results.tables import Cells

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class Components(Result):
    """Hold distances by several numbers of components (appendix A.1, table 6).

    Attributes
    ----------
    primary, secondaries, backbones
        Names of the datasets, and of the backbones.
    components
        The numbers of components z, ascending.
    share
        The largest relative change of a distance that counts as none.
    plateaus
        By backbone the smallest z from which on the order of the secondaries holds and every relative distance changes by less
        than `share`; None where there is none among those listed.
    distances
        One row a backbone, z and secondary: backbone, components, dataset, o_dist_mean, o_dist_scaled (its share of the row's
        sum, as the paper prints it), relative (over P's self-distance with the same components), explained_variance.
    """

    DOCUMENT: ClassVar = "components.json"
    TABLES: ClassVar = {"distances": "distances.parquet"}
    COLUMNS: ClassVar = {"distances": holding("backbone dataset", "components o_dist_mean o_dist_scaled relative")}
    COMMAND: ClassVar = "study"
    MISSING: ClassVar = "name a folder that howfar study wrote"
    SUBJECT: ClassVar = ": the study of components"
    FIGURES: ClassVar = "components_figures"
    REPORT: ClassVar = "section"

    primary: str
    secondaries: tuple[str, ...]
    backbones: tuple[str, ...]
    components: tuple[int, ...]
    share: float
    plateaus: Mapping[str, int | None]
    distances: pd.DataFrame
    provenance: Provenance
    notes: tuple[str, ...] = ()

    def table(self) -> Cells:
        """Return header and cells, a row a backbone and number of components: row-scaled O^dist of each secondary."""
        rows = []
        for (backbone, count), measured in self.distances.groupby(["backbone", "components"], sort=False):
            scaled = measured.set_index("dataset")["o_dist_scaled"]
            rows.append((str(backbone), str(count), *(f"{scaled[name]:.3f}" for name in self.secondaries)))
        return ("backbone", "components", *self.secondaries), rows

    def caption(self) -> str:
        """Say in one line what the table is about."""
        return f"row-scaled O^dist from {self.primary} by the number of principal components (table 6)"

    def footer(self) -> list[str]:
        """Return the plateau of each backbone, and the notes."""
        return [*(self.plateau_line(name) for name in self.backbones), *self.notes]

    def remarks(self) -> list[str]:
        """Return the plateau of each backbone, and the notes, as the terminal shows them under the table."""
        return [*(self.plateau_line(name) for name in self.backbones), *super().remarks()]

    def plateau_line(self, backbone: str) -> str:
        """Say from which number of components on a backbone's distances hold."""
        found = self.plateaus[backbone]
        rule = f"the order holds and no relative distance changes by {100 * self.share:g} % or more"
        if found is None:
            return f"{backbone}: no number of components listed is one from which on {rule}."
        return f"{backbone}: from {found} components on {rule}."
