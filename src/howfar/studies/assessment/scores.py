"""Score each dataset's maps for an assessment, with the agreement of whole and tiled maps, and keep what was scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from howfar.data import Dataset
from howfar.data.predictions import match_maps, read_prediction
from howfar.errors import ImageError
from howfar.metrics.map_agreement import foreground_dice
from howfar.results import Evaluation
from howfar.studies.assessment.maps import Maps, folder_of
from howfar.studies.evaluation.evaluate import evaluate
from howfar.studies.performance.gates import TILES

FOLDER = "performance"


@dataclass(frozen=True)
class Scoring:
    """Evaluate datasets at the primary dataset's best threshold, and write a file of each below the run folder."""

    run: Path
    tolerance: float
    partial: bool
    progress: bool

    def own(self, dataset: Dataset, maps: Maps) -> Evaluation:
        """Score the primary dataset's images that have maps; further ones may have been learnt from."""
        return self._kept(dataset, maps, None, partial=True)

    def others(self, datasets: Sequence[Dataset], maps: Sequence[Maps], own: Evaluation) -> list[Evaluation]:
        """Score the sites; one without masks has signals and no performance."""
        return [self._kept(dataset, of, own, partial=self.partial) for dataset, of in zip(datasets, maps, strict=True)]

    def file(self, dataset: str) -> Path:
        """Return where a dataset's scores are kept."""
        return self.run / FOLDER / f"{folder_of(dataset)}.parquet"

    def _kept(self, dataset: Dataset, maps: Maps, own: Evaluation | None, *, partial: bool) -> Evaluation:
        scored = evaluate(
            dataset,
            maps.main,
            flipped=maps.flipped,
            tuned_on=own,
            tolerance=self.tolerance,
            partial=partial,
            progress=self.progress,
        )
        if maps.tiled is not None and scored.threshold is not None:
            scored = replace(scored, images=scored.images.assign(**{TILES: agreements(dataset, maps, scored)}))
        scored.save(self.file(dataset.name))
        return scored


def agreements(dataset: Dataset, maps: Maps, scored: Evaluation) -> pd.Series:
    """Compute the Dice of the whole and the tiled map of each image that was scored; nan where either cannot be read."""
    assert maps.tiled is not None  # for the type checker: the caller has asked
    assert scored.threshold is not None
    whole, tiled = match_maps(dataset, maps.main).files, match_maps(dataset, maps.tiled).files
    values = []
    for name in scored.images["image"]:
        try:
            pair = [read_prediction(files[name]).values for files in (whole, tiled)]
            values.append(foreground_dice(pair[0], pair[1], scored.threshold))
        except (KeyError, ImageError, ValueError):
            values.append(float("nan"))
    return pd.Series(values, index=scored.images.index, dtype=np.float64)
