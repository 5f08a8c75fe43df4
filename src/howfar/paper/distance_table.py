"""Run a study file's study of distances (tables 1 and 2, figs. 3 and 10): measure each dataset with each backbone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import Field

from howfar import options
from howfar.backbones import as_loaded, card_of
from howfar.data import Dataset
from howfar.keywords import CompareSettings
from howfar.paper.baseline_models import BackboneStudySettings, baseline_backbone, check_backbones, embedding_work, models_of
from howfar.pipeline import forget_pairs
from howfar.results import Comparison, Features, Provenance, Settings
from howfar.results.backbones_result import BackboneComparison, BackboneFeature, DistanceTable
from howfar.settings import checked
from howfar.studies.compare_backbones import by_image, with_agreement
from howfar.studies.copies import CopySearch, hashing, without_leaks
from howfar.studies.distance import compared
from howfar.studies.study_file.inputs import Inputs
from howfar.studies.study_file.kind import EntryReference, StudyKind, setting
from howfar.studies.study_inputs import BASELINES, drawn

if TYPE_CHECKING:
    from howfar.protocols import Backbone


class DistanceSettings(BackboneStudySettings):
    """Hold the settings of the study of distances."""

    backbones: Annotated[tuple[str, ...], EntryReference("backbones")] = Field(
        (), description="The backbones that distances are measured by; name pixels and colour_moments, the trivial ones, too."
    )
    components: int = setting(options.Components)
    projection: options.Space = setting(options.Projection)
    scale: options.Scales = setting(options.Scale)
    seed: int = setting(options.Seed)
    bootstrap: int = setting(options.Bootstrap)
    permutations: int = setting(options.Permutations)
    limit: int | None = setting(options.Limit)
    leaks: options.LeakHandling = setting(options.Leaks)


class NamedBackbone(NamedTuple):
    """Hold a backbone with its study-file name, registered name, loading options, and the study that trained it."""

    label: str
    registered: str
    backbone: Backbone
    loading: dict[str, Any]
    model: str = ""


def _run(settings: DistanceSettings, inputs: Inputs) -> DistanceTable:
    given = {name: getattr(settings, name) for name in CompareSettings.__annotations__ if hasattr(settings, name)}
    chosen = Settings(**checked(CompareSettings, {**given, "rivals": False}))
    whole = inputs.datasets((settings.primary, *settings.secondaries))
    datasets = [drawn(dataset, settings.limit, settings.seed) for dataset in whole]
    labelled = _loaded(settings, inputs)

    def measured(images: Sequence[Dataset | Features]) -> CopySearch:
        listed = [dataset for dataset in images if isinstance(dataset, Dataset)]
        *views, hashes = inputs.features(listed, [*(each.backbone for each in labelled), *hashing(listed)])
        return CopySearch(
            tuple(_compared(view, each, chosen, inputs) for view, each in zip(views, labelled, strict=True)), hashes
        )

    comparisons = without_leaks(datasets, measured, settings.leaks)
    images = {comparison.backbone.name: by_image(comparison) for comparison in comparisons}
    comparison = with_agreement(comparisons, images, chosen)
    forget_pairs(inputs.folder)
    return DistanceTable(
        comparison=comparison,
        features=tuple(map(_feature, labelled)),
        provenance=Provenance.now(),
        notes=tuple(_notes(comparison)),
    )


def _loaded(settings: DistanceSettings, inputs: Inputs) -> list[NamedBackbone]:
    """Load the file's backbones, then the models M that serve as backbones."""
    labelled = []
    for name in settings.backbones:
        registered, loading = inputs.loading(name)
        labelled.append(NamedBackbone(name, registered, inputs.backbone(name), loading))
    for name in models_of(settings, inputs):
        registered, loading, backbone = baseline_backbone(inputs, settings.of, name)
        labelled.append(NamedBackbone(name, registered, backbone, loading, settings.of))
    return labelled


def _compared(view: tuple[Features, ...], labelled: NamedBackbone, settings: Settings, inputs: Inputs) -> Comparison:
    comparison = compared(view, labelled.label, settings, inputs.execution, out=inputs.folder)
    # A path of weights says nothing elsewhere, as where a bundle is run again.
    loaded = {} if labelled.loading.get("weights") else as_loaded(labelled.registered, labelled.loading)
    return replace(comparison, options=loaded)


def _notes(comparison: BackboneComparison) -> list[str]:
    """Collect the comparisons' notes; a note that concerns only some backbones names them."""
    about = {note: [each.backbone.name for each in comparison.comparisons if note in each.notes] for note in comparison.notes()}
    every = len(comparison.comparisons)
    return [note if len(names) == every else f"{', '.join(names)}: {note}" for note, names in about.items()]


def _feature(labelled: NamedBackbone) -> BackboneFeature:
    return BackboneFeature(
        label=labelled.label,
        registered=labelled.registered,
        feature=card_of(labelled.registered).summary,
        length=sum(labelled.backbone.layers),
        model=labelled.model,
        trivial=labelled.registered in BASELINES,
    )


DISTANCE = StudyKind(
    name="distance",
    title="How far is each dataset?",
    summary="Distances by several backbones, and whether these agree (tables 1 and 2, figures 3 and 10).",
    settings=DistanceSettings,
    run=_run,
    result=DistanceTable,
    work=embedding_work,
    check=check_backbones,
)
