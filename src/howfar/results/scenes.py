"""Hold the result of the study of scenes, which says which categories and images are closest to a primary category."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

from howfar.numbers import format_interval, format_number
from howfar.results.comparison import Settings
from howfar.results.records import Provenance
from howfar.results.result import Result, holding
from howfar.results.tables import Cells

if TYPE_CHECKING:
    import pandas as pd

End: TypeAlias = Literal["closest", "farthest"]


@dataclass(frozen=True)
class StudiedBackbone:
    """Describe a backbone of a study: its name there, its registered name, what its feature is, and the feature's length q."""

    name: str
    registered: str
    feature: str
    length: int


@dataclass(frozen=True, eq=False, repr=False)
class Scenes(Result):
    """Hold the distances of categories of scenes from primary ones, by several backbones (appendix D, figs 18 to 29).

    Attributes
    ----------
    primaries
        Names of the primary categories.
    sizes
        By category its readable images.
    backbones
        What the distances were measured by.
    k
        How many of the closest categories and images are shown, and of the farthest.
    sets
        The categories that the violins show instead; empty where they show the closest and the farthest.
    settings
        How distances were measured; `permutations`, `neighbours` and `rivals` are of no use here.
    distances
        One row a primary category, backbone and other category, the closest first: primary, backbone, dataset, n, o_dist_mean,
        self_distance and relative with relative_low and relative_high (in that pair's subspace), components,
        explained_variance, and rank by O^dist.
    images
        One row an image of the categories that the violins show: primary, backbone, dataset, image, i_dist_mean.
    extremes
        One row a primary category, backbone, other category and end (closest, farthest): the one image of the category that is
        closest to the primary category, or farthest, by I^dist: dataset, end, image, path, i_dist_mean.
    agreement
        One row a primary category and two backbones (one, other): kendall of the categories' order by O^dist, and overlap, the
        share of the k closest that they have in common; each with low and high of a 95 % interval over the categories' images.
    """

    DOCUMENT: ClassVar = "scenes.json"
    TABLES: ClassVar = {
        "distances": "distances.parquet",
        "images": "images.parquet",
        "extremes": "extremes.parquet",
        "agreement": "agreement.parquet",
    }
    COLUMNS: ClassVar = {
        "distances": holding("primary backbone dataset", "n o_dist_mean relative rank"),
        "images": holding("primary backbone dataset image", "i_dist_mean"),
        "extremes": holding("primary backbone dataset end image path", "i_dist_mean"),
        "agreement": holding("primary one other", "kendall overlap"),
    }
    COMMAND: ClassVar = "study"
    MISSING: ClassVar = "name a folder that howfar study wrote"
    SUBJECT: ClassVar = ": the study of scenes"
    FIGURES: ClassVar = "scenes_figures"
    REPORT: ClassVar = "section"

    primaries: tuple[str, ...]
    sizes: Mapping[str, int]
    backbones: tuple[StudiedBackbone, ...]
    k: int
    sets: tuple[str, ...]
    settings: Settings
    distances: pd.DataFrame
    images: pd.DataFrame
    extremes: pd.DataFrame
    agreement: pd.DataFrame
    provenance: Provenance
    notes: tuple[str, ...] = ()

    def names(self) -> tuple[str, ...]:
        """Return the backbones' names."""
        return tuple(backbone.name for backbone in self.backbones)

    def measured(self, primary: str, backbone: str) -> pd.DataFrame:
        """Return the distances from one primary category by one backbone, the closest first."""
        return _of(self.distances, primary, backbone)

    def order(self, primary: str, backbone: str) -> list[str]:
        """Return the categories from the closest to the farthest by O^dist."""
        return [str(name) for name in self.measured(primary, backbone)["dataset"]]

    def closest(self, primary: str, backbone: str) -> list[str]:
        """Return the k closest categories, the closest first."""
        return self.order(primary, backbone)[: self.k]

    def farthest(self, primary: str, backbone: str) -> list[str]:
        """Return the k farthest categories, the farthest first."""
        return self.order(primary, backbone)[: -self.k - 1 : -1]

    def shown(self, primary: str, backbone: str) -> list[str]:
        """Return the categories that the violins show, the closest first."""
        order = self.order(primary, backbone)
        return [name for name in order if name in self.sets] if self.sets else [*order[: self.k], *order[-self.k :]]

    def distances_of(self, primary: str, backbone: str, dataset: str) -> pd.Series:
        """Return I^dist (mean form) of a shown category's images."""
        images = _of(self.images, primary, backbone)
        return images.loc[images["dataset"] == dataset, "i_dist_mean"]

    def at_the_end(self, primary: str, backbone: str, end: End) -> pd.DataFrame:
        """Return the k images that are closest by I^dist, or farthest, one of each category at most; the extreme one first."""
        images = _of(self.extremes, primary, backbone)
        images = images[images["end"] == end].sort_values(
            ["i_dist_mean", "dataset"], ascending=[end == "closest", True], kind="stable"
        )
        ranks = self.measured(primary, backbone).set_index("dataset")["rank"]
        return images.iloc[: self.k].assign(rank=lambda frame: frame["dataset"].map(ranks))

    def table(self) -> Cells:
        """Return header and cells, a row a primary category, backbone and place from either end."""
        rows: list[tuple[str, ...]] = []
        for primary in self.primaries:
            for backbone in self.names():
                by_name: Any = self.measured(primary, backbone).set_index("dataset")
                ends = zip(self.closest(primary, backbone), self.farthest(primary, backbone), strict=True)
                for place, (near, far) in enumerate(ends, 1):
                    cells = (near, relative_text(by_name.loc[near]), far, relative_text(by_name.loc[far]))
                    rows.append((primary, backbone, str(place), *cells))
        header = ("primary", "backbone", "place", "closest", "relative [95 % CI]", "farthest", "relative [95 % CI]")
        return header, rows

    def caption(self) -> str:
        """Say in one line what the table is about."""
        return f"the {self.k} closest and farthest categories by O^dist ({self.settings.projection} projection)"

    def footer(self) -> list[str]:
        """Return the notes."""
        return list(self.notes)


def relative_text(row: Any) -> str:
    """Write the relative distance of a row of `Scenes.distances` with its interval, where it has one."""
    value, low, high = (float(row[name]) for name in ("relative", "relative_low", "relative_high"))
    if value != value:
        return format_number(value)
    return format_interval(value, None, None, ".3f") if low != low else format_interval(value, low, high, ".3f")


def _of(frame: pd.DataFrame, primary: str, backbone: str) -> pd.DataFrame:
    return frame[(frame["primary"] == primary) & (frame["backbone"] == backbone)]
