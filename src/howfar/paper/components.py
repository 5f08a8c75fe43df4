"""Run the study of components (appendix A.1, table 6): find the number of components from which distances are stable."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from pydantic import Field

from howfar import options
from howfar.distances.dataset_distances import dataset_to_dataset, self_distance
from howfar.errors import InputError
from howfar.paper.baseline_models import BackboneStudySettings, baseline_backbone, check_backbones, embedding_work, models_of
from howfar.progress import bar
from howfar.projection import Projector
from howfar.projection.basis import plateau
from howfar.results import Features, Provenance
from howfar.results.distance_studies import Components
from howfar.studies.study_file.inputs import Inputs
from howfar.studies.study_file.kind import StudyKind, setting


class ComponentsSettings(BackboneStudySettings):
    """Hold the settings of the study of components."""

    UNSHARED: ClassVar = frozenset({"components"})
    components: tuple[int, ...] = Field((5, 10, 15, 20, 25, 30, 40), min_length=2, description="Numbers of components.")
    share: float = Field(0.02, gt=0, lt=1, description="Largest relative change of a distance that counts as none.")
    projection: options.Space = setting(options.Projection)
    scale: options.Scales = setting(options.Scale)


def _check(settings: ComponentsSettings, inputs: Inputs) -> None:
    check_backbones(settings, inputs)
    if min(settings.components) < 1 or len(set(settings.components)) < len(settings.components):
        raise InputError.of("components", "must be different numbers of at least 1", list(settings.components))
    if settings.projection == "none":
        raise InputError.of("projection", "must keep components, as their number is what is studied", settings.projection)


def _run(settings: ComponentsSettings, inputs: Inputs) -> Components:
    """Measure all backbones, projecting once with the most components; smaller numbers use the first components."""
    secondaries = inputs.names(settings.secondaries)
    datasets = inputs.datasets((settings.primary, *secondaries))
    models = models_of(settings, inputs)
    names = (*settings.backbones, *models)
    backbones = [inputs.backbone(name) for name in settings.backbones]
    backbones += [baseline_backbone(inputs, settings.of, name)[2] for name in models]
    rows: list[dict[str, Any]] = []
    views = inputs.features(datasets, backbones)
    shown = bar(zip(names, views, strict=True), progress=inputs.execution.progress, patient=True, total=len(views))
    for name, features in shown:
        rows += [{"backbone": name, **row} for row in _measured(features, settings)]
    distances = pd.DataFrame(rows)
    return Components(
        primary=settings.primary,
        secondaries=secondaries,
        backbones=names,
        components=tuple(sorted(settings.components)),
        share=settings.share,
        plateaus={name: _plateau(distances[distances["backbone"] == name], settings) for name in names},
        distances=distances,
        provenance=Provenance.now(),
        notes=tuple(_notes(distances, settings)),
    )


def _measured(features: tuple[Features, ...], settings: ComponentsSettings) -> list[dict[str, Any]]:
    primary, *others = features
    layers = None if settings.scale == "none" else primary.layers
    projector = Projector(primary.rows, max(settings.components), scale=settings.scale, layers=layers)
    projected = projector.project([dataset.rows for dataset in others], settings.projection)
    with warnings.catch_warnings():
        # That there are fewer components than were asked for is a note of the result.
        warnings.simplefilter("ignore", UserWarning)
        pairs = dict(zip((dataset.name for dataset in others), projected, strict=True))
    most = min(len(pair.explained_variance_ratio) for pair in pairs.values())
    counts = [count for count in sorted(settings.components) if count <= most]
    if not counts:
        rule = f"must hold a number of at most {most}, as many as these images and this feature have"
        raise InputError.of("components", rule, list(settings.components))
    rows = []
    for count in counts:
        means: dict[str, tuple[float, float]] = {}
        for name, pair in pairs.items():
            p, s = pair.primary[:, :count], pair.secondary[:, :count]
            means[name] = float(dataset_to_dataset(s, p)), float(self_distance(p)) if len(p) > 1 else 0.0
        total = sum(mean for mean, _ in means.values())
        for name, (mean, own) in means.items():
            row = {"components": count, "dataset": name, "o_dist_mean": mean, "o_dist_scaled": mean / total if total else 0.0}
            variance = float(pairs[name].explained_variance_ratio[:count].sum())
            rows.append({**row, "relative": mean / own if own else np.nan, "explained_variance": variance})
    return rows


def _notes(distances: pd.DataFrame, settings: ComponentsSettings) -> Iterator[str]:
    """Note the backbones with fewer components than requested."""
    for name, measured in distances.groupby("backbone", sort=False):
        most = int(measured["components"].max())
        if most < max(settings.components):
            beyond = ", ".join(str(count) for count in sorted(settings.components) if count > most)
            yield f"{name}: so few images or values have fewer components than were asked for; left out: {beyond}"


def _plateau(measured: pd.DataFrame, settings: ComponentsSettings) -> int | None:
    square = measured.pivot(index="components", columns="dataset", values="relative")
    if len(square) < 2 or not (square.to_numpy() > 0).all():
        return None
    return plateau([int(count) for count in square.index], square.to_numpy(), settings.share)


COMPONENTS = StudyKind(
    name="components",
    title="How many components are enough?",
    summary="Distances by the number of principal components, and from which number on they hold (appendix A.1, table 6).",
    settings=ComponentsSettings,
    run=_run,
    result=Components,
    work=embedding_work,
    check=_check,
)
