"""Find the models M, trained on the primary dataset alone by an adaptation study of the same study file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from pydantic import Field

from howfar.backbones import load_backbone
from howfar.errors import InputError, MissingPathError
from howfar.settings import nearest
from howfar.studies.study_file.inputs import Inputs
from howfar.studies.study_file.kind import DatasetName, DatasetNames, EntryReference, KindSettings, Work, check_roles

if TYPE_CHECKING:
    from howfar.protocols import Backbone


AdaptationName: TypeAlias = Annotated[str, EntryReference("studies", kind="adaptation")]
SomeModels: TypeAlias = Annotated[tuple[str, ...], EntryReference("models")]


def baseline_models(inputs: Inputs, of: str, chosen: Sequence[str]) -> tuple[str, ...]:
    """Return the names of an adaptation study's chosen models, or of all its models if none is chosen."""
    trained = tuple(study_settings(inputs, of).models)
    for name in chosen:
        if name not in trained:
            rule = f"must be among the models of the study {of}"
            raise InputError.of("models", rule, name, nearest(name, list(trained), "its models"))
    return tuple(chosen) or trained


class BackboneStudySettings(KindSettings):
    """Hold the settings of studies of distances by backbones, models of another study among them."""

    primary: DatasetName = Field(description="The primary dataset.")
    secondaries: DatasetNames = Field(description="The secondary datasets.")
    backbones: Annotated[tuple[str, ...], EntryReference("backbones")] = Field(
        (), description="The backbones that distances are measured by."
    )
    of: AdaptationName = Field("", description="A study of adaptation whose models M are backbones too.")
    models: SomeModels = Field((), description="The models of that study to take; by default all.")


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


def baseline_seed(inputs: Inputs, of: str) -> int:
    """Return the first training seed of an adaptation study."""
    return int(study_settings(inputs, of).seeds[0])


def baseline_file(inputs: Inputs, of: str, model: str) -> Path:
    """Return the checkpoint of M for the study's first seed; raise `MissingPathError` if it is gone."""
    file = inputs.folders[of] / model / "models" / f"seed{baseline_seed(inputs, of)}" / "M.safetensors"
    if not file.is_file():
        raise MissingPathError(f"{file} is not there: remove the folder of the study {of}, so that it is trained again")
    return file


def baseline_backbone(inputs: Inputs, of: str, model: str) -> tuple[str, dict[str, Any], Backbone]:
    """Load M as a backbone; return its registered name, its loading options, and the backbone."""
    segmenter = inputs.model(model).segmenter
    loading: dict[str, Any] = {"weights": baseline_file(inputs, of, model)}
    loading |= {} if inputs.device == "auto" else {"device": inputs.device}
    return segmenter, loading, load_backbone(segmenter, **loading)


def study_settings(inputs: Inputs, of: str) -> Any:
    """Return the settings of another study of the same file."""
    return next(planned.settings for planned in inputs.file.studies if planned.name == of)
