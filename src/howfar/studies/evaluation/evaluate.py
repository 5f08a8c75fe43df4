"""Evaluate a model's predictions of a dataset, by task: segmentation, classification or detection (section 3.3)."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from howfar.data import Dataset, parse
from howfar.errors import InputError
from howfar.metrics.detection import Detection
from howfar.metrics.pixel_tolerance import as_tolerance
from howfar.results import Evaluation
from howfar.studies.evaluation.classification import evaluate_classes
from howfar.studies.evaluation.detection import evaluate_boxes
from howfar.studies.evaluation.map_scores import find_sources
from howfar.studies.evaluation.segmentation import evaluate_maps
from howfar.studies.evaluation.threshold_choice import choose

# Options that a single task has a use for.
_OWN = {
    "segmentation": ("tolerance", "threshold", "tuned_on", "flipped", "ensemble"),
    "classification": (),
    "detection": ("truth", "iou", "min_score"),
}


def evaluate(
    dataset: Any,
    predictions: str | Path | None = None,
    *,
    model: Any = None,
    task: str = "segmentation",
    tolerance: float = 0.0,
    threshold: float | None = None,
    tuned_on: Evaluation | str | Path | None = None,
    flipped: str | Path | None = None,
    ensemble: Sequence[str | Path] | str | Path = (),
    truth: str | Path | None = None,
    iou: float | None = None,
    min_score: float | None = None,
    partial: bool = False,
    progress: bool = True,
) -> Evaluation:
    """Score a model's predictions of a dataset: F at 100 thresholds (section 3.3), and signals that need no masks.

    Segmentation: at t = 0.00, 0.01 … 0.99 a pixel is predicted where p > t. ODS is the best F = 2TP / (2TP + FP + FN) over t
    of the counts summed over the images; OIS the mean of each image's best. An image's performance is its F at one
    threshold. An image whose mask is empty has no F: its performance is nan, and its predicted pixels count as false.

    Parameters
    ----------
    dataset
        A folder with ``images/`` and ``masks/``, ``NAME=PATH``, a table with the columns image and mask (or label), or a
        `Dataset`. Images without mask are kept, without performance.
    predictions
        Segmentation: a folder of probability maps, 8-bit grey with p = value / 255 (16-bit, floating TIFF and ``.npy`` too),
        one for each image, under the same path but for the ending. Classification: a table with the column image and a
        column of probabilities for each class, or the columns predicted and, where known, confidence. Detection: a JSON
        list of ``{"image", "boxes", "scores", "labels"}``, boxes as corners x0, y0, x1, y1 in pixels.
    model
        A model in place of predictions: a checkpoint, an ``.onnx`` file or a torch module. Its maps of the images, and where
        `flipped` is not given of the mirrored images, are made, scored and not kept.
    task
        "segmentation", "classification" or "detection".
    tolerance
        Pixels (Euclidean) within which predicted and true pixels agree; 0 in the paper.
    threshold
        Threshold at which an image's F is taken: one of 0.00, 0.01 … 0.99. By default this dataset's own best, as in the
        paper, which looks at the masks.
    tuned_on
        An `Evaluation`, or its file, whose best threshold is taken instead: the primary dataset's, to estimate F on unseen
        images.
    flipped
        A folder of the maps of the left-right flipped images, as the model gave them: adds flip_agreement.
    ensemble
        Folders of the maps of further models for the same images: adds ensemble_agreement.
    truth
        Detection: the true boxes, in the form of the predictions but without scores.
    iou, min_score
        Detection: overlap from which two boxes match (0.5), and the score below which a predicted box is left out of F1 (by
        default none is), for detectors that offer a hundred boxes an image.
    partial
        Leave out images that cannot be scored (no prediction, of another size, unreadable) and list them in ``.skipped``,
        instead of stopping.
    progress
        Show a bar with rate and time left on stderr (or in the notebook).

    Returns
    -------
    Evaluation
        The scores; ``.images`` has a row for each image; ``.plot``, ``.save(file)``.

    Raises
    ------
    HowfarError
        A dataset or folder that is missing or empty, predictions that match no image, images that cannot be scored, an
        option that the task has no use for or that breaks its rule.

    Examples
    --------
    >>> import tempfile
    >>> from howfar.demo import write_dataset
    >>> roads = write_dataset(Path(tempfile.mkdtemp()) / "roads", 3, seed=0, size=64)
    >>> evaluation = evaluate(roads, roads / "masks", progress=False)
    >>> evaluation.scores["ods"], evaluation.images["performance"].tolist()
    (1.0, [1.0, 1.0, 1.0])
    """
    members = (ensemble,) if isinstance(ensemble, (str, Path)) else tuple(ensemble)
    given: dict[str, Any] = {
        "tolerance": tolerance or None,
        "threshold": threshold,
        "tuned_on": tuned_on,
        "flipped": flipped,
        "ensemble": members or None,
        "truth": truth,
        "iou": iou,
        "min_score": min_score,
    }
    _check_options(task, {name: value for name, value in given.items() if value is not None})
    images = _images(dataset)
    if model is not None:
        return _predicted(images, predictions, model, task, given, partial, progress)
    if predictions is None:
        raise InputError.of("predictions", "must be given, or a model", None, "pass one (--predictions DIR, --model CKPT)")
    if task == "classification":
        return evaluate_classes(images, predictions, partial, progress)
    if truth is not None:
        chosen = {name: value for name, value in (("iou", iou), ("min_score", min_score)) if value is not None}
        return evaluate_boxes(images, predictions, truth, Detection(**chosen), partial, progress)
    radius, cut = as_tolerance(tolerance), choose(threshold, tuned_on)
    return evaluate_maps(images, find_sources(images, predictions, flipped, members), cut, radius, partial, progress)


def _predicted(
    images: Dataset, predictions: Any, model: Any, task: str, given: Mapping[str, Any], partial: bool, progress: bool
) -> Evaluation:
    """Predict with a model and score its maps, which lie in a folder that is deleted afterwards."""
    from howfar.pipeline.prediction import load_model, predict

    if predictions is not None:
        raise InputError.of("model", "is of no use beside predictions", str(model), "leave one of them out")
    if task != "segmentation":
        raise InputError.of("model", "is of use only to segmentation", task, "pass predictions")
    with tempfile.TemporaryDirectory() as folder:
        loaded = load_model(model)
        maps, mirrored = (Path(folder) / name for name in ("maps", "flipped"))
        predict(loaded, images, maps, progress=progress)
        chosen = {name: value for name, value in given.items() if value is not None}
        if "flipped" not in chosen:
            chosen["flipped"] = predict(loaded, images, mirrored, flipped=True, progress=progress).folder
        evaluation = evaluate(images, maps, partial=partial, progress=progress, **chosen)
        return replace(evaluation, images=evaluation.images.assign(prediction=""))


def _check_options(task: str, given: Mapping[str, Any]) -> None:
    if task not in _OWN:
        raise InputError.of("task", f"must be one of {', '.join(_OWN)}", task)
    idle = [name for name in given if name not in _OWN[task]]
    if idle:
        raise InputError.of(idle[0], f"is of no use to {task}", given[idle[0]], "leave it out")
    if task == "detection" and "truth" not in given:
        raise InputError.of("truth", "must name the file of true boxes", None, "pass truth=FILE (--truth)")


def _images(dataset: Any) -> Dataset:
    parsed = parse(dataset)
    if not isinstance(parsed, Dataset):
        raise InputError.of("dataset", "must hold images", f"embeddings: {parsed.name}", "pass the folder of the images")
    return parsed
