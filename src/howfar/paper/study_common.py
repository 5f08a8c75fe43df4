"""Define settings and functions that the paper's studies share, to load backbones, adapted models and perturbations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeAlias, cast

from pydantic import Field

from howfar import options
from howfar.arrays import Float64Array
from howfar.backbones import load_backbone
from howfar.errors import HowfarError, InputError, MissingPathError
from howfar.option_checks_and_signatures import nearest
from howfar.perturb import Perturbation
from howfar.perturb import named as perturbation_named
from howfar.relation.rank_stability import interval_of
from howfar.results import Provenance
from howfar.results.adaptation_result import Adaptations
from howfar.studies.study_file.kind import DatasetName, DatasetNames, EntryReference, KindSettings, Work, check_roles, setting
from howfar.studies.study_file.read_study_file import Inputs

if TYPE_CHECKING:
    from howfar.protocols import Backbone


AdaptationName: TypeAlias = Annotated[str, EntryReference("studies", kind="adaptation")]
SomeModels: TypeAlias = Annotated[tuple[str, ...], EntryReference("models")]
NetworkName: TypeAlias = Annotated[str, EntryReference("backbones")]


class SpaceSettings(KindSettings):
    """Hold how a study projects features, and how it draws its intervals."""

    components: int = setting(options.Components)
    projection: options.Space = setting(options.Projection)
    bootstrap: int = setting(options.Bootstrap)
    seed: int = setting(options.Seed)


class BackboneStudySettings(KindSettings):
    """Hold the settings of studies of distances by backbones, models of another study among them."""

    primary: DatasetName = Field(description="The primary dataset.")
    secondaries: DatasetNames = Field(description="The secondary datasets.")
    backbones: Annotated[tuple[str, ...], EntryReference("backbones")] = Field(
        (), description="The backbones that distances are measured by; name pixels and colour_moments, the trivial ones, too."
    )
    of: AdaptationName = Field("", description="A study of adaptation whose models M are backbones too.")
    models: SomeModels = Field((), description="The models of that study to take; by default all.")
    scale: options.Scales = setting(options.Scale)


class StudyBackbone(NamedTuple):
    """Hold a backbone with its study-file name, registered name, loading options, and the study that trained it."""

    label: str
    registered: str
    backbone: Backbone
    loading: dict[str, Any]
    model: str = ""


def loaded_backbones(settings: BackboneStudySettings, inputs: Inputs) -> list[StudyBackbone]:
    """Load the file's backbones, then the models M that serve as backbones."""
    labelled = []
    for name in settings.backbones:
        registered, options = inputs.loading(name)
        labelled.append(StudyBackbone(name, registered, inputs.backbone(name), options))
    for name in models_of(settings, inputs):
        segmenter = inputs.model(name).segmenter
        loading: dict[str, Any] = {"weights": baseline_file(inputs, settings.of, name)}
        loading |= {} if inputs.device == "auto" else {"device": inputs.device}
        labelled.append(StudyBackbone(name, segmenter, load_backbone(segmenter, **loading), loading, settings.of))
    return labelled


def models_of(settings: BackboneStudySettings, inputs: Inputs) -> tuple[str, ...]:
    """Return the names of the models that a study measures with; () if it names no adaptation study."""
    return baseline_models(inputs, settings.of, settings.models) if settings.of else ()


def embedding_work(settings: BackboneStudySettings, inputs: Inputs) -> Work:
    """Count a study's embeddings: every dataset by every backbone and model."""
    seen = inputs.names((settings.primary, *settings.secondaries))
    return Work(embedded=dict.fromkeys((*settings.backbones, *models_of(settings, inputs)), seen))


def check_backbones(settings: BackboneStudySettings, inputs: Inputs) -> None:
    """Check that a study has a backbone or model, that their names differ, and that P is no secondary dataset."""
    if settings.models and not settings.of:
        raise InputError.of("models", "must be those of a study of adaptation", list(settings.models), 'write of = "STUDY"')
    models = models_of(settings, inputs)
    if not settings.backbones and not models:
        raise InputError.of("backbones", "must name at least one", list(settings.backbones), 'write backbones = ["NAME"]')
    for name in models:
        if name in settings.backbones:
            raise InputError.of("models", "must have other names than the backbones", name, "rename one of the two")
    check_roles(settings.primary, inputs.names(settings.secondaries))


def study_settings(inputs: Inputs, of: str) -> Any:
    """Return the settings of another study of the same file."""
    return next(planned.settings for planned in inputs.file.studies if planned.name == of)


def adapted(inputs: Inputs, of: str) -> Adaptations:
    """Return the result of an adaptation study, which the reference `of` has checked."""
    return cast(Adaptations, inputs.results[of])


def described_adaptation(inputs: Inputs, of: str) -> dict[str, Any]:
    """Return the fields that results about an adaptation study have in common."""
    studied = adapted(inputs, of)
    return {
        "of": of,
        "primary": studied.primary,
        "secondaries": studied.secondaries,
        "segmenters": studied.segmenters,
        "architectures": tuple(studied.architectures.values()),
        "seeds": tuple(int(seed) for seed in studied.settings["seeds"]),
        "provenance": Provenance.now(),
    }


def baseline_models(inputs: Inputs, of: str, chosen: Sequence[str]) -> tuple[str, ...]:
    """Return the names of an adaptation study's chosen models, or of all its models if none is chosen."""
    trained = tuple(study_settings(inputs, of).models)
    for name in chosen:
        if name not in trained:
            rule = f"must be among the models of the study {of}"
            raise InputError.of("models", rule, name, nearest(name, list(trained), "its models"))
    return tuple(chosen) or trained


def baseline_seed(inputs: Inputs, of: str) -> int:
    """Return the first training seed of an adaptation study."""
    return int(study_settings(inputs, of).seeds[0])


def baseline_file(inputs: Inputs, of: str, model: str) -> Path:
    """Return the checkpoint of M for the study's first seed; raise `MissingPathError` if it is gone."""
    file = inputs.folder_of(of) / model / "models" / f"seed{baseline_seed(inputs, of)}" / "M.safetensors"
    if not file.is_file():
        raise MissingPathError(f"{file} is not there: remove the folder of the study {of}, so that it is trained again")
    return file


def perturbations_of(names: Sequence[str]) -> list[Perturbation]:
    """Return the named perturbations; raise for an unknown name or one that is repeated."""
    if len(set(names)) < len(names):
        raise InputError.of("perturbations", "must not repeat one", list(names))
    try:
        return [perturbation_named(name) for name in names]
    except HowfarError as error:
        raise type(error)(f"perturbations: {error}") from error


def interval_columns(name: str, draws: Float64Array) -> dict[str, float]:
    """Return a row's columns NAME, NAME_low and NAME_high; `draws` (1 + b,) are the measured value and b resamples."""
    low, high = interval_of(draws)
    return {name: float(draws[0]), f"{name}_low": low, f"{name}_high": high}
