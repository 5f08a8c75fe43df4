"""Read what the gate checks of every image: distances by a backbone, and what a trained model's maps show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

import howfar
from howfar.data import content_hash
from howfar.data.prediction_maps import match_maps, read_prediction
from howfar.distances import image_to_dataset, leave_one_out
from howfar.distances.knn import knn, neighbours
from howfar.distances.mahalanobis import leave_one_out_residual, subspace_residual
from howfar.metrics.label_free_signals import foreground_dice
from howfar.pipeline.prediction import load_model
from howfar.projection import Projector
from howfar.relation.labelled_images import AGREEMENTS, CONFIDENCES
from howfar.tasks.map_scores_and_signals import MapFolders

SPACES = ("pair", "primary", "none")
BEYOND = 0.95
"""An image is beyond P where it is farther than this share of P's own images."""
MIRRORED, TILED = "-flipped", "-tiled"


@dataclass(frozen=True)
class Trained:
    """Name a trained model: its checkpoint, the folder that may hold maps of it, and where further ones are written."""

    checkpoint: Path
    known: Path
    out: Path
    precision: str = "bf16"

    @property
    def threshold(self) -> float:
        """The threshold tuned on P's held-out images."""
        tuned = howfar.Checkpoint.load(self.checkpoint).card.threshold
        return 0.5 if tuned is None else tuned

    def maps(self, one: howfar.Dataset, kind: str = "") -> Path:
        """Find the maps of a dataset, or make them."""
        name = f"{one.name}{kind}"
        if (self.known / name).is_dir():
            return self.known / name
        model = load_model(self.checkpoint, precision=self.precision, tiled=kind.startswith(TILED))
        howfar.predict(model, one, self.out / name, flipped=kind.endswith(MIRRORED), progress=False)
        return self.out / name

    def unseen(self, p: howfar.Dataset) -> howfar.Dataset:
        """List the images of P that the model did not learn from."""
        held = set(howfar.Checkpoint.load(self.checkpoint).card.data["held_out"])
        return replace(p, items=tuple(item for item in p.items if content_hash(item.path.read_bytes()) in held))


def distances(
    p: howfar.Dataset, sets: Sequence[howfar.Dataset], backbone: str, store: Path, weights: Path | None = None
) -> pd.DataFrame:
    """Measure each image's distances in units of P's own, in three spaces, and its distance off P's subspace; P itself too."""
    embedded = [howfar.embed(one, backbone, store, weights=weights, progress=False, workers=1) for one in (p, *sets)]
    projector, found = Projector(embedded[0].rows, 25), []
    basis, scores = projector.basis(), projector.own()
    own_residual = leave_one_out_residual(subspace_residual(embedded[0].rows, basis.mean, scores), scores)
    for number, one in enumerate(embedded):
        columns: dict[str, Any] = {"dataset": one.name, "image": one.images}
        residual = own_residual if not number else subspace_residual(one.rows, basis.mean, basis.scores(one.rows))
        # As many components as features, or as images, leave nothing outside of them.
        room = basis.components < min(len(basis.mean), len(scores) - 1)
        columns["residual"] = residual / own_residual.mean() if room else np.nan
        for mode in SPACES:
            pair = next(projector.project([(one if number else embedded[1]).rows], mode))
            # An image's nearest one is itself, or its equal, at a distance of exactly 0.
            own, nearest = leave_one_out(pair.primary), neighbours(pair.primary, pair.primary, 6).distances[:, 1:].mean(axis=1)
            i_dist, near = own, nearest
            if number:
                i_dist, near = image_to_dataset(pair.secondary, pair.primary), knn(pair.secondary, pair.primary)
            columns[f"{mode} i_dist"] = i_dist / own.mean()
            columns[f"{mode} knn"] = near / own.mean()
            columns[f"{mode} knn over own"] = near / nearest.mean()
            columns[f"{mode} beyond"] = (near > np.quantile(nearest, BEYOND)).astype(float)
        found.append(pd.DataFrame(columns))
    return pd.concat(found, ignore_index=True)


def seen(one: howfar.Dataset, trained: Trained, kind: str = "", tiles: bool = False, mirrored: bool = True) -> pd.DataFrame:
    """Read the maps of a dataset, of whole images or of tiles: performance, signals, widths and sizes by image.

    Pictures without masks hold no structure of the kind: what is predicted there is false, and F is 0. With `tiles` the maps
    of whole images are compared with those of tiles.
    """
    folder, cut = trained.maps(one, kind), trained.threshold
    folders = MapFolders.of(folder, trained.maps(one, kind + MIRRORED) if mirrored else None, ())
    matched, files = folders.matched(one), match_maps(one, folder).files
    performance = performances(one, folder, cut)
    other = trained.maps(one, TILED) if tiles else None
    tiled = match_maps(one, other).files if other else {}
    by_tiles = performances(one, other, cut) if other else {}
    found = []
    for item in one.items:
        signals, _ = matched[item.path].read(cut)
        prediction = read_prediction(files[item.name]).values
        row = {"dataset": one.name, "image": item.name, "performance": performance[item.name]}
        row |= {signal: signals.get(signal, np.nan) for signal in (*CONFIDENCES, *AGREEMENTS)}
        row |= {"foreground_width": width_of(prediction, cut), "pixels": prediction.size}
        if tiles:
            second = read_prediction(tiled[item.name]).values
            row |= {"tile_agreement": foreground_dice(prediction, second, cut), "tiled_performance": by_tiles[item.name]}
            row |= {"tiled_width": width_of(second, cut)}
        found.append(row)
    return pd.DataFrame(found)


def width_of(prediction: NDArray[np.uint8], cut: float) -> float:
    """Compute the mean distance of a foreground pixel from the background, in pixels; NaN where there is none of either."""
    foreground = prediction / 255 > cut
    if not foreground.any() or foreground.all():
        return float("nan")
    return float(ndimage.distance_transform_edt(foreground)[foreground].mean())


def performances(one: howfar.Dataset, folder: Path, cut: float) -> dict[str, float]:
    """Measure F of every image at a threshold; 0 in a dataset without masks."""
    if not any(item.mask is not None for item in one.items):
        return dict.fromkeys((item.name for item in one.items), 0.0)
    images = howfar.evaluate(one, folder, threshold=cut, progress=False).images
    return dict(zip(images["image"], images["performance"], strict=True))
