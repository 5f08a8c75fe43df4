"""Rank scene categories by distance (paper: appendix D), and test whether image perturbations change the ranking."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from pydantic import Field

from howfar import options
from howfar.arrays import Float64Array
from howfar.backbones import cards
from howfar.backbones.preprocessing import PerturbedBackbone
from howfar.errors import InputError
from howfar.paper.study_common import SpaceSettings, interval_columns, perturbations_of
from howfar.pipeline.pair_measurement import forget_pairs
from howfar.progress import bar
from howfar.relation.rank_stability import Distances, agreements, mean_change
from howfar.results import Comparison, Features, Provenance, Settings
from howfar.results.display_and_shared_records import keyed
from howfar.results.distance_studies import UNCHANGED, Robustness, Scenes, StudiedBackbone
from howfar.studies.compare_datasets import compared, matrix_notes
from howfar.studies.distance_matrix import summed_once
from howfar.studies.study_file.kind import BackboneNames, DatasetName, DatasetNames, StudyKind, Work, setting
from howfar.studies.study_file.read_study_file import Inputs

if TYPE_CHECKING:
    from howfar.protocols import Backbone

AGREEMENT: Final = ("kendall", "kendall_low", "kendall_high", "overlap", "overlap_low", "overlap_high")


class CategorySettings(SpaceSettings):
    """Hold the settings that the studies of categories have in common."""

    datasets: DatasetNames = Field(description="The categories; a primary one among them is left out of its own secondaries.")
    backbones: BackboneNames = Field(description="The backbones that distances are measured by.")
    k: int = Field(5, ge=1, description="Show this many of the closest categories, and of the farthest.")
    scale: options.Scales = setting(options.Scale)

    def check_ends(self, primary: str, others: Sequence[str]) -> None:
        """Raise `InputError` if k is so large that a category would be both among the closest and the farthest."""
        if 2 * self.k > len(others):
            half = f"must be at most half of the {len(others)} categories beside {primary}"
            raise InputError.of("k", f"{half}, so that none is both closest and farthest", self.k)

    def comparison(self) -> Settings:
        """Return settings for comparing categories, without p-values and rival distances, which no figure shows."""
        own = {name: getattr(self, name) for name in ("components", "projection", "scale", "seed", "bootstrap")}
        return Settings(**own, permutations=0, neighbours=1, rivals=False)


def category_rows(comparison: Comparison) -> pd.DataFrame:
    """Return the categories' distances, closest first by O^dist as in the paper, ties in the caller's order."""
    ends = {"relative_ci_low": "relative_low", "relative_ci_high": "relative_high"}
    numbers = ["self_distance", "relative", *ends.values()]
    frame = comparison.to_frame().rename(columns={"name": "dataset", **ends})
    frame = frame[["dataset", "n", "o_dist_mean", *numbers, "components", "explained_variance"]]
    return ranked(frame.astype(dict.fromkeys(numbers, np.float64)))


def ranked(rows: pd.DataFrame) -> pd.DataFrame:
    """Sort categories by O^dist, and number them in the column rank."""
    return rows.sort_values("o_dist_mean", kind="stable", ignore_index=True).assign(rank=np.arange(1, len(rows) + 1))


def by_dataset(images: pd.DataFrame, column: str = "i_dist_mean") -> Distances:
    """Return images' distances by category, in the table's order."""
    return {str(name): own[column].to_numpy(dtype=np.float64) for name, own in images.groupby("dataset", sort=False)}


def category_notes(features: Sequence[Features], distances: pd.DataFrame, settings: Settings) -> Iterator[str]:
    """Yield a sentence for each weakness of categories' distances: lost, few or shared images, few components."""
    for dataset in features:
        if dataset.skipped:
            yield f"{dataset.name}: {len(dataset.skipped)} files could not be read and were left out"
    yield from matrix_notes(features, [{"components": distances["components"].min()}], settings)


class ScenesSettings(CategorySettings):
    """Hold the settings of the study of scenes."""

    primaries: DatasetNames = Field(description="The primary categories, each compared with all others.")
    sets: DatasetNames = Field((), description="Show these categories in the violins, not the k closest and farthest.")


def _frames(comparison: Comparison, k: int, sets: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Return the rows of the result's tables for one primary category and backbone."""
    rows, images = category_rows(comparison), comparison.images
    order = list(rows["dataset"])
    shown = images["dataset"].isin(sets or [*order[:k], *order[-k:]])
    # Each category's closest and farthest image; ties are ordered by name.
    ordered = images.sort_values(["i_dist_mean", "image"], kind="stable")[["dataset", "image", "path", "i_dist_mean"]]
    by_name = ordered.groupby("dataset", sort=False)
    ends = [by_name.head(1).assign(end="closest"), by_name.tail(1).assign(end="farthest")]
    return {
        "distances": rows,
        "images": images.loc[shown, ["dataset", "image", "i_dist_mean"]],
        "extremes": pd.concat(ends, ignore_index=True),
    }


def agreement_row(drawn: Float64Array) -> dict[str, float]:
    """Return Kendall's τ and the overlap of two orders with intervals, from measured and resampled values."""
    return interval_columns("kendall", drawn[:, 0]) | interval_columns("overlap", drawn[:, 1])


def _names(settings: ScenesSettings, inputs: Inputs) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the primary categories, and all categories."""
    primaries = inputs.names(settings.primaries)
    return primaries, tuple(dict.fromkeys((*inputs.names(settings.datasets), *primaries)))


def _check_scenes(settings: ScenesSettings, inputs: Inputs) -> None:
    (primaries, every), shown = _names(settings, inputs), inputs.names(settings.sets)
    for name in shown:
        if name not in every:
            raise InputError.of("sets", "must be among the datasets of the study", name, "name it in datasets too")
    for primary in primaries:
        settings.check_ends(primary, [name for name in every if name != primary])
        if shown == (primary,):
            raise InputError.of("sets", f"must hold a category beside the primary {primary}", primary)


def _run_scenes(settings: ScenesSettings, inputs: Inputs) -> Scenes:
    """Compare each primary category with all others by each backbone; measured pairs are stored until the result is saved."""
    primaries, every = _names(settings, inputs)
    datasets = inputs.datasets(every)
    views = inputs.features(datasets, [inputs.backbone(name) for name in settings.backbones])
    frames: dict[str, list[pd.DataFrame]] = {"distances": [], "images": [], "extremes": []}
    agreement: list[dict[str, Any]] = []
    chosen, sets = settings.comparison(), inputs.names(settings.sets)
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
                measured[backbone] = by_dataset(comparison.images)
            for one, other in combinations(measured, 2):
                drawn = agreements(measured[one], measured[other], settings.k, draws=settings.bootstrap, seed=settings.seed)
                agreement.append({"primary": primary, "one": one, "other": other, **agreement_row(drawn)})
    forget_pairs(inputs.folder)
    tables = {name: pd.concat(each, ignore_index=True) for name, each in frames.items()}
    described = []
    for name, view in zip(settings.backbones, views, strict=True):
        registered, _ = inputs.loading(name)
        family, _, model = registered.partition(":")
        feature = next((card.summary for card in cards() if card.name == family), "")
        # A model of a large family is described by name, layer and pooling.
        if model:
            pooled = "not pooled" if view[0].identity.get("pooling") == "none" else "pooled"
            feature = f"{model}, layer {view[0].identity.get('layer', 'unknown')}, {pooled}"
        described.append(StudiedBackbone(name, registered, feature, view[0].rows.shape[1]))
    return Scenes(
        primaries=primaries,
        sizes={dataset.name: len(dataset) for dataset in views[0]},
        backbones=tuple(described),
        k=settings.k,
        sets=sets,
        settings=chosen,
        agreement=pd.DataFrame(agreement, columns=["primary", "one", "other", *AGREEMENT]),
        provenance=Provenance.now(),
        notes=tuple(category_notes(views[0], tables["distances"], chosen)),
        **tables,
    )


def _work_scenes(settings: ScenesSettings, inputs: Inputs) -> Work:
    return Work(embedded=dict.fromkeys(settings.backbones, _names(settings, inputs)[1]))


SCENES = StudyKind(
    name="scenes",
    title="Which scenes are close?",
    summary="Closest and farthest categories and images of primary categories (appendix D, tables 7 and 8, figures 18 to 29).",
    settings=ScenesSettings,
    run=_run_scenes,
    result=Scenes,
    work=_work_scenes,
    check=_check_scenes,
)


PAPER: Final = ("brighter", "darker", "blur", "noise")


class RobustnessSettings(CategorySettings):
    """Hold the settings of the study of robustness."""

    primary: DatasetName = Field(description="The primary category, whose images are not perturbed.")
    perturbations: tuple[str, ...] = Field(
        PAPER, min_length=1, description="How images are changed: brighter, darker, blur, noise, or another package's."
    )


def _others(settings: RobustnessSettings, inputs: Inputs) -> tuple[str, ...]:
    return tuple(name for name in inputs.names(settings.datasets) if name != settings.primary)


def _check_robustness(settings: RobustnessSettings, inputs: Inputs) -> None:
    perturbations_of(settings.perturbations)
    settings.check_ends(settings.primary, _others(settings, inputs))


def _run_robustness(settings: RobustnessSettings, inputs: Inputs) -> Robustness:
    """Measure all categories, perturb those closest and farthest by a backbone, and measure again."""
    others = _others(settings, inputs)
    datasets = inputs.datasets((settings.primary, *others))
    backbones = [inputs.backbone(name) for name in settings.backbones]
    views = inputs.features(datasets, backbones)
    frames: dict[str, list[pd.DataFrame]] = {"distances": [], "images": [], "stability": []}
    chosen, drawn, steps = settings.comparison(), {}, list(zip(settings.backbones, backbones, views, strict=True))
    for name, backbone, view in bar(steps, progress=inputs.execution.progress, patient=True, unit="backbone"):
        measured, drawn[name] = _before_and_after(name, backbone, view, settings, inputs)
        for table, frame in measured.items():
            frames[table].append(keyed(frame, backbone=name))
    tables = {name: pd.concat(each, ignore_index=True) for name, each in frames.items()}
    # Both backbones resample the same images, so that their difference is known in each resample.
    pairs = combinations(drawn, 2)
    differences = [{"one": one, "other": other, **agreement_row(drawn[one] - drawn[other])} for one, other in pairs]
    return Robustness(
        primary=settings.primary,
        secondaries=others,
        backbones=settings.backbones,
        perturbations={
            name: ", ".join(f"{key} {value}" for key, value in each.parameters.items())
            for name, each in zip(settings.perturbations, perturbations_of(settings.perturbations), strict=True)
        },
        k=settings.k,
        settings=chosen,
        overall=pd.DataFrame([{"backbone": name, **agreement_row(each)} for name, each in drawn.items()]),
        differences=pd.DataFrame(differences, columns=["one", "other", *AGREEMENT]),
        provenance=Provenance.now(),
        notes=tuple(category_notes(views[0], tables["distances"], chosen)),
        **tables,
    )


def _before_and_after(
    name: str, backbone: Backbone, view: Sequence[Features], settings: RobustnessSettings, inputs: Inputs
) -> tuple[dict[str, pd.DataFrame], Float64Array]:
    """Return one backbone's rows of the result's tables, and the mean agreement of the orders in each resample."""
    # The intervals are over orders, drawn below.
    chosen = replace(settings.comparison(), bootstrap=0)
    before = compared(view, name, chosen, inputs.execution)
    first, rows = by_dataset(before.images), {UNCHANGED: category_rows(before)}
    order = rows[UNCHANGED]["dataset"].tolist()
    ends = [*order[: settings.k], *order[-settings.k :]]
    images = {UNCHANGED: _images(before, rows[UNCHANGED], ends)}
    datasets = [inputs.dataset(each.name) for each in view if each.name in ends]
    changed = [PerturbedBackbone(backbone, each) for each in perturbations_of(settings.perturbations)]
    primary, *others = view
    drawn, stability, draws = [], [], {"draws": settings.bootstrap, "seed": settings.seed}
    for perturbation, features in zip(settings.perturbations, inputs.features(datasets, changed), strict=True):
        by_name = {each.name: each for each in features}
        # In a joint space, which the perturbed categories change, all others are measured again too.
        again = [by_name.get(each.name, each) for each in others if chosen.projection == "joint" or each.name in by_name]
        # No pair is kept: it would be named by the images' files, which are the same perturbed or not.
        after = compared([primary, *again], name, chosen, inputs.execution)
        own = category_rows(after)
        rows[perturbation] = ranked(pd.concat([rows[UNCHANGED][~rows[UNCHANGED]["dataset"].isin(own["dataset"])], own]))
        images[perturbation] = _images(after, own, ends)
        drawn.append(agreements(first, {**first, **by_dataset(after.images)}, settings.k, **draws))
        relative = (by_dataset(images[each], "relative") for each in (UNCHANGED, perturbation))
        as_they_are, perturbed = ({end: each[end] for end in ends} for each in relative)
        change, (low, high) = mean_change(as_they_are, perturbed, **draws)
        changes = {"change": change, "change_low": low, "change_high": high}
        stability.append({"perturbation": perturbation, **agreement_row(drawn[-1]), **changes})
    columns = ["dataset", "o_dist_mean", "self_distance", "relative", "components", "rank"]
    frames = [each[columns].assign(perturbed=each["dataset"].isin(ends)) for each in rows.values()]
    distances = pd.concat([keyed(frame, perturbation=each) for each, frame in zip(rows, frames, strict=True)])
    shown = pd.concat([keyed(frame, perturbation=each) for each, frame in images.items()])
    return {"distances": distances, "images": shown, "stability": pd.DataFrame(stability)}, np.mean(drawn, axis=0)


def _images(comparison: Comparison, rows: pd.DataFrame, ends: Sequence[str]) -> pd.DataFrame:
    """Return the distances of the images of the categories at both ends, also relative to the primary's self-distance."""
    images = comparison.images.loc[comparison.images["dataset"].isin(ends), ["dataset", "image", "i_dist_mean"]]
    own = images["dataset"].map(rows.set_index("dataset")["self_distance"])
    return images.assign(relative=images["i_dist_mean"] / own.where(own > 0))


def _work_robustness(settings: RobustnessSettings, inputs: Inputs) -> Work:
    """Count the embeddings with the number of perturbed categories, as only the distances determine which they are."""
    others = _others(settings, inputs)
    some = (*others[: settings.k], *others[-settings.k :])
    seen = dict.fromkeys(settings.backbones, (settings.primary, *others))
    perturbed = {f"{name}+{each}": some for name in settings.backbones for each in settings.perturbations}
    return Work(embedded={**seen, **perturbed})


ROBUSTNESS = StudyKind(
    name="robustness",
    title="Does the order survive other light, blur and noise?",
    summary="Kendall's tau and overlap of the closest categories before and after a perturbation, by backbone (appendix D).",
    settings=RobustnessSettings,
    run=_run_robustness,
    result=Robustness,
    work=_work_robustness,
    check=_check_robustness,
)
