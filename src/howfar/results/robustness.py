"""Hold the result of the study of robustness, which says how far the order of categories survives a change of their images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from howfar.numbers import signed
from howfar.results.comparison import Settings
from howfar.results.records import Provenance
from howfar.results.result import Result, holding
from howfar.results.tables import Cells

if TYPE_CHECKING:
    import pandas as pd

UNCHANGED: Final = "none"
"""What the tables call the images as they are."""


@dataclass(frozen=True, eq=False, repr=False)
class Robustness(Result):
    """Hold how the order of categories changes where the images of the closest and farthest are perturbed (appendix D).

    Every interval is a 95 % one over the images of the secondary categories, of which the same are drawn before and after, and
    for every backbone.

    Attributes
    ----------
    primary, secondaries, backbones
        Names of the primary category, of the others, and of the backbones.
    perturbations
        By perturbation its parameters in words.
    k
        The k closest and the k farthest categories by each backbone are perturbed; the k closest are compared.
    settings
        How distances were measured; `permutations`, `neighbours` and `rivals` are of no use here.
    stability
        One row a backbone and perturbation: kendall of the order by O^dist before and after, overlap (share of the k closest
        that stay among them), change (of the perturbed categories' relative distance, on average), each with low and high.
    overall
        One row a backbone: kendall and overlap, averaged over the perturbations, with low and high.
    differences
        One row for each two backbones (one, other): kendall and overlap of `overall`, one less other, with low and high.
    distances
        One row a backbone, perturbation ("none" for the images as they are) and category: dataset, o_dist_mean, self_distance,
        relative, components, rank by O^dist from 1 for the closest, and perturbed: whether its images were.
    images
        One row a backbone, perturbation ("none" among them) and image of a perturbed category: dataset, image, i_dist_mean,
        relative (over P's self-distance in the same subspace).
    """

    DOCUMENT: ClassVar = "robustness.json"
    TABLES: ClassVar = {
        "stability": "stability.parquet",
        "overall": "overall.parquet",
        "differences": "differences.parquet",
        "distances": "distances.parquet",
        "images": "images.parquet",
    }
    COLUMNS: ClassVar = {
        "stability": holding("backbone perturbation", "kendall overlap change"),
        "overall": holding("backbone", "kendall overlap"),
        "distances": holding("backbone perturbation dataset", "o_dist_mean rank"),
        "images": holding("backbone perturbation dataset image", "i_dist_mean relative"),
    }
    COMMAND: ClassVar = "study"
    MISSING: ClassVar = "name a folder that howfar study wrote"
    SUBJECT: ClassVar = ": the study of robustness"
    FIGURES: ClassVar = "robustness_figures"
    REPORT: ClassVar = "section"

    primary: str
    secondaries: tuple[str, ...]
    backbones: tuple[str, ...]
    perturbations: Mapping[str, str]
    k: int
    settings: Settings
    stability: pd.DataFrame
    overall: pd.DataFrame
    differences: pd.DataFrame
    distances: pd.DataFrame
    images: pd.DataFrame
    provenance: Provenance
    notes: tuple[str, ...] = ()

    def order(self, backbone: str, perturbation: str = UNCHANGED) -> list[str]:
        """Return the categories from the closest to the farthest by O^dist, before a perturbation or after it."""
        rows = self.measured(backbone, perturbation).sort_values("rank", kind="stable")
        return [str(name) for name in rows["dataset"]]

    def measured(self, backbone: str, perturbation: str = UNCHANGED) -> pd.DataFrame:
        """Return the distances by one backbone, before a perturbation or after it."""
        return _of(self.distances, backbone, perturbation)

    def perturbed(self, backbone: str) -> list[str]:
        """Return the categories whose images were perturbed, the closest first."""
        order = self.order(backbone)
        return [*order[: self.k], *order[-self.k :]]

    def relative_of(self, backbone: str, perturbation: str, dataset: str) -> pd.Series:
        """Return the relative distances of a perturbed category's images, before a perturbation or after it."""
        images = _of(self.images, backbone, perturbation)
        return images.loc[images["dataset"] == dataset, "relative"]

    def table(self) -> Cells:
        """Return header and cells, a row a backbone and perturbation."""
        rows: list[tuple[str, ...]] = []
        for row in self.stability.to_dict("records"):
            numbers = (with_interval(row, "kendall"), with_interval(row, "overlap"), with_interval(row, "change", "+"))
            rows.append((str(row["backbone"]), str(row["perturbation"]), *numbers))
        return (
            "backbone",
            "perturbation",
            "Kendall's τ [95 % CI]",
            f"top-{self.k} overlap",
            "change of relative distance",
        ), rows

    def caption(self) -> str:
        """Say in one line what the table is about."""
        return f"order of {len(self.secondaries)} categories by O^dist from {self.primary}, before and after a perturbation"

    def footer(self) -> list[str]:
        """Return the notes."""
        return list(self.notes)


def with_interval(row: Any, name: str, sign: str = "") -> str:
    """Write a number of a row of a table with its interval, where it has one; `sign` "+" keeps the sign of what is above 0.

    Examples
    --------
    >>> with_interval({"kendall": 0.5, "kendall_low": -0.1, "kendall_high": 0.8}, "kendall")
    '0.50 [−0.10, 0.80]'
    """
    value, low, high = (_written(float(row[key]), sign) for key in (name, f"{name}_low", f"{name}_high"))
    return value if low == "–" else f"{value} [{low}, {high}]"


def _written(value: float, sign: str) -> str:
    text = signed(value, 3 if sign else 2)
    return text if sign else text.removeprefix("+")


def _of(frame: pd.DataFrame, backbone: str, perturbation: str) -> pd.DataFrame:
    return frame[(frame["backbone"] == backbone) & (frame["perturbation"] == perturbation)]
