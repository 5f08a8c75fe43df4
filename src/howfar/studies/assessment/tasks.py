"""Describe the tasks that an assessment answers for: where predictions and truth of a dataset lie, and what they are called."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from howfar.data import Dataset
from howfar.data.box_files import BoxFile, read_predicted_boxes, read_true_boxes
from howfar.data.boxes import read_document
from howfar.data.class_folders import labelled_by_folders
from howfar.data.class_names import class_names
from howfar.data.class_predictions import read_classes
from howfar.data.column_roles import column_roles
from howfar.data.entry_matching import entries_of
from howfar.data.map_style import labelled as read_labels
from howfar.data.predictions import match_maps
from howfar.data.tabular_file import TABLES
from howfar.errors import InputError
from howfar.results.evaluation import PERFORMANCE_NAMES
from howfar.studies.certification.measures import FALSE_ALARMS

FLIPPED, TILED = "-flipped", "-tiled"
FOLDER: Final = ""
"""The ending of predictions that are a folder."""
_JSON = ".json"


@dataclass(frozen=True)
class Predictions:
    """Name where one dataset's predictions lie, None for those that there are not, and where its truth does.

    `truth` is the file of true boxes where that lies apart from the dataset; `categories` is COCO's file, by whose ids the
    predictions name images and classes.
    """

    main: Path
    flipped: Path | None = None
    tiled: Path | None = None
    truth: Path | None = None
    categories: Path | None = None


@dataclass(frozen=True)
class Task:
    """Describe a task to an assessment.

    Attributes
    ----------
    name
        As `howfar.evaluate` names it.
    endings
        Those that a file of predictions of a dataset NAME may have, ``NAME.csv``; "" stands for a folder NAME.
    further
        What is added to NAME for predictions of the same images in another way.
    truth
        What a labelled dataset has, in the plural.
    labelling
        How a dataset is given that.
    labelled
        From a dataset and its `Predictions` to its images that may be labelled.
    predicted
        From a dataset, its `Predictions` and the checked options to the names of its images that have a prediction.
    trained
        Whether howfar trains models of this task.
    if_blank
        What to do where the labels that are asked for turn out to hold nothing to find, as a sentence.
    """

    name: str
    endings: tuple[str, ...]
    truth: str
    labelling: str
    labelled: Callable[[Dataset, Predictions], Dataset]
    predicted: Callable[[Dataset, Predictions, Mapping[str, Any]], Collection[str]]
    further: tuple[str, ...] = ()
    trained: bool = False
    if_blank: str = ""

    @property
    def performance_name(self) -> str:
        """Return what the mean performance of images is called."""
        return PERFORMANCE_NAMES[self.name]


def find(folder: Path, name: str, endings: Sequence[str], what: str) -> Path | None:
    """Find the file or folder of a dataset's name; None where there is none, `InputError` where there are several.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> (folder / "roads.csv").touch()
    >>> find(folder, "roads", (".csv", ".parquet"), "predictions").name, find(folder, "site", (".csv",), "predictions")
    ('roads.csv', None)
    """
    there = [place for place in (folder / f"{name}{ending}" for ending in endings) if place.exists()]
    if len(there) > 1:
        listed = ", ".join(place.name for place in there)
        raise InputError.of(what, f"must hold {name} once", f"{listed} in {folder}", "move the others away")
    return there[0] if there else None


def coco_categories(truth: Path | None, predictions: Path) -> tuple[Path | None, Path | None]:
    """Tell true boxes from a COCO file that only names images and categories: (truth, categories), either None.

    COCO names the images of an unlabelled set by a file without ``annotations``. Raises `InputError` where the file cannot be
    read.
    """
    if truth is None or truth.suffix.lower() != _JSON:
        return truth, None
    document = read_document(truth, "true boxes")
    if not isinstance(document, Mapping) or not isinstance(document.get("images"), list):
        return truth, None
    categories = truth if predictions.suffix.lower() == _JSON and document.get("categories") else None
    return (truth if "annotations" in document else None), categories


def _masked(dataset: Dataset, _: Predictions) -> Dataset:
    return replace(dataset, items=tuple(item for item in dataset.items if item.mask is not None))


def _classed(dataset: Dataset, _: Predictions) -> Dataset:
    labelled = labelled_by_folders(read_labels(dataset))
    items = zip(dataset.items, labelled.items, strict=True)
    return replace(dataset, items=tuple(item for item, with_label in items if with_label.label is not None))


def _boxed(dataset: Dataset, found: Predictions) -> Dataset:
    return dataset if found.truth is not None else replace(dataset, items=())


def _mapped(dataset: Dataset, found: Predictions, _: Mapping[str, Any]) -> Collection[str]:
    return match_maps(dataset, found.main).files


def _listed_classes(dataset: Dataset, found: Predictions, given: Mapping[str, Any]) -> Collection[str]:
    table = read_classes(found.main, column_roles(given["columns"]), class_names(given["classes"]))
    return entries_of(dataset, "row", found.main, table.images)


def _listed_boxes(dataset: Dataset, found: Predictions, given: Mapping[str, Any]) -> Collection[str]:
    """Name the images that have an entry among the predictions and, as the truth may list fewer, among the true boxes."""
    roles, names = column_roles(given["columns"]), class_names(found.categories or given["classes"])
    truth = BoxFile({}) if found.truth is None else read_true_boxes(dataset, found.truth, roles, names)
    predicted = read_predicted_boxes(dataset, found.main, truth, roles, names)
    sides = [entries_of(dataset, "entry", found.main, list(predicted.boxes))]
    sides += [entries_of(dataset, "entry", found.truth, list(truth.boxes))] if found.truth is not None else []
    return [item.name for item in dataset.items if all(item.name in side for side in sides)]


SEGMENTATION: Final = Task(
    name="segmentation",
    endings=(FOLDER,),
    truth="masks",
    labelling="put them in masks/ beside images/, named as the images",
    labelled=_masked,
    predicted=_mapped,
    further=(FLIPPED, TILED),
    trained=True,
    if_blank=f"Should they hold no foreground, F is undefined: add --metric {FALSE_ALARMS}, with the same labels.",
)
TASKS: Final[Mapping[str, Task]] = {
    task.name: task
    for task in (
        SEGMENTATION,
        replace(SEGMENTATION, name="multiclass", further=(), trained=False, if_blank=""),
        Task(
            name="classification",
            endings=TABLES,
            truth="labels",
            labelling="sort the images into class folders, or pass a table with the columns image and label",
            labelled=_classed,
            predicted=_listed_classes,
        ),
        Task(
            name="detection",
            endings=(_JSON, *TABLES, FOLDER),
            truth="true boxes",
            labelling="pass a folder that holds them under the dataset's name (--truth DIR, with DIR/NAME.json)",
            labelled=_boxed,
            predicted=_listed_boxes,
            further=(FLIPPED,),
        ),
    )
}
TRUTHS: Final = (_JSON, *TABLES, ".xml", ".zip", FOLDER)
"""Endings that a dataset's file of true boxes may have."""
