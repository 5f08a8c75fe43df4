"""Measure one category of scenes against the others, and tell which are the closest and the farthest (appendix D)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import Field

from howfar import options
from howfar.errors import InputError
from howfar.io.checkpoint import digest, part_key
from howfar.projection.cached import CachedRows
from howfar.relation.paired_images import Distances
from howfar.results import Comparison, Features, Settings
from howfar.studies.comparison_caveats import matrix_notes
from howfar.studies.study_file.kind import BackboneNames, DatasetNames, KindSettings, setting


class CategorySettings(KindSettings):
    """Hold the settings that the studies of categories have in common."""

    datasets: DatasetNames = Field(description="The categories; a primary one among them is left out of its own secondaries.")
    backbones: BackboneNames = Field(description="The backbones that distances are measured by.")
    k: int = Field(5, ge=1, description="Show this many of the closest categories, and of the farthest.")
    components: int = setting(options.Components)
    projection: options.Space = setting(options.Projection)
    scale: options.Scales = setting(options.Scale)
    seed: int = setting(options.Seed)
    bootstrap: int = setting(options.Bootstrap)


def check_ends(k: int, primary: str, others: Sequence[str]) -> None:
    """Refuse a number of closest categories with which some of them would be among the farthest too."""
    if 2 * k > len(others):
        rule = (
            f"must be at most half of the {len(others)} categories beside {primary}, so that none is both closest and farthest"
        )
        raise InputError.of("k", rule, k)


def comparison_settings(chosen: CategorySettings, *, bootstrap: int) -> Settings:
    """Make the settings of a comparison of categories: without p-values and rival distances, which no figure shows."""
    return Settings(
        components=chosen.components,
        projection=chosen.projection,
        scale=chosen.scale,
        seed=chosen.seed,
        bootstrap=bootstrap,
        permutations=0,
        neighbours=1,
        rivals=False,
    )


def category_rows(comparison: Comparison) -> pd.DataFrame:
    """Lay out the distances of categories, the closest first: by O^dist as in the paper, ties in the caller's order.

    Columns: dataset, n, o_dist_mean, self_distance, relative, relative_low, relative_high, components, explained_variance,
    rank from 1.
    """
    rows = []
    for each in comparison.datasets:
        low, high = each.relative_ci or (None, None)
        rows.append(
            {
                "dataset": each.name,
                "n": each.n,
                "o_dist_mean": each.o_dist_mean,
                "self_distance": each.self_distance,
                "relative": each.relative,
                "relative_low": low,
                "relative_high": high,
                "components": each.components,
                "explained_variance": each.explained_variance,
            }
        )
    numbers = ("self_distance", "relative", "relative_low", "relative_high")
    frame = pd.DataFrame(rows).astype(dict.fromkeys(numbers, np.float64))
    frame = frame.sort_values("o_dist_mean", kind="stable", ignore_index=True)
    return frame.assign(rank=np.arange(1, len(frame) + 1))


def by_dataset(comparison: Comparison) -> Distances:
    """Give I^dist (mean form) of each image by its category, in the caller's order."""
    return {
        str(name): images["i_dist_mean"].to_numpy(dtype=np.float64)
        for name, images in comparison.images.groupby("dataset", sort=False)
    }


def summed_once(features: Sequence[Features], folder: Path) -> list[Features]:
    """Keep each category's own sums in a folder, as every primary category is compared with all."""
    made_by = {"identity": dict(features[0].identity), "layers": list(features[0].layers)}
    return [
        replace(dataset, rows=CachedRows(dataset.rows, folder / part_key(digest(dataset.contents), made_by)))
        for dataset in features
    ]


def category_notes(features: Sequence[Features], distances: pd.DataFrame, settings: Settings) -> Iterator[str]:
    """Yield one sentence for each thing that weakens the distances of categories: lost, few or shared images, few components.

    `features` are those of all categories, `distances` the rows of all pairs that were measured.
    """
    for dataset in features:
        if dataset.skipped:
            yield f"{dataset.name}: {len(dataset.skipped)} files could not be read and were left out"
    yield from matrix_notes(features, [{"components": least} for least in (distances["components"].min(),)], settings)
