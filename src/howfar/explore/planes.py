"""Place the images of a run in planes: that of the first two components, and a UMAP of all where the run has one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from howfar.results import Comparison
from howfar.results.image_map import ImageMap


@dataclass(frozen=True, eq=False)
class Plane:
    """Hold one way to lay the images out: its name, what page and axes call it, how it is to be read, and the places."""

    name: str
    title: str
    axes: tuple[str, str]
    about: str
    x: NDArray[np.float32]
    y: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Places:
    """Say which images lie in which panel, and where by each plane; what the attributes hold is said at `Points`."""

    row: NDArray[np.uint32]
    panel: NDArray[np.uint16]
    panels: tuple[str, ...]
    planes: tuple[Plane, ...]


NOWHERE = Places(np.zeros(0, np.uint32), np.zeros(0, np.uint16), (), ())
"""The places of a run whose images lie in no plane."""


def places_of(comparison: Comparison, images: pd.DataFrame, own: pd.DataFrame, image_map: ImageMap | None) -> Places:
    """Place all images of a comparison, the primary's once in each panel; the plane that is shown first comes first.

    Where each pair of datasets has a subspace of its own there is a panel for each secondary, else one for all.
    """
    names = [dataset.name for dataset in comparison.datasets]
    panelled = comparison.settings.projection == "pair"
    order = {name: index for index, name in enumerate(names)}
    row_of = {name: len(images) + index for index, name in enumerate(own["image"])}
    primary = comparison.primary_images
    if not panelled:
        primary = primary[primary["against"] == names[0]]
    panels = [*images["dataset"].map(order), *primary["against"].map(order)] if panelled else [0] * (len(images) + len(primary))
    planes = [_components(images, primary)]
    if image_map is not None:
        further = _mapped(image_map, images, primary, comparison.primary.name)
        planes.insert(0 if image_map.first == "umap" else 1, further)
    return Places(
        row=np.array([*range(len(images)), *primary["image"].map(row_of)], dtype=np.uint32),
        panel=np.array(panels, dtype=np.uint16),
        panels=tuple(names) if panelled else ("",),
        planes=tuple(planes),
    )


def _components(images: pd.DataFrame, primary: pd.DataFrame) -> Plane:
    def component(number: int) -> NDArray[np.float32]:
        name = f"pc{number}"
        frames = (images, primary)
        return np.concatenate([frame[name] if name in frame else np.zeros(len(frame)) for frame in frames]).astype(np.float32)

    about = "Distances are measured in all components: what overlaps here may be apart in others."
    return Plane("pca", "First two components", ("component 1", "component 2"), about, component(1), component(2))


def _mapped(image_map: ImageMap, images: pd.DataFrame, primary: pd.DataFrame, title: str) -> Plane:
    """Find the places of a UMAP for the rows; NaN for an image that it lacks."""
    known = image_map.places.set_index(["against", "dataset", "image"])[["x", "y"]]
    known = known[~known.index.duplicated()]
    shared = images["dataset"] if image_map.panelled else [""] * len(images)
    theirs = pd.MultiIndex.from_arrays([shared, images["dataset"], images["image"]])
    against: Any = primary["against"] if image_map.panelled else [""] * len(primary)
    own = pd.MultiIndex.from_arrays([against, [title] * len(primary), primary["image"]])
    found = np.concatenate([known.reindex(keys).to_numpy(np.float32) for keys in (theirs, own)])
    about = (
        f"UMAP of {image_map.components} components ({image_map.neighbours} neighbours, seed {image_map.seed}): "
        "near images are alike, but distances between far groups, and the size of groups, mean little."
    )
    return Plane("umap", "UMAP of the components", ("UMAP 1", "UMAP 2"), about, found[:, 0], found[:, 1])
