"""List all tasks by name (`TASKS`), and collect the options that only the chosen task takes (`own_options`)."""

from collections.abc import Mapping
from typing import Any, Final

from howfar.errors import InputError
from howfar.tasks.classification_task import ClassificationTask
from howfar.tasks.detection_task import DetectionTask
from howfar.tasks.multiclass_task import MulticlassTask
from howfar.tasks.segmentation_task import SegmentationTask
from howfar.tasks.task import Task

TASKS: Final[Mapping[str, type[Task]]] = {
    task.name: task for task in (SegmentationTask, MulticlassTask, ClassificationTask, DetectionTask)
}
_EMPTY: Final = ("tolerance", "ensemble", "columns", "classes")


def own_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """Collect the task-specific options from checked options."""
    task = given["task"]
    if task not in TASKS:
        raise InputError.of("task", f"must be one of {', '.join(TASKS)}", task)
    names = dict.fromkeys(name for one in TASKS.values() for name in one.options)
    written = {name: given.get(name) for name in names}
    # An empty or zero value of these options stands for "not given".
    own = {name: value or None if name in _EMPTY else value for name, value in written.items()}
    own = {name: value for name, value in own.items() if value is not None}
    idle = [name for name in own if name not in TASKS[task].options]
    if idle:
        raise InputError.of(idle[0], f"is of no use to {task}", own[idle[0]], "leave it out")
    return own
