"""Define the study-file kind `adaptation`: run the adaptation study for each of several segmenters on the same datasets."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, Final

from pydantic import Field, SerializerFunctionWrapHandler, create_model, model_serializer

from howfar.errors import HowfarError, InputError
from howfar.option_checks_and_signatures import checked, declared, picked
from howfar.options_by_function import AdaptOptions, SegmenterOptions, TrainingOptions
from howfar.results.adaptation_result import Adaptations
from howfar.segmenters import segmenter_family
from howfar.studies.adaptation.adapt import adapt
from howfar.studies.adaptation.adaptation_tables import all_seeds, arms_of, check_adaptation
from howfar.studies.study_file.kind import (
    DatasetName,
    DatasetNames,
    EntryReference,
    KindSettings,
    ModelNames,
    StudyKind,
    Work,
    fields_of,
)
from howfar.studies.study_file.read_study_file import Inputs
from howfar.training.training_settings import settings_for

_FOLDER: Final = re.compile(r"\w[\w.+-]*")
"""Names that every disk takes for a folder's."""
_MAPS_OF_M: Final = 3
"""M maps every image of a secondary for its score, and twice more, mirrored and not, to choose by."""


class _AdaptedDatasets(KindSettings):
    """Hold the names of an adaptation study's datasets and segmenters."""

    primary: DatasetName = Field(description="The primary dataset, with masks.")
    secondaries: DatasetNames = Field(description="The secondary datasets, with masks.")
    models: ModelNames = Field(description="The segmenters that are trained.")
    background: DatasetName = Field("", description="A dataset without foreground, which background_shots are drawn from.")
    blind: Annotated[tuple[str, ...], EntryReference("datasets")] = Field(
        (), description="Datasets that are never chosen from, scored where they have masks."
    )

    @model_serializer(mode="wrap")
    def _written(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Omit newer options that have their default values, so that earlier results remain valid."""
        values: dict[str, Any] = write(self)
        later = {name: OWN[name].option.default for name in ("way", "without_labels", "score_size")}
        return {name: value for name, value in values.items() if name not in later or value != later[name]}


_ELSEWHERE: Final = {*declared(TrainingOptions), *declared(SegmenterOptions), "runner"}
"""Options of `howfar.adapt` that stand in a model's entry, in a dataset's, or in the command line of a study file."""
OWN: Final = {name: each for name, each in declared(AdaptOptions).items() if name not in _ELSEWHERE}
AdaptationSettings: Any = create_model(
    "AdaptationSettings",
    __base__=_AdaptedDatasets,
    __doc__="Hold the settings of the study of adaptation.",
    **fields_of(AdaptOptions, _ELSEWHERE),
)


def _own(settings: Any) -> dict[str, Any]:
    """Return the options of `howfar.adapt` on selection and training."""
    return {name: getattr(settings, name) for name in OWN}


def _check(settings: Any, inputs: Inputs) -> None:
    """Check options and datasets for errors that would stop the study only after its first trainings."""
    config = checked(AdaptOptions, _own(settings))
    check_adaptation(config, background=bool(settings.background), blind=bool(settings.blind))
    if min((*settings.seeds, *settings.random_seeds)) < 0:
        raise InputError.of("seeds and random_seeds", "must be at least 0", [*settings.seeds, *settings.random_seeds])
    names = _names(settings, inputs)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError.of("datasets", "must each have one role: primary, secondary, blind or background", twice)
    _group(names, inputs)
    for name in names[: 1 + len(inputs.names(settings.secondaries))]:
        if all(item.mask is None for item in inputs.file.datasets[name].items):
            rule, remedy = "must have masks to learn from", "put them in masks/ beside images/"
            raise InputError.of(f"datasets.{name}", rule, "none", remedy)
        _check_count("shots", max(config["shots"]) if name != settings.primary else 1, name, inputs)
    if settings.background:
        _check_count("background_shots", max((*config["background_shots"], 0)), settings.background, inputs)
    folders: set[str] = set()
    for name in settings.models:
        if not _FOLDER.fullmatch(name) or name.casefold() in folders:
            rule = "must name segmenters by letters, digits, dots and dashes, each otherwise, as folders are called by them"
            raise InputError.of("models", rule, name, "rename it in [models]")
        folders.add(name.casefold())
        entry = inputs.model(name)
        training = {key: value for key, value in entry.chosen().items() if key not in ("options", "pretrained")}
        try:
            settings_for(segmenter_family(entry.segmenter), entry.options, **picked(TrainingOptions, training))
        except HowfarError as error:
            raise InputError(f"models.{name}: {error}") from error


def _check_count(setting_name: str, wanted: int, name: str, inputs: Inputs) -> None:
    there = len(inputs.dataset(name))
    if wanted >= there:
        raise InputError.of(setting_name, f"must leave some of the {there} images of {name} to score", wanted)


def _names(settings: Any, inputs: Inputs) -> list[str]:
    """List the datasets of the study: primary, secondaries, blind datasets, background."""
    background = [settings.background] if settings.background else []
    return [settings.primary, *inputs.names(settings.secondaries), *inputs.names(settings.blind), *background]


def _group(names: Sequence[str], inputs: Inputs) -> str | None:
    """Return the datasets' common expression for photographs, None if no dataset has one; raise `InputError` if they differ."""
    groups = {name: inputs.group(name) for name in names if inputs.group(name) is not None}
    if len(set(groups.values())) > 1:
        written = ", ".join(f"{name} {group!r}" for name, group in groups.items())
        remedy = "write one expression with |, or leave out those that are guessed from names"
        raise InputError.of("group", "must be the same for all datasets of an adaptation study", written, remedy)
    return next(iter(groups.values()), None)


def _run(settings: Any, inputs: Inputs) -> Adaptations:
    """Run the study of each segmenter in its own folder, where an interrupted run continues."""
    studies = {}
    for name in settings.models:
        entry = inputs.model(name)
        studies[name] = adapt(
            inputs.dataset(settings.primary),
            inputs.datasets(settings.secondaries),
            entry.segmenter,
            out=inputs.folder / name,
            background=inputs.dataset(settings.background) if settings.background else None,
            blind=inputs.datasets(settings.blind),
            group=_group(_names(settings, inputs), inputs),
            device=inputs.device,
            workers=inputs.execution.workers,
            progress=inputs.execution.progress,
            **_own(settings),
            **entry.chosen(),
        )
    return Adaptations.of(studies)


def _work(settings: Any, inputs: Inputs) -> Work:
    """Count the trainings and maps, which are equal for all segmenters."""
    config = checked(AdaptOptions, _own(settings))
    trainings = sum(1 + len(arms_of(config, seed)) for seed in all_seeds(config))
    sizes = {name: len(inputs.dataset(name)) for name in _names(settings, inputs)}
    secondaries = sum(sizes[name] for name in inputs.names(settings.secondaries))
    scored = sum(sizes.values()) - sizes[settings.primary]
    learnt = sizes[settings.primary] + max(config["shots"]) * len(inputs.names(settings.secondaries))
    maps = trainings * scored + len(all_seeds(config)) * (_MAPS_OF_M - 1) * secondaries
    return Work(trained=dict.fromkeys(settings.models, (trainings, learnt)), predicted=dict.fromkeys(settings.models, maps))


ADAPTATION = StudyKind(
    name="adaptation",
    title="What do a few labelled images gain?",
    summary="F of every segmenter, trained anew with 1, 3 and 7 images of each secondary (section 4.3, figs 7 to 9).",
    settings=AdaptationSettings,
    run=_run,
    result=Adaptations,
    work=_work,
    check=_check,
)
