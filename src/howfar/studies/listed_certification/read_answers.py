"""Read what a model says of a site's images, by its task."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

from howfar.data import Dataset
from howfar.data.class_names import class_names
from howfar.data.column_roles import column_roles
from howfar.errors import InputError
from howfar.metrics.detection import Detection
from howfar.metrics.multiclass import Multiclass
from howfar.studies.listed_certification.answers import BoxAnswers, ClassAnswers
from howfar.studies.listed_certification.class_map_answers import ClassMapAnswers

Answers: TypeAlias = ClassAnswers | BoxAnswers | ClassMapAnswers
OPTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "segmentation": (),
    "multiclass": ("classes", "ignore_index"),
    "classification": ("columns", "classes"),
    "detection": ("iou", "min_score", "columns", "classes"),
}
"""Options of predictions that a single task has a use for."""


def answers_of(task: str, dataset: Dataset, file: str | Path, given: Mapping[str, Any]) -> Answers:
    """Read the predictions of a task; raises `InputError` for an option that the task has no use for."""
    refuse_idle_options(task, given)
    names = class_names(given.get("classes", ()))
    if task == "multiclass":
        metric = Multiclass(given.get("ignore_index"), names)
        return ClassMapAnswers.read(dataset, file, metric, bool(given.get("progress")))
    roles = column_roles(given.get("columns", ()))
    if task == "detection":
        chosen = {name: given[name] for name in ("iou", "min_score") if given.get(name) is not None}
        return BoxAnswers.read(dataset, file, Detection(**chosen), roles, names)
    return ClassAnswers.read(file, roles, names)


def refuse_idle_options(task: str, given: Mapping[str, Any]) -> None:
    """Raise `InputError` for an option of another task's predictions."""
    for name in dict.fromkeys(name for names in OPTIONS.values() for name in names):
        value = given.get(name)
        if name not in OPTIONS[task] and value is not None and value != ():
            raise InputError.of(name, f"is of no use to {task}", value, "leave it out")
