"""Hold the results of four of the paper's studies: number of PCA components, identity of persons, perturbations, scenes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, TypeAlias

from howfar.formatting_and_escaping import share_interval
from howfar.results.comparison_result import Settings
from howfar.results.display_and_shared_records import Cells, Interval, matching
from howfar.results.result import StudyResult, holding

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class Components(StudyResult):
    """Hold distances for several numbers of components (appendix A.1, table 6).

    `components`: the numbers of components z, ascending. `share`: the largest relative change of a distance that counts as
    none. `plateaus`: by backbone the smallest z from which on the order of the secondaries holds and every relative
    distance changes by less than `share`; None where there is none among those listed. `distances`: one row a backbone, z
    and secondary: backbone, components, dataset, o_dist_mean, o_dist_scaled (its share of the row's sum, as the paper
    prints it), relative (over P's self-distance with the same components), explained_variance.
    """

    DOCUMENT: ClassVar = "components.json"
    SUBJECT: ClassVar = ": the study of components"

    primary: str
    secondaries: tuple[str, ...]
    backbones: tuple[str, ...]
    components: tuple[int, ...]
    share: float
    plateaus: Mapping[str, int | None]
    distances: pd.DataFrame = field(metadata=holding("backbone dataset", "components o_dist_mean o_dist_scaled relative"))

    def table(self) -> Cells:
        rows = []
        for (backbone, count), measured in self.distances.groupby(["backbone", "components"], sort=False):
            scaled = measured.set_index("dataset")["o_dist_scaled"]
            rows.append((str(backbone), str(count), *(f"{scaled[name]:.3f}" for name in self.secondaries)))
        return ("backbone", "components", *self.secondaries), rows

    def caption(self) -> str:
        return f"row-scaled O^dist from {self.primary} by the number of principal components (table 6)"

    def findings(self) -> list[str]:
        return [self.plateau_line(name) for name in self.backbones]

    def plateau_line(self, backbone: str) -> str:
        """State from which number of components a backbone's distances are stable."""
        found = self.plateaus[backbone]
        rule = f"the order holds and no relative distance changes by {100 * self.share:g} % or more"
        if found is None:
            return f"{backbone}: no number of components listed is one from which on {rule}."
        return f"{backbone}: from {found} components on {rule}."


UNCHANGED: Final = "none"
"""Name of images as they are among the perturbations."""


def called(person: str) -> str:
    """Return a person's name for sentences and figures; "1" becomes "person 1"."""
    return f"person {person}" if person.isdigit() else person


@dataclass(frozen=True, eq=False, repr=False)
class Identity(StudyResult):
    """Hold distances between persons' image sets, and how often another person is not farther (appendix E, eqs. 9-11).

    A set holds the images of one person under one value of a variation. Each primary set is compared with the same person's
    other sets (own) and with all sets of other persons; a pair (own, other) is violated where the other is not farther.

    - `perturbations`: Names of the perturbations, "none" (images as they are) before others.
    - `components`, `projection`: The number of components z, and what they were fitted on.
    - `sets`: One row a set: variation, person, value, images, reference (whether distances were measured from it).
    - `distances`: One row a backbone, perturbation, variation, primary set (reference_person, reference_value) and other set
      (person, value): o_dist_mean, relative (over the primary set's self-distance; NaN where that has one image).
    - `references`: One row a backbone, perturbation, variation and primary set (person, value): violated (share of pairs),
      margin.
    - `claims`: One row a backbone, perturbation and variation: references, pairs, violated (share of all pairs) with low and
      high, margin (median over the primary sets) with margin_low and margin_high, least (the smallest margin), holding (primary
      sets without a violated pair), blind (violated to expect of distances that see the value and not the person), change (of
      violated, from images as they are) with change_low and change_high, interval_over ("persons", "primary sets" or "").
    - `images`: I^dist of every image from the first primary set: backbone, perturbation, variation, person, value, image,
      i_dist_mean.
    - `pictures`: Images that show the persons: person, path, image, text (its values).
    """

    DOCUMENT: ClassVar = "identity.json"
    SUBJECT: ClassVar = ": the study of identity"

    dataset: str
    backbones: tuple[str, ...]
    perturbations: tuple[str, ...]
    variations: tuple[str, ...]
    persons: tuple[str, ...]
    components: int
    projection: str
    sets: pd.DataFrame
    distances: pd.DataFrame = field(
        metadata=holding("backbone perturbation variation reference_person person", "o_dist_mean relative")
    )
    references: pd.DataFrame = field(metadata=holding("backbone perturbation variation person", "violated margin"))
    claims: pd.DataFrame = field(
        metadata=holding("backbone perturbation variation", "references pairs violated low high margin margin_low margin_high")
    )
    images: pd.DataFrame = field(metadata=holding("backbone perturbation variation person image", "i_dist_mean"))
    pictures: pd.DataFrame

    def table(self) -> Cells:
        header = ("backbone", "perturbation", "variation", "pairs", "violated [95 % CI]", "median margin [95 % CI]", "hold")
        rows: list[tuple[str, ...]] = []
        for row in self.claims.to_dict("records"):
            ends, margin = Interval.of(row, "violated", "low", "high"), f"{Interval.of(row, 'margin'):+.3f}"
            violated, holding = share_interval(row["violated"], ends.low, ends.high), f"{row['holding']} of {row['references']}"
            names = (str(row["backbone"]), str(row["perturbation"]), str(row["variation"]))
            rows.append((*names, f"{row['pairs']:,}", violated, margin, holding))
        return header, rows

    def caption(self) -> str:
        persons = f"{len(self.persons)} persons of {self.dataset}"
        return f"pairs in which another of {persons} is not farther than the same (eqs. 9-11)"

    def named(self, backbone: str, perturbation: str, variation: str, table: str = "images") -> pd.DataFrame:
        """Return the rows of a table (default: images) for one backbone, perturbation and variation."""
        return matching(getattr(self, table), backbone=backbone, perturbation=perturbation, variation=variation)


@dataclass(frozen=True, eq=False, repr=False)
class Robustness(StudyResult):
    """Hold the change in the order of categories when images of the closest and farthest are perturbed (appendix D).

    Every interval is a 95 % one over the images of the secondary categories, of which the same are drawn before and after, and
    for every backbone.

    - `perturbations`: By perturbation its parameters in words.
    - `k`: The k closest and the k farthest categories by each backbone are perturbed; the k closest are compared.
    - `settings`: How distances were measured; `permutations`, `neighbours` and `rivals` are of no use here.
    - `stability`: One row a backbone and perturbation: kendall of the order by O^dist before and after, overlap (share of the k
      closest that stay among them), change (of the perturbed categories' relative distance, on average), each with low and
      high.
    - `overall`: One row a backbone: kendall and overlap, averaged over the perturbations, with low and high.
    - `differences`: One row for each two backbones (one, other): kendall and overlap of `overall`, one less other, with low and
      high.
    - `distances`: One row a backbone, perturbation ("none" for the images as they are) and category: dataset, o_dist_mean,
      self_distance, relative, components, rank by O^dist from 1 for the closest, and perturbed: whether its images were.
    - `images`: One row a backbone, perturbation ("none" among them) and image of a perturbed category: dataset, image,
      i_dist_mean, relative (over P's self-distance in the same subspace).
    """

    DOCUMENT: ClassVar = "robustness.json"
    SUBJECT: ClassVar = ": the study of robustness"

    primary: str
    secondaries: tuple[str, ...]
    backbones: tuple[str, ...]
    perturbations: Mapping[str, str]
    k: int
    settings: Settings
    stability: pd.DataFrame = field(metadata=holding("backbone perturbation", "kendall overlap change"))
    overall: pd.DataFrame = field(metadata=holding("backbone", "kendall overlap"))
    differences: pd.DataFrame
    distances: pd.DataFrame = field(metadata=holding("backbone perturbation dataset", "o_dist_mean rank"))
    images: pd.DataFrame = field(metadata=holding("backbone perturbation dataset image", "i_dist_mean relative"))

    def order(self, backbone: str, perturbation: str = UNCHANGED) -> list[str]:
        """Return the categories from closest to farthest by O^dist, before or after a perturbation."""
        rows = self.measured(backbone, perturbation).sort_values("rank", kind="stable")
        return [str(name) for name in rows["dataset"]]

    def measured(self, backbone: str, perturbation: str = UNCHANGED) -> pd.DataFrame:
        """Return a backbone's distances, before or after a perturbation."""
        return matching(self.distances, backbone=backbone, perturbation=perturbation)

    def perturbed(self, backbone: str) -> list[str]:
        """Return the perturbed categories, closest first."""
        order = self.order(backbone)
        return [*order[: self.k], *order[-self.k :]]

    def table(self) -> Cells:
        rows: list[tuple[str, ...]] = []
        for row in self.stability.to_dict("records"):
            numbers = (with_interval(row, "kendall"), with_interval(row, "overlap"), with_interval(row, "change", "+"))
            rows.append((str(row["backbone"]), str(row["perturbation"]), *numbers))
        numbers = ("Kendall's τ [95 % CI]", f"top-{self.k} overlap", "change of relative distance")
        return ("backbone", "perturbation", *numbers), rows

    def caption(self) -> str:
        return f"order of {len(self.secondaries)} categories by O^dist from {self.primary}, before and after a perturbation"


def with_interval(row: Any, name: str, sign: str = "") -> str:
    """Format a row's number with its interval, if any; with `sign` "+", positive numbers keep their sign."""
    return Interval.of(row, name).signed(3) if sign else Interval.of(row, name).signed(2).replace("+", "")


End: TypeAlias = Literal["closest", "farthest"]


@dataclass(frozen=True)
class StudiedBackbone:
    """Describe a backbone of a study: its name, registered name, feature, and feature length q."""

    name: str
    registered: str
    feature: str
    length: int


@dataclass(frozen=True, eq=False, repr=False)
class Scenes(StudyResult):
    """Hold the distances of scene categories from primary ones, by several backbones (appendix D, figs 18 to 29).

    - `sizes`: By category its readable images.
    - `k`: How many of the closest categories and images are shown, and of the farthest.
    - `sets`: The categories that the violins show instead; empty where they show the closest and the farthest.
    - `settings`: How distances were measured; `permutations`, `neighbours` and `rivals` are of no use here.
    - `distances`: One row a primary category, backbone and other category, the closest first: primary, backbone, dataset, n,
      o_dist_mean, self_distance and relative with relative_low and relative_high (in that pair's subspace), components,
      explained_variance, and rank by O^dist.
    - `images`: One row an image of the categories that the violins show: primary, backbone, dataset, image, i_dist_mean.
    - `extremes`: One row a primary category, backbone, other category and end (closest, farthest): the one image of the
      category that is closest to the primary category, or farthest, by I^dist: dataset, end, image, path, i_dist_mean.
    - `agreement`: One row a primary category and two backbones (one, other): kendall of the categories' order by O^dist, and
      overlap, the share of the k closest that they have in common; each with low and high of a 95 % interval over the
      categories' images.
    """

    DOCUMENT: ClassVar = "scenes.json"
    SUBJECT: ClassVar = ": the study of scenes"

    primaries: tuple[str, ...]
    sizes: Mapping[str, int]
    backbones: tuple[StudiedBackbone, ...]
    k: int
    sets: tuple[str, ...]
    settings: Settings
    distances: pd.DataFrame = field(metadata=holding("primary backbone dataset", "n o_dist_mean relative rank"))
    images: pd.DataFrame = field(metadata=holding("primary backbone dataset image", "i_dist_mean"))
    extremes: pd.DataFrame = field(metadata=holding("primary backbone dataset end image path", "i_dist_mean"))
    agreement: pd.DataFrame = field(metadata=holding("primary one other", "kendall overlap"))

    def names(self) -> tuple[str, ...]:
        """Return the backbones' names."""
        return tuple(backbone.name for backbone in self.backbones)

    def measured(self, primary: str, backbone: str) -> pd.DataFrame:
        """Return a backbone's distances from one primary category, closest first."""
        return matching(self.distances, primary=primary, backbone=backbone)

    def order(self, primary: str, backbone: str) -> list[str]:
        """Return the categories from closest to farthest by O^dist."""
        return [str(name) for name in self.measured(primary, backbone)["dataset"]]

    def closest(self, primary: str, backbone: str) -> list[str]:
        """Return the k closest categories, by increasing distance."""
        return self.order(primary, backbone)[: self.k]

    def farthest(self, primary: str, backbone: str) -> list[str]:
        """Return the k farthest categories, by decreasing distance."""
        return self.order(primary, backbone)[: -self.k - 1 : -1]

    def shown(self, primary: str, backbone: str) -> list[str]:
        """Return the categories in the violin plots, closest first."""
        order = self.order(primary, backbone)
        return [name for name in order if name in self.sets] if self.sets else [*order[: self.k], *order[-self.k :]]

    def at_the_end(self, primary: str, backbone: str, end: End) -> pd.DataFrame:
        """Return the k closest or farthest images by I^dist, at most one per category, the extreme one first."""
        images = matching(self.extremes, primary=primary, backbone=backbone, end=end)
        images = images.sort_values(["i_dist_mean", "dataset"], ascending=[end == "closest", True], kind="stable")
        ranks = self.measured(primary, backbone).set_index("dataset")["rank"]
        return images.iloc[: self.k].assign(rank=lambda frame: frame["dataset"].map(ranks))

    def table(self) -> Cells:
        rows: list[tuple[str, ...]] = []
        for key in product(self.primaries, self.names()):
            of = {row["dataset"]: str(Interval.of(row, "relative")) for row in self.measured(*key).to_dict("records")}
            ends = zip(self.closest(*key), self.farthest(*key), strict=True)
            rows += [(*key, str(place), near, of[near], far, of[far]) for place, (near, far) in enumerate(ends, 1)]
        header = ("primary", "backbone", "place", "closest", "relative [95 % CI]", "farthest", "relative [95 % CI]")
        return header, rows

    def caption(self) -> str:
        return f"the {self.k} closest and farthest categories by O^dist ({self.settings.projection} projection)"
