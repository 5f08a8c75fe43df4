"""Collect each image's row for the interactive page: distances, performance, other columns, and positions in 2-D plots."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from howfar.figures.performance_figures import smoothed
from howfar.results import Comparison, Relation
from howfar.results.adaptation_result import BASELINE, Adaptation
from howfar.results.comparison_result import ImageMap


@dataclass(frozen=True, eq=False)
class Plane:
    """Hold a layout of the images: its name, title, axes, explanation, and positions."""

    name: str
    title: str
    axes: tuple[str, str]
    about: str
    x: NDArray[np.float32]
    y: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Places:
    """Hold the images of each panel and their positions in each plane; `RunImages` documents the attributes."""

    row: NDArray[np.uint32]
    panel: NDArray[np.uint16]
    panels: tuple[str, ...]
    planes: tuple[Plane, ...]


def places_of(comparison: Comparison, images: pd.DataFrame, own: pd.DataFrame, image_map: ImageMap | None) -> Places:
    """Place all images of a comparison, the primary's once per panel; the initially displayed plane comes first."""
    names = [dataset.name for dataset in comparison.datasets]
    panelled = comparison.settings.projection == "pair"
    row_of = {name: len(images) + index for index, name in enumerate(own["image"])}
    primary = comparison.primary_images
    if not panelled:
        primary = primary[primary["against"] == names[0]]
    theirs = images.assign(against=images["dataset"], row=range(len(images)))
    ours = primary.assign(dataset=comparison.primary.name, row=primary["image"].map(row_of))
    shared = ["against", "dataset", "image", "row", "pc1", "pc2"]
    placed = pd.concat([theirs.filter(shared), ours.filter(shared)], ignore_index=True)
    about = "Distances are measured in all components: what overlaps here may be apart in others."
    axes = placed.reindex(columns=["pc1", "pc2"], fill_value=0.0).to_numpy(np.float32).T
    planes = [Plane("pca", "First two components", ("component 1", "component 2"), about, *axes)]
    if image_map is not None:
        # The UMAP positions of the rows; NaN for an image outside the map.
        keys = ["against", "dataset", "image"]
        known = image_map.places.drop_duplicates(keys).set_index(keys)[["x", "y"]]
        wanted = placed if image_map.panelled else placed.assign(against="")
        found = known.reindex(pd.MultiIndex.from_frame(wanted[keys])).to_numpy(np.float32)
        about = (
            f"UMAP of {image_map.components} components ({image_map.neighbours} neighbours, seed {image_map.seed}): "
            "near images are alike, but distances between far groups, and the size of groups, mean little."
        )
        umap = Plane("umap", "UMAP of the components", ("UMAP 1", "UMAP 2"), about, found[:, 0], found[:, 1])
        planes.insert(0 if image_map.first == "umap" else 1, umap)
    return Places(
        row=placed["row"].to_numpy(np.uint32),
        panel=(placed["against"].map(names.index) if panelled else placed["row"] * 0).to_numpy(np.uint16),
        panels=tuple(names) if panelled else ("",),
        planes=tuple(planes),
    )


UNKNOWN: Final = 255
"""The value of a flag that is neither 0 nor 1."""
Kind: TypeAlias = Literal["number", "category", "flag"]
NOBODY = 0xFFFFFFFF
"""Stands for a nearest image that is not known."""
MOST_CATEGORIES = 500
"""Values up to which a column of text can be coloured and filtered by; a column of more is taken to name images."""
KNOWN = (
    *("dataset", "image", "path", "content", "i_dist", "i_dist_mean", "i_dist_scaled", "x", "y"),
    *("knn", "mahalanobis", "percentile", "p_value"),
)
"""Columns of a run's images that the page shows in a form of its own, or that are no property of an image."""
_NEAREST = re.compile(r"nearest(\d+)(_distance)?")
_KEYS = ["dataset", "image"]


@dataclass(frozen=True, eq=False)
class ImageProperty:
    """Hold a property of all images: its name in exports, title on the page, one value a row, and how it is to be read.

    A "number" is NaN where unknown; `values` of a "category" are positions in `categories`, −1 where there is none; a "flag"
    is 0, 1 or `UNKNOWN`.
    """

    name: str
    title: str
    kind: Kind
    values: NDArray[Any]
    about: str = ""
    categories: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class RunImages:
    """Hold a run's images as rows: the secondary datasets' in the run's order, then the primary's.

    `rows` has the columns dataset, image, path and prediction, as text; `datasets` names the secondaries, then the primary.
    `places` has a panel for each secondary where each pair of datasets has a subspace of its own, else one called "".
    `nearest` is (secondary_count, k), rows of the primary's images nearest to each image of a secondary, `NOBODY` where
    unknown. `threshold` says where a prediction counts as foreground (None: one half); `models` is empty where the run knows
    one alone.
    """

    rows: pd.DataFrame
    secondary_count: int
    datasets: tuple[str, ...]
    columns: tuple[ImageProperty, ...]
    places: Places
    nearest: NDArray[np.uint32]
    threshold: float | None = None
    models: tuple[ModelRows, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def at_rows(self, rows: NDArray[np.intp]) -> RunImages:
        """Return the images at ascending rows alone; nearest images that are not among them are unknown."""
        now = np.full(len(self) + 1, NOBODY, np.uint32)
        now[rows] = np.arange(len(rows), dtype=np.uint32)
        secondaries = rows[rows < self.secondary_count]
        here = now[self.places.row] != NOBODY
        planes = tuple(replace(plane, x=plane.x[here], y=plane.y[here]) for plane in self.places.planes)
        places = Places(now[self.places.row[here]], self.places.panel[here], self.places.panels, planes)
        return replace(
            self,
            rows=self.rows.iloc[rows].reset_index(drop=True),
            secondary_count=len(secondaries),
            columns=tuple(replace(column, values=column.values[rows]) for column in self.columns),
            places=places,
            nearest=now[np.minimum(self.nearest[secondaries], len(self))],
            models=tuple(model.at_rows(rows) for model in self.models),
        )


@dataclass(frozen=True, eq=False)
class ModelRows:
    """Hold a trained model's performance and prediction file on every row, with distances by the same seed's M."""

    name: str
    seed: int
    threshold: float | None
    performance: NDArray[np.float64]
    distance: NDArray[np.float64]
    predictions: tuple[str, ...]

    def at_rows(self, rows: NDArray[np.intp]) -> ModelRows:
        """Return the rows of some images alone."""
        files = tuple(self.predictions[row] for row in rows)
        return replace(self, performance=self.performance[rows], distance=self.distance[rows], predictions=files)


def points_of(comparison: Comparison, relation: Relation | None, image_map: ImageMap | None = None) -> RunImages:
    """Build a run's rows, columns and positions, with its relation's and map's data on the same images."""
    names = [dataset.name for dataset in comparison.datasets]
    own = comparison.primary_images.drop_duplicates("image", ignore_index=True)
    images = comparison.images.reset_index(drop=True)

    # The relation's rows and its curves' smoothed performance, in the order of the run's images.
    known = images[_KEYS]
    if relation is None:
        known = known.assign(prediction="")
    else:
        measured = relation.images.drop(columns=["path", "i_dist_mean", "i_dist_scaled"], errors="ignore")
        curves = relation.curves.assign(smoothed=smoothed(relation.curves))[[*_KEYS, "smoothed"]]
        for table in (measured, curves):
            known = known.merge(table.drop_duplicates(_KEYS), how="left", on=_KEYS)

    # The rows of the primary's images that the columns nearest1, nearest2 … name.
    nearest_names = [name for name in map(str, images.columns) if (hit := _NEAREST.fullmatch(name)) and not hit[2]]
    positions = [pd.Index(own["image"]).get_indexer(images[name]) for name in nearest_names]
    nearest = np.array(positions, dtype=np.int64).reshape(len(positions), len(images))

    theirs = {name: _texts(images[name]) for name in ("dataset", "image", "path")} | {"prediction": _texts(known["prediction"])}
    ours = {"dataset": comparison.primary.name, "image": _texts(own["image"]), "path": _texts(own["path"]), "prediction": ""}
    rows = pd.concat([pd.DataFrame(theirs), pd.DataFrame(ours, index=own.index).astype("str")], ignore_index=True)
    return RunImages(
        rows=rows,
        secondary_count=len(images),
        datasets=(*names, comparison.primary.name),
        columns=tuple(_columns(comparison, images, own, relation, known)),
        nearest=np.where(nearest < 0, NOBODY, nearest + len(images)).astype(np.uint32).T,
        places=places_of(comparison, images, own, image_map),
        threshold=None if relation is None else relation.settings.threshold,
    )


def _texts(column: pd.Series) -> pd.Series:
    """Return a column as text; "" for anything else."""
    if column.dtype == "str":
        return column.fillna("")
    return column.map(lambda value: value if isinstance(value, str) else "").astype("str")


def _columns(
    comparison: Comparison, images: pd.DataFrame, own: pd.DataFrame, relation: Relation | None, known: pd.DataFrame
) -> Iterator[ImageProperty]:
    """Build the columns, the most important ones first."""
    if relation is not None:
        yield from _performance(relation, known, len(own))
    blank, mine = np.full(len(own), np.nan), np.asarray(own["i_dist_mean"], dtype=np.float64)
    scale, unit = np.ones(len(images)), ""
    # Distances are relative to P's self-distance in each image's subspace, where it is known in all.
    self_distance = {dataset.name: dataset.self_distance for dataset in comparison.datasets}
    if all(self_distance.values()):
        scale = images["dataset"].map(self_distance).to_numpy(np.float64)
        mine, unit = mine / (comparison.datasets[0].self_distance or 1.0), " (× P's own)"
    yield _number("distance", f"distance{unit}", images["i_dist_mean"] / scale, mine, "mean distance to P")
    yield _number("knn", f"kNN distance{unit}", images["knn"] / scale, blank, "to the nearest images of P")
    yield _number("percentile", "percentile", images["percentile"], blank, "among P's own images")
    yield _number("mahalanobis", "Mahalanobis distance", images["mahalanobis"], blank)
    yield _number("p_value", "conformal p", images["p_value"], blank, "conformal, of “it is like P's own”")
    yield from _further(images.drop(columns=list(KNOWN), errors="ignore"), len(own))


def _performance(relation: Relation, known: pd.DataFrame, primary_count: int) -> Iterator[ImageProperty]:
    blank = np.full(primary_count, np.nan)
    if known["performance"].notna().any():
        yield _number("performance", "measured performance", known["performance"], blank, relation.metric)
    # Estimates of images in unlabelled datasets outside the gate are not to be trusted.
    new = {row.dataset for row in relation.estimates if row.measured is None}
    outside = known["dataset"].isin({gate.dataset for gate in relation.gates if gate.inside is False and gate.dataset in new})
    known = known.assign(**{name: known[name].mask(outside) for name in ("estimate", "estimate_low", "estimate_high")})
    if relation.gates:
        words = {True: "inside", False: "OUTSIDE", None: "not known"}
        said = {gate.dataset: words[gate.inside] for gate in relation.gates}
        about = "outside, no estimate can be trusted: where nothing was measured either, none is shown"
        yield _category("gate", known["dataset"].map(said).fillna(words[None]), primary_count, about)
    if known["estimate"].notna().any():
        about = f"by {relation.estimator}, without labels of the dataset" if relation.estimator else ""
        yield _number("estimate", "predicted performance", known["estimate"], blank, about)
        yield _number("estimate_low", "predicted, low", known["estimate_low"], blank, "end of its interval")
        yield _number("estimate_high", "predicted, high", known["estimate_high"], blank, "end of its interval")
        tau = f"probably below {relation.settings.tau:g}"
        yield _flag("listed", "probable failure", known["listed"].where(known["estimate"].notna()), primary_count, tau)
    if known["foreground"].notna().any():
        yield _number("foreground", "foreground share", known["foreground"], blank, "of the mask")
    if known["smoothed"].notna().any():
        yield _number("smoothed", "smoothed performance", known["smoothed"], blank, "moving average by distance")


def _flag(name: str, title: str, values: pd.Series, primary_count: int, about: str = "") -> ImageProperty:
    """Build a flag column from truth values; absent values and the primary's images are unknown."""
    codes = values.astype("boolean").astype("Int16").fillna(UNKNOWN).to_numpy(dtype=np.uint8)
    return ImageProperty(name, title, "flag", np.concatenate([codes, np.full(primary_count, UNKNOWN, np.uint8)]), about)


def _category(name: str, values: pd.Series, primary_count: int, about: str = "") -> ImageProperty:
    codes, categories = pd.factorize(values, sort=True)
    padded = np.concatenate([codes, np.full(primary_count, -1)]).astype(np.int16)
    return ImageProperty(name, name, "category", padded, about, tuple(map(str, categories)))


def _further(images: pd.DataFrame, primary_count: int) -> Iterator[ImageProperty]:
    """Build columns from the table's other columns: numbers, truth values, and texts with few distinct values."""
    for name in map(str, images.columns):
        values = images[name]
        if (name[:2] == "pc" and name[2:].isdigit()) or _NEAREST.fullmatch(name):
            continue
        # Truth values of which some are absent are objects.
        present = values.dropna() if values.dtype == object else values[:0]
        flags = len(present) and present.map(lambda value: isinstance(value, (bool, np.bool_))).all()
        if flags or pd.api.types.is_bool_dtype(values):
            yield _flag(name, name, values, primary_count)
        elif pd.api.types.is_numeric_dtype(values):
            yield _number(name, name, values, np.full(primary_count, np.nan))
        elif values.map(lambda value: isinstance(value, str) or value is None or value != value).all():
            values = values.where(values.notna(), None)
            if 0 < values.nunique() <= MOST_CATEGORIES:
                yield _category(name, values, primary_count)


def _number(name: str, title: str, values: Any, own: NDArray[np.float64], about: str = "") -> ImageProperty:
    return ImageProperty(name, title, "number", np.concatenate([np.asarray(values, dtype=np.float64), own]), about)


def adaptation_points(adaptation: Adaptation, folder: Path, most: int | None = None) -> RunImages:
    """Build a study's rows, in no plane: each scored image once, with the F and map of every model, or the first `most`."""
    images = adaptation.images.drop_duplicates(_KEYS, ignore_index=True)
    names = [name for name in dict.fromkeys(images["dataset"].astype(str)) if name != adaptation.primary]
    images = images[images["dataset"].isin(names)].reset_index(drop=True)
    order = {name: index for index, name in enumerate(names)}
    images = images.sort_values("dataset", key=lambda column: column.map(order), kind="stable", ignore_index=True)
    rows = pd.DataFrame({name: images[name].astype(str) for name in (*_KEYS, "path")}).assign(prediction="")
    # The page fills the columns that have values for each model.
    blank, nobody = np.full(len(images), np.nan), np.zeros(0)
    columns = [
        _number("performance", "F", blank, nobody, "at the model's own threshold, tuned on P's held-out photographs"),
        _number("gain", "gain over M", blank, nobody, "F less that of M, trained on P alone, with the same seed"),
        _number("distance", "distance (scaled)", blank, nobody, "0 to 1 within each dataset, by that seed's M"),
    ]
    counts = images[_KEYS].merge(adaptation.picks.groupby(_KEYS).size().rename("times").reset_index(), how="left", on=_KEYS)
    if counts["times"].notna().any():
        about = "how many models of other seeds learnt from it"
        columns.append(_number("chosen", "times chosen", counts["times"].fillna(0), nobody, about))
    return RunImages(
        rows=rows,
        secondary_count=len(rows),
        datasets=(*names, adaptation.primary),
        columns=tuple(columns),
        places=Places(np.zeros(0, np.uint32), np.zeros(0, np.uint16), (), ()),
        nearest=np.zeros((len(rows), 0), np.uint32),
        models=tuple(_models(adaptation, images, folder, most)),
    )


def masks_in(adaptation: Adaptation) -> dict[tuple[str, str], str]:
    """Return the mask of each image that has one, by dataset and image."""
    known = adaptation.images.drop_duplicates(_KEYS)
    found = zip(known["dataset"], known["image"], known["mask"], strict=True)
    return {(str(dataset), str(image)): mask for dataset, image, mask in found if isinstance(mask, str) and mask}


def _models(adaptation: Adaptation, images: pd.DataFrame, folder: Path, most: int | None) -> Iterator[ModelRows]:
    """Yield each trained model's rows by seed, M first, then in the study's order."""
    keys = pd.MultiIndex.from_frame(images[_KEYS])
    rows = adaptation.models.to_dict("records")
    tuned = {(row["seed"], str(row["model"])): float(row.get("threshold", np.nan)) for row in rows}
    order, root = list(dict.fromkeys(row["seed"] for row in rows)), folder.resolve()
    every = sorted(tuned, key=lambda each: (order.index(each[0]), each[1] != BASELINE))
    for seed, name in every if most is None else [each for each in every if each[0] == order[0]][:most]:
        scored = adaptation.images[(adaptation.images["seed"] == seed) & (adaptation.images["model"] == name)]
        known = scored.drop_duplicates(_KEYS).set_index(_KEYS).reindex(keys)
        threshold = tuned[seed, name]
        # Maps that are unknown, missing, or outside the study's folder are "".
        files = [(root / file).resolve() if isinstance(file, str) and file else root for file in known["map"]]
        yield ModelRows(
            name=str(name),
            seed=int(seed),
            threshold=None if np.isnan(threshold) else threshold,
            performance=known["f"].to_numpy(np.float64),
            distance=known["distance"].to_numpy(np.float64),
            predictions=tuple(str(file) if file.is_relative_to(root) and file.is_file() else "" for file in files),
        )
