"""Run the study of robustness (appendix D): does the order of categories survive a change of light, blur and noise?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from pydantic import Field

from howfar import perturb
from howfar.arrays import Float64Array
from howfar.backbones.preprocessing import PerturbedBackbone
from howfar.errors import InputError
from howfar.paper.scenes import (
    AGREEMENT,
    CategorySettings,
    agreement_row,
    by_dataset,
    category_notes,
    category_rows,
    check_ends,
    comparison_settings,
)
from howfar.progress import bar
from howfar.relation.rank_stability import Distances, agreements, mean_change
from howfar.results import Comparison, Features, Provenance
from howfar.results.distance_studies import UNCHANGED, Robustness
from howfar.results.records import keyed
from howfar.studies.distance import compared
from howfar.studies.study_file.inputs import Inputs
from howfar.studies.study_file.kind import DatasetName, StudyKind, Work

if TYPE_CHECKING:
    from howfar.protocols import Backbone


PAPER: Final = ("brighter", "darker", "blur", "noise")


class RobustnessSettings(CategorySettings):
    """Hold the settings of the study of robustness."""

    primary: DatasetName = Field(description="The primary category, whose images are not perturbed.")
    perturbations: tuple[str, ...] = Field(
        PAPER, min_length=1, description="How images are changed: brighter, darker, blur, noise, or another package's."
    )


def _others(settings: RobustnessSettings, inputs: Inputs) -> tuple[str, ...]:
    return tuple(name for name in inputs.names(settings.datasets) if name != settings.primary)


def _check(settings: RobustnessSettings, inputs: Inputs) -> None:
    if len(set(settings.perturbations)) < len(settings.perturbations):
        raise InputError.of("perturbations", "must not repeat one", list(settings.perturbations))
    for name in settings.perturbations:
        perturb.named(name)
    check_ends(settings.k, settings.primary, _others(settings, inputs))


@dataclass
class RobustnessTables:
    """Collect the result's table rows by backbone, and the agreement of orders in each resample."""

    distances: list[pd.DataFrame] = field(default_factory=list)
    images: list[pd.DataFrame] = field(default_factory=list)
    stability: list[dict[str, Any]] = field(default_factory=list)
    drawn: dict[str, Float64Array] = field(default_factory=dict)

    def add(self, keys: Mapping[str, str], rows: pd.DataFrame, images: pd.DataFrame, perturbed: Sequence[str]) -> None:
        """Add the categories' distances before or after a perturbation, and the perturbed categories' image distances."""
        kept = rows[["dataset", "o_dist_mean", "self_distance", "relative", "components", "rank"]]
        self.distances.append(keyed(kept.assign(perturbed=kept["dataset"].isin(perturbed)), **keys))
        images = images.loc[images["dataset"].isin(perturbed), ["dataset", "image", "i_dist_mean"]]
        own = images["dataset"].map(rows.set_index("dataset")["self_distance"])
        self.images.append(keyed(images.assign(relative=images["i_dist_mean"] / own.where(own > 0)), **keys))


def _run(settings: RobustnessSettings, inputs: Inputs) -> Robustness:
    """Measure all categories, perturb those closest and farthest by a backbone, and measure again."""
    others = _others(settings, inputs)
    datasets = inputs.datasets((settings.primary, *others))
    backbones = [inputs.backbone(name) for name in settings.backbones]
    views = inputs.features(datasets, backbones)
    measured, steps = RobustnessTables(), list(zip(settings.backbones, backbones, views, strict=True))
    for name, backbone, view in bar(steps, progress=inputs.execution.progress, patient=True, unit="backbone"):
        _measure(measured, name, backbone, view, settings, inputs)
    distances = pd.concat(measured.distances, ignore_index=True)
    chosen = comparison_settings(settings, bootstrap=settings.bootstrap)
    return Robustness(
        primary=settings.primary,
        secondaries=others,
        backbones=settings.backbones,
        perturbations={
            name: ", ".join(f"{key} {value}" for key, value in perturb.named(name).parameters.items())
            for name in settings.perturbations
        },
        k=settings.k,
        settings=chosen,
        stability=pd.DataFrame(measured.stability),
        overall=pd.DataFrame([{"backbone": name, **agreement_row(drawn)} for name, drawn in measured.drawn.items()]),
        differences=_differences(measured.drawn),
        distances=distances,
        images=pd.concat(measured.images, ignore_index=True),
        provenance=Provenance.now(),
        notes=tuple(category_notes(views[0], distances, chosen)),
    )


def _measure(
    measured: RobustnessTables,
    name: str,
    backbone: Backbone,
    view: Sequence[Features],
    settings: RobustnessSettings,
    inputs: Inputs,
) -> None:
    """Measure one backbone's distances before and after each perturbation."""
    # The intervals are over orders, drawn below.
    chosen = comparison_settings(settings, bootstrap=0)
    before = compared(view, name, chosen, inputs.execution)
    rows = category_rows(before)
    order = [str(each) for each in rows["dataset"]]
    ends = [*order[: settings.k], *order[-settings.k :]]
    measured.add({"backbone": name, "perturbation": UNCHANGED}, rows, before.images, ends)
    datasets = [inputs.dataset(each.name) for each in view if each.name in ends]
    changed = [PerturbedBackbone(backbone, perturb.named(each)) for each in settings.perturbations]
    drawn = []
    for perturbation, features in zip(settings.perturbations, inputs.features(datasets, changed), strict=True):
        primary, *others = view
        by_name = {each.name: each for each in features}
        # In a joint space, which the perturbed categories change, all others are measured again too.
        again = [by_name.get(each.name, each) for each in others if chosen.projection == "joint" or each.name in by_name]
        # No pair is kept: it would be named by the images' files, which are the same perturbed or not.
        after = compared([primary, *again], name, chosen, inputs.execution)
        after_rows = _merged(rows, category_rows(after))
        row = {"backbone": name, "perturbation": perturbation}
        measured.add(row, after_rows, after.images, ends)
        agreed, changes = _compare(before, rows, after, after_rows, ends, settings)
        measured.stability.append({**row, **agreement_row(agreed), **changes})
        drawn.append(agreed)
    measured.drawn[name] = np.mean(drawn, axis=0)


def _merged(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Replace distances by those after a perturbation, and rank all categories again."""
    kept = before[~before["dataset"].isin(after["dataset"])]
    both = pd.concat([kept, after], ignore_index=True).sort_values("o_dist_mean", kind="stable", ignore_index=True)
    return both.assign(rank=np.arange(1, len(both) + 1))


def _compare(
    before: Comparison,
    rows: pd.DataFrame,
    after: Comparison,
    after_rows: pd.DataFrame,
    ends: Sequence[str],
    settings: RobustnessSettings,
) -> tuple[Float64Array, dict[str, float]]:
    """Compute the agreement of two orders per resample, and the perturbed categories' mean change of relative distance."""
    first = by_dataset(before)
    second = {**first, **by_dataset(after)}
    agreed = agreements(first, second, settings.k, draws=settings.bootstrap, seed=settings.seed)
    relative = (_relative(first, rows, ends), _relative(second, after_rows, ends))
    change, (low, high) = mean_change(*relative, draws=settings.bootstrap, seed=settings.seed)
    return agreed, {"change": change, "change_low": low, "change_high": high}


def _relative(distances: Distances, rows: pd.DataFrame, names: Sequence[str]) -> Distances:
    own = rows.set_index("dataset")["self_distance"]
    return {name: distances[name] / (own[name] if own[name] > 0 else np.nan) for name in names}


def _differences(drawn: Mapping[str, Float64Array]) -> pd.DataFrame:
    """Subtract each two backbones' agreements per resample, as both resample the same images."""
    rows = [{"one": one, "other": other, **agreement_row(drawn[one] - drawn[other])} for one, other in combinations(drawn, 2)]
    return pd.DataFrame(rows, columns=["one", "other", *AGREEMENT])


def _work(settings: RobustnessSettings, inputs: Inputs) -> Work:
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
    run=_run,
    result=Robustness,
    work=_work,
    check=_check,
)
