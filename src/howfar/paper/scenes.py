"""Run the study of scenes (appendix D, tables 7 and 8): find the categories closest to a primary one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import combinations
from typing import Any, Final

import numpy as np
import pandas as pd
from pydantic import Field

from howfar import options
from howfar.arrays import Float64Array
from howfar.backbones import cards
from howfar.errors import InputError
from howfar.pipeline import forget_pairs
from howfar.progress import bar
from howfar.relation.rank_stability import Distances, agreements, interval_of
from howfar.results import Comparison, Features, Provenance, Settings
from howfar.results.distance_studies import Scenes, StudiedBackbone
from howfar.results.records import keyed
from howfar.studies.comparison_caveats import matrix_notes
from howfar.studies.distance import compared
from howfar.studies.matrix import summed_once
from howfar.studies.study_file.inputs import Inputs
from howfar.studies.study_file.kind import BackboneNames, DatasetNames, KindSettings, StudyKind, Work, setting


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
    """Raise `InputError` if k is so large that a category would be both among the closest and the farthest."""
    if 2 * k > len(others):
        half = f"must be at most half of the {len(others)} categories beside {primary}"
        raise InputError.of("k", f"{half}, so that none is both closest and farthest", k)


def comparison_settings(chosen: CategorySettings, *, bootstrap: int) -> Settings:
    """Return settings for comparing categories, without p-values and rival distances, which no figure shows."""
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
    """Return the categories' distances, closest first by O^dist as in the paper, ties in the caller's order.

    Columns: dataset, n, o_dist_mean, self_distance, relative, relative_low, relative_high, components, explained_variance, rank
    from 1.
    """
    ends = {"relative_ci_low": "relative_low", "relative_ci_high": "relative_high"}
    numbers = ["self_distance", "relative", *ends.values()]
    frame = comparison.to_frame().rename(columns={"name": "dataset", **ends})
    frame = frame[["dataset", "n", "o_dist_mean", *numbers, "components", "explained_variance"]]
    frame = frame.astype(dict.fromkeys(numbers, np.float64)).sort_values("o_dist_mean", kind="stable", ignore_index=True)
    return frame.assign(rank=np.arange(1, len(frame) + 1))


def by_dataset(comparison: Comparison) -> Distances:
    """Return I^dist (mean form) of each image by category, in the caller's order."""
    return {
        str(name): images["i_dist_mean"].to_numpy(dtype=np.float64)
        for name, images in comparison.images.groupby("dataset", sort=False)
    }


def category_notes(features: Sequence[Features], distances: pd.DataFrame, settings: Settings) -> Iterator[str]:
    """Yield a sentence for each weakness of categories' distances: lost, few or shared images, few components."""
    for dataset in features:
        if dataset.skipped:
            yield f"{dataset.name}: {len(dataset.skipped)} files could not be read and were left out"
    yield from matrix_notes(features, [{"components": least} for least in (distances["components"].min(),)], settings)


class ScenesSettings(CategorySettings):
    """Hold the settings of the study of scenes."""

    primaries: DatasetNames = Field(description="The primary categories, each compared with all others.")
    sets: DatasetNames = Field((), description="Show these categories in the violins, not the k closest and farthest.")


def _frames(comparison: Comparison, k: int, sets: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Return the rows of the result's tables for one primary category and backbone."""
    rows, images = category_rows(comparison), comparison.images
    order = list(rows["dataset"])
    shown = images["dataset"].isin(sets or [*order[:k], *order[-k:]])
    return {
        "distances": rows,
        "images": images.loc[shown, ["dataset", "image", "i_dist_mean"]],
        "extremes": _extremes(images),
    }


def agreement_row(drawn: Float64Array) -> dict[str, float]:
    """Return Kendall's τ and the overlap of two orders with intervals, from measured and resampled values."""
    row: dict[str, float] = {}
    for column, name in enumerate(("kendall", "overlap")):
        low, high = interval_of(drawn[:, column])
        row |= {name: float(drawn[0, column]), f"{name}_low": low, f"{name}_high": high}
    return row


AGREEMENT: Final = ("kendall", "kendall_low", "kendall_high", "overlap", "overlap_low", "overlap_high")


def _names(settings: ScenesSettings, inputs: Inputs) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the primary categories, and all categories."""
    primaries = inputs.names(settings.primaries)
    return primaries, tuple(dict.fromkeys((*inputs.names(settings.datasets), *primaries)))


def _check(settings: ScenesSettings, inputs: Inputs) -> None:
    primaries, every = _names(settings, inputs)
    for primary in primaries:
        check_ends(settings.k, primary, [name for name in every if name != primary])
    for name in inputs.names(settings.sets):
        if name not in every:
            raise InputError.of("sets", "must be among the datasets of the study", name, "name it in datasets too")
    for primary in primaries if settings.sets else ():
        if not set(inputs.names(settings.sets)) - {primary}:
            raise InputError.of("sets", f"must hold a category beside the primary {primary}", primary)


def _run(settings: ScenesSettings, inputs: Inputs) -> Scenes:
    """Compare each primary category with all others by each backbone; measured pairs are stored until the result is saved."""
    primaries, every = _names(settings, inputs)
    datasets = inputs.datasets(every)
    views = inputs.features(datasets, [inputs.backbone(name) for name in settings.backbones])
    frames: dict[str, list[pd.DataFrame]] = {"distances": [], "images": [], "extremes": []}
    agreement: list[dict[str, Any]] = []
    chosen, sets = comparison_settings(settings, bootstrap=settings.bootstrap), inputs.names(settings.sets)
    # Every primary category is compared with all, so that the sums of each are kept.
    with ExitStack() as stack:
        summed = [stack.enter_context(summed_once(view, inputs.folder)) for view in views]
        by_backbone = dict(zip(settings.backbones, summed, strict=True))
        shown = bar(primaries, progress=inputs.execution.progress, patient=True, total=len(primaries), unit="category")
        for primary in shown:
            measured: dict[str, Distances] = {}
            for backbone, features in by_backbone.items():
                ordered = sorted(features, key=lambda dataset: dataset.name != primary)
                comparison = compared(ordered, backbone, chosen, inputs.execution, out=inputs.folder)
                for table, frame in _frames(comparison, settings.k, sets).items():
                    frames[table].append(keyed(frame, primary=primary, backbone=backbone))
                measured[backbone] = by_dataset(comparison)
            for one, other in combinations(measured, 2):
                drawn = agreements(measured[one], measured[other], settings.k, draws=settings.bootstrap, seed=settings.seed)
                agreement.append({"primary": primary, "one": one, "other": other, **agreement_row(drawn)})
    forget_pairs(inputs.folder)
    tables = {name: pd.concat(each, ignore_index=True) for name, each in frames.items()}
    return Scenes(
        primaries=primaries,
        sizes={dataset.name: len(dataset) for dataset in views[0]},
        backbones=tuple(_described(name, inputs, view[0]) for name, view in zip(settings.backbones, views, strict=True)),
        k=settings.k,
        sets=sets,
        settings=chosen,
        agreement=pd.DataFrame(agreement, columns=["primary", "one", "other", *AGREEMENT]),
        provenance=Provenance.now(),
        notes=tuple(category_notes(views[0], tables["distances"], chosen)),
        **tables,
    )


def _extremes(images: pd.DataFrame) -> pd.DataFrame:
    """Return each category's closest and farthest image to the primary category by I^dist; ties are ordered by name."""
    ordered = images.sort_values(["i_dist_mean", "image"], kind="stable")[["dataset", "image", "path", "i_dist_mean"]]
    by_name = ordered.groupby("dataset", sort=False)
    ends = [by_name.head(1).assign(end="closest"), by_name.tail(1).assign(end="farthest")]
    return pd.concat(ends, ignore_index=True)


def _described(name: str, inputs: Inputs, features: Features) -> StudiedBackbone:
    """Describe a study-file backbone by its card; a model of a large family by name, layer and pooling."""
    registered, _ = inputs.loading(name)
    family, _, model = registered.partition(":")
    feature = next((card.summary for card in cards() if card.name == family), "")
    if model:
        pooled = "not pooled" if features.identity.get("pooling") == "none" else "pooled"
        feature = f"{model}, layer {features.identity.get('layer', 'unknown')}, {pooled}"
    return StudiedBackbone(name, registered, feature, features.rows.shape[1])


def _work(settings: ScenesSettings, inputs: Inputs) -> Work:
    return Work(embedded=dict.fromkeys(settings.backbones, _names(settings, inputs)[1]))


SCENES = StudyKind(
    name="scenes",
    title="Which scenes are close?",
    summary="Closest and farthest categories and images of primary categories (appendix D, tables 7 and 8, figures 18 to 29).",
    settings=ScenesSettings,
    run=_run,
    result=Scenes,
    work=_work,
    check=_check,
)
