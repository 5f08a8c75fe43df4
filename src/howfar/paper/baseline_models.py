"""Find the models that an adaptation study of the same study file trained on the primary dataset alone (M)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol, TypeAlias

from howfar.backbones import load_backbone
from howfar.errors import InputError, MissingPathError
from howfar.settings import nearest
from howfar.studies.study_file.inputs import Inputs
from howfar.studies.study_file.kind import EntryReference, Work

if TYPE_CHECKING:
    from howfar.protocols import Backbone


AdaptationName: TypeAlias = Annotated[str, EntryReference("studies", kind="adaptation")]
SomeModels: TypeAlias = Annotated[tuple[str, ...], EntryReference("models")]


def baseline_models(inputs: Inputs, of: str, chosen: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the models to take of an adaptation study: those chosen, or all of it where none are.

    Raises
    ------
    InputError
        One is chosen that the study does not train.
    """
    trained = tuple(_settings(inputs, of).models)
    for name in chosen:
        if name not in trained:
            rule = f"must be among the models of the study {of}"
            raise InputError.of("models", rule, name, nearest(name, list(trained), "its models"))
    return tuple(chosen) or trained


class StudyModels(Protocol):
    """Name the datasets of a study, and the backbones that it measures by, models of another study among them."""

    @property
    def primary(self) -> str:
        """Return the name of the primary dataset."""
        ...

    @property
    def secondaries(self) -> tuple[str, ...]:
        """Return the names of the secondary datasets, or of folders of them."""
        ...

    @property
    def backbones(self) -> tuple[str, ...]:
        """Return names of backbones of the file."""
        ...

    @property
    def of(self) -> str:
        """Return the name of the study of adaptation; empty where there is none."""
        ...

    @property
    def models(self) -> tuple[str, ...]:
        """Return the models of that study; none stands for all."""
        ...


def models_of(settings: StudyModels, inputs: Inputs) -> tuple[str, ...]:
    """Return the names of the models that a study measures by; none where it names no study of adaptation."""
    return baseline_models(inputs, settings.of, settings.models) if settings.of else ()


def embedding_work(settings: StudyModels, inputs: Inputs) -> Work:
    """Count what a study embeds: every dataset by every backbone and model."""
    seen = inputs.names((settings.primary, *settings.secondaries))
    return Work(embedded=dict.fromkeys((*settings.backbones, *models_of(settings, inputs)), seen))


def check_backbones(settings: StudyModels, inputs: Inputs) -> None:
    """Check that a study has a backbone or a model to measure by, each of a name of its own.

    Raises
    ------
    InputError
        Models are named without a study that trains them, or by a backbone's name, or there is nothing to measure by.
    """
    if settings.models and not settings.of:
        raise InputError.of("models", "must be those of a study of adaptation", list(settings.models), 'write of = "STUDY"')
    models = models_of(settings, inputs)
    if not settings.backbones and not models:
        raise InputError.of("backbones", "must name at least one", list(settings.backbones), 'write backbones = ["NAME"]')
    for name in models:
        if name in settings.backbones:
            raise InputError.of("models", "must have other names than the backbones", name, "rename one of the two")


def baseline_seed(inputs: Inputs, of: str) -> int:
    """Return the first seed that an adaptation study trains with."""
    return int(_settings(inputs, of).seeds[0])


def baseline_file(inputs: Inputs, of: str, model: str) -> Path:
    """Return the checkpoint of M, trained with the study's first seed.

    Raises
    ------
    MissingPathError
        It is no longer there.
    """
    file = inputs.folders[of] / model / "models" / f"seed{baseline_seed(inputs, of)}" / "M.safetensors"
    if not file.is_file():
        raise MissingPathError(f"{file} is not there: remove the folder of the study {of}, so that it is trained again")
    return file


def baseline_backbone(inputs: Inputs, of: str, model: str) -> tuple[str, dict[str, Any], Backbone]:
    """Load M as a backbone; its registered name and the options that it is loaded with come first."""
    segmenter = inputs.model(model).segmenter
    loading: dict[str, Any] = {"weights": baseline_file(inputs, of, model)}
    loading |= {} if inputs.device == "auto" else {"device": inputs.device}
    return segmenter, loading, load_backbone(segmenter, **loading)


def _settings(inputs: Inputs, of: str) -> Any:
    return next(planned.settings for planned in inputs.file.studies if planned.name == of)
