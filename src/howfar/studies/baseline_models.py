"""Find the models that an adaptation study of the same study file trained on the primary dataset alone (M)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from howfar.errors import InputError, MissingPathError
from howfar.settings import nearest
from howfar.studies.study_file.inputs import Inputs
from howfar.studies.study_file.kind import Reference

AdaptationName: TypeAlias = Annotated[str, Reference("studies", kind="adaptation")]
SomeModels: TypeAlias = Annotated[tuple[str, ...], Reference("models")]


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


def _settings(inputs: Inputs, of: str) -> Any:
    return next(planned.settings for planned in inputs.file.studies if planned.name == of)
