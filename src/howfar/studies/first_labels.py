"""Find what a model predicted on chosen images, to be handed to labelling tools as first labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from howfar.data import Dataset, Item
from howfar.data.entry_matching import entries_of
from howfar.data.first_labels import FirstLabels
from howfar.data.folder_walk import EXTENSIONS
from howfar.data.images import size
from howfar.data.label_names import Named, label_names
from howfar.data.labelling import CATEGORY
from howfar.data.prediction_matching import examples
from howfar.data.predictions import ARRAYS, match_maps, read_prediction
from howfar.errors import ImageError, InputError
from howfar.io.location import absolute
from howfar.metrics import threshold_index
from howfar.metrics.multiclass import METRIC
from howfar.results import Pick, Relation
from howfar.studies.certification.labelled import read_foreground
from howfar.studies.listed_certification.answers import BoxAnswers
from howfar.studies.listed_certification.read_answers import answers_of

DEFAULT_THRESHOLD = 0.5
_TASKS = {".json": "detection", ".csv": "classification", ".parquet": "classification", ".pq": "classification"}


def first_labels(
    images: pd.DataFrame,
    picks: Sequence[Pick],
    predictions: str | Path | None,
    relation: Relation | None,
    names: Named,
    threshold: float | None,
    min_score: float | None = None,
) -> tuple[FirstLabels, tuple[str, ...]]:
    """Return first labels of the chosen images, and what could not be found of them, as sentences.

    Parameters
    ----------
    images
        The rows of the dataset in the run.
    picks
        The chosen images.
    predictions
        A folder of probability maps, a table of classes or a file of boxes; by default the maps on record in `relation`.
    names
        What the labels are called in the tool.
    threshold, min_score
        Above which a map counts as foreground (by default at the relation's threshold, else 0.5), and from which score boxes
        are handed over.

    Raises
    ------
    HowfarError
        Predictions that are not there, are of no known form, or of no image of the dataset; names that are refused.
    """
    if predictions is not None and not absolute(predictions).is_dir():
        return _listed(_dataset(images), picks, absolute(predictions), names, min_score)
    if min_score is not None:
        raise InputError.of("min_score", "is of no use without boxes", min_score, "pass a file of boxes as predictions")
    named = label_names(names, "segmentation")
    recorded = DEFAULT_THRESHOLD if relation is None or relation.settings.threshold is None else relation.settings.threshold
    at = recorded if threshold is None else threshold
    threshold_index(at)
    if predictions is not None:
        matched = match_maps(_dataset(images), predictions)
        files, source = dict(matched.files), str(predictions)
    else:
        files, source = _recorded(picks, relation), "the maps of howfar relate"
    foregrounds, faults = _foregrounds(picks, files, at)
    first = FirstLabels("segmentation", named, (CATEGORY,), foregrounds)
    return first, tuple(_notes(picks, files, faults, source)) if files else ()


def _dataset(images: pd.DataFrame) -> Dataset:
    names = images["dataset"].iloc[0], images["image"].tolist(), images["path"].tolist()
    return Dataset(str(names[0]), tuple(Item(str(name), str(path)) for name, path in zip(*names[1:], strict=True)))


def _recorded(picks: Sequence[Pick], relation: Relation | None) -> dict[str, Path]:
    """Return the maps that the evaluations of a relation have read, of the images that have one."""
    if relation is None or relation.metric == METRIC:  # maps of several classes are no foreground
        return {}
    rows = relation.images
    wanted = {(pick.image, pick.path) for pick in picks}
    known = zip(rows["image"], rows["path"], rows["prediction"], strict=True)
    found = {str(image): Path(file) for image, path, file in known if isinstance(file, str) and (image, path) in wanted}
    return {image: file for image, file in found.items() if file.suffix.lower() in {*EXTENSIONS, *ARRAYS} and file.is_file()}


def _foregrounds(
    picks: Sequence[Pick], files: Mapping[str, Path], threshold: float
) -> tuple[dict[str, Callable[[], NDArray[np.bool_]]], dict[str, str]]:
    """Return what reads the foreground of each image, and why maps are of no use, by image."""
    foregrounds: dict[str, Callable[[], NDArray[np.bool_]]] = {}
    faults: dict[str, str] = {}
    for pick in picks:
        if pick.image not in files or not pick.path:
            continue
        try:
            (height, width), wanted = read_prediction(files[pick.image]).values.shape, size(pick.path)
        except ImageError as error:
            faults[pick.image] = str(error)
            continue
        if (width, height) == wanted:
            foregrounds[pick.image] = partial(read_foreground, files[pick.image], threshold)
        else:
            faults[pick.image] = f"its map is of {width}×{height} pixels, the image of {wanted[0]}×{wanted[1]}"
    return foregrounds, faults


def _listed(
    dataset: Dataset, picks: Sequence[Pick], file: Path, names: Named, min_score: float | None
) -> tuple[FirstLabels, tuple[str, ...]]:
    """Read first labels from a table of classes or a file of boxes."""
    if file.suffix.lower() not in _TASKS:
        forms = "must be a folder of maps, a table of classes (.csv, .parquet) or a file of boxes (.json)"
        raise InputError.of("predictions", forms, str(file))
    task = _TASKS[file.suffix.lower()]
    named, answers = label_names(names, task), answers_of(task, dataset, file, {"min_score": min_score})
    entries = entries_of(dataset, "row", file, list(answers.entries))
    found = {
        pick.image: answer
        for pick in picks
        if pick.image in entries and (answer := answers.entries[entries[pick.image]]) is not None
    }
    notes = tuple(_notes(picks, found, {}, str(file)))
    if isinstance(answers, BoxAnswers):
        boxes = {image: answers.boxes(answer) for image, answer in found.items()}
        return FirstLabels(task, named, answers.classes, boxes=boxes), notes
    return FirstLabels(task, named, answers.classes, classes={image: answer.value for image, answer in found.items()}), notes


def _notes(picks: Sequence[Pick], found: Mapping[str, object], faults: Mapping[str, str], source: str) -> Iterator[str]:
    missing = [pick.image for pick in picks if pick.image not in found]
    if missing:
        what = f"{len(missing)} of {len(picks)} images have no prediction in {source} ({examples(missing)})"
        yield f"{what}: without a first label"
    if faults:
        image, reason = next(iter(faults.items()))
        yield f"{len(faults)} of {len(picks)} images are without a first label ({image}: {reason})"
