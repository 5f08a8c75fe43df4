"""Run the paper's studies of distances by backbone (tables 1, 2) and by number of PCA components (table 6)."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from pydantic import Field

from howfar import options
from howfar.backbones import as_loaded, card_of
from howfar.data import Dataset
from howfar.distances.mean_distances import dataset_to_dataset, self_distance
from howfar.errors import InputError
from howfar.option_checks_and_signatures import checked
from howfar.options_by_function import CompareSettings
from howfar.paper.study_common import BackboneStudySettings, SpaceSettings, check_backbones, embedding_work, loaded_backbones
from howfar.pipeline.pair_measurement import forget_pairs
from howfar.progress import bar
from howfar.projection import Projector
from howfar.projection.pca_basis import plateau
from howfar.results import Features, Provenance, Settings
from howfar.results.backbones_result import BackboneFeature, DistanceTable
from howfar.results.display_and_shared_records import matching
from howfar.results.distance_studies import Components
from howfar.studies.backbone_agreement import by_image, with_agreement
from howfar.studies.compare_datasets import compared
from howfar.studies.near_duplicates import CopySearch, hashing, without_leaks
from howfar.studies.study_file.kind import StudyKind, setting
from howfar.studies.study_file.read_study_file import Inputs
from howfar.studies.study_inputs import BASELINES, drawn


class DistanceSettings(BackboneStudySettings, SpaceSettings):
    """Hold the settings of the study of distances."""

    permutations: int = setting(options.Permutations)
    limit: int | None = setting(options.Limit)
    leaks: options.LeakHandling = setting(options.Leaks)


def _run_distance(settings: DistanceSettings, inputs: Inputs) -> DistanceTable:
    given = {name: getattr(settings, name) for name in CompareSettings.__annotations__ if hasattr(settings, name)}
    chosen = Settings(**checked(CompareSettings, {**given, "rivals": False}))
    whole = inputs.datasets((settings.primary, *settings.secondaries))
    datasets = [drawn(dataset, settings.limit, settings.seed) for dataset in whole]
    labelled = loaded_backbones(settings, inputs)

    def measured(images: Sequence[Dataset | Features]) -> CopySearch:
        listed = [dataset for dataset in images if isinstance(dataset, Dataset)]
        *views, hashes = inputs.features(listed, [*(each.backbone for each in labelled), *hashing(listed)])
        found = []
        for view, each in zip(views, labelled, strict=True):
            comparison = compared(view, each.label, chosen, inputs.execution, out=inputs.folder)
            # A path of weights says nothing elsewhere, as where a bundle is run again.
            loaded = {} if each.loading.get("weights") else as_loaded(each.registered, each.loading)
            found.append(replace(comparison, options=loaded))
        return CopySearch(tuple(found), hashes)

    comparisons = without_leaks(datasets, measured, settings.leaks)
    images = {comparison.backbone.name: by_image(comparison) for comparison in comparisons}
    comparison = with_agreement(comparisons, images, chosen)
    forget_pairs(inputs.folder)
    # A note that concerns only some backbones names them.
    about = {note: [each.backbone.name for each in comparison.comparisons if note in each.notes] for note in comparison.notes()}
    every = len(comparison.comparisons)
    return DistanceTable(
        comparison=comparison,
        features=tuple(
            BackboneFeature(
                label=each.label,
                registered=each.registered,
                feature=card_of(each.registered).summary,
                length=sum(each.backbone.layers),
                model=each.model,
                trivial=each.registered in BASELINES,
            )
            for each in labelled
        ),
        provenance=Provenance.now(),
        notes=tuple(note if len(names) == every else f"{', '.join(names)}: {note}" for note, names in about.items()),
    )


DISTANCE = StudyKind(
    name="distance",
    title="How far is each dataset?",
    summary="Distances by several backbones, and whether these agree (tables 1 and 2, figures 3 and 10).",
    settings=DistanceSettings,
    run=_run_distance,
    result=DistanceTable,
    work=embedding_work,
    check=check_backbones,
)


class ComponentsSettings(BackboneStudySettings):
    """Hold the settings of the study of components."""

    UNSHARED: ClassVar = frozenset({"components"})
    components: tuple[int, ...] = Field((5, 10, 15, 20, 25, 30, 40), min_length=2, description="Numbers of components.")
    share: float = Field(0.02, gt=0, lt=1, description="Largest relative change of a distance that counts as none.")
    projection: options.Space = setting(options.Projection)


def _check_components(settings: ComponentsSettings, inputs: Inputs) -> None:
    check_backbones(settings, inputs)
    if min(settings.components) < 1 or len(set(settings.components)) < len(settings.components):
        raise InputError.of("components", "must be different numbers of at least 1", list(settings.components))
    if settings.projection == "none":
        raise InputError.of("projection", "must keep components, as their number is what is studied", settings.projection)


def _run_components(settings: ComponentsSettings, inputs: Inputs) -> Components:
    """Measure all backbones, projecting once with the most components; smaller numbers use the first components."""
    secondaries = inputs.names(settings.secondaries)
    loaded = loaded_backbones(settings, inputs)
    views = inputs.features(inputs.datasets((settings.primary, *secondaries)), [each.backbone for each in loaded])
    names = tuple(each.label for each in loaded)
    shown = bar(zip(names, views, strict=True), progress=inputs.execution.progress, patient=True, total=len(views))
    distances = pd.DataFrame([{"backbone": name, **row} for name, view in shown for row in _rows(view, settings)])
    plateaus: dict[str, int | None] = {}
    notes = []
    for name in names:
        square = matching(distances, backbone=name).pivot(index="components", columns="dataset", values="relative")
        counts, values = [int(count) for count in square.index], square.to_numpy()
        plateaus[name] = plateau(counts, values, settings.share) if len(counts) > 1 and (values > 0).all() else None
        beyond = ", ".join(str(count) for count in sorted(settings.components) if count > max(counts))
        if beyond:
            notes.append(f"{name}: so few images or values have fewer components than were asked for; left out: {beyond}")
    return Components(
        primary=settings.primary,
        secondaries=secondaries,
        backbones=names,
        components=tuple(sorted(settings.components)),
        share=settings.share,
        plateaus=plateaus,
        distances=distances,
        provenance=Provenance.now(),
        notes=tuple(notes),
    )


def _rows(features: tuple[Features, ...], settings: ComponentsSettings) -> Iterator[dict[str, Any]]:
    """Yield a backbone's distances, a row per number of components and secondary."""
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
    for count in counts:
        spaces = {name: (pair.primary[:, :count], pair.secondary[:, :count]) for name, pair in pairs.items()}
        means = {name: float(dataset_to_dataset(s, p)) for name, (p, s) in spaces.items()}
        total = sum(means.values())
        for name, mean in means.items():
            p = spaces[name][0]
            own = float(self_distance(p)) if len(p) > 1 else 0.0
            yield {
                "components": count,
                "dataset": name,
                "o_dist_mean": mean,
                "o_dist_scaled": mean / total if total else 0.0,
                "relative": mean / own if own else np.nan,
                "explained_variance": float(pairs[name].explained_variance_ratio[:count].sum()),
            }


COMPONENTS = StudyKind(
    name="components",
    title="How many components are enough?",
    summary="Distances by the number of principal components, and from which number on they hold (appendix A.1, table 6).",
    settings=ComponentsSettings,
    run=_run_components,
    result=Components,
    work=embedding_work,
    check=_check_components,
)
