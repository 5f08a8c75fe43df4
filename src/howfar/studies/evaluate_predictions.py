"""Evaluate a model's predictions on a dataset, without images that the model learnt from (section 3.3 of the paper)."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from howfar.data import Dataset, DatasetArgument, parse
from howfar.data.image_and_mask_folders import path_text
from howfar.data.image_groups_and_variations import HashedDataset, fits
from howfar.errors import InputError, option
from howfar.option_checks_and_signatures import checked, picked, with_options
from howfar.options_by_function import EvaluateOptions, ModelOptions
from howfar.results import Evaluation, Skipped
from howfar.segmenters.checkpoint import CheckpointCard
from howfar.tasks.tasks_and_own_options import TASKS, own_options

if TYPE_CHECKING:
    from howfar.pipeline.prediction import ModelArgument


@with_options(EvaluateOptions)
def evaluate(
    dataset: DatasetArgument,
    predictions: str | Path | None = None,
    *,
    model: ModelArgument | None = None,
    tuned_on: Evaluation | str | Path | None = None,
    **options: Unpack[EvaluateOptions],
) -> Evaluation:
    """Score a model's predictions on a dataset: F at 100 thresholds (section 3.3), and label-free signals.

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
        one for each image, under the same path but for the ending. Several classes (``task="multiclass"``): the same folder
        with numbers of classes (grey or palette), or ``.npy`` or ``.npz`` of (classes, h, w) probabilities. Classification: a
        table with the column image and a column of probabilities for each class, or the columns predicted and, where known,
        confidence; without labels the dataset's class folders count. Detection: a JSON list of ``{"image", "boxes", "scores",
        "labels"}``, boxes as corners x0, y0, x1, y1 in pixels; COCO's results; a folder of YOLO's ``.txt`` with confidences or
        of Ultralytics' ``.json``; a table with one row a box.
    model
        A model in place of predictions: a checkpoint, an ``.onnx`` file, a torch module, or what
        `howfar.pipeline.prediction.load_model` made of one. Its maps of the images, and where `flipped` is not given of the
        mirrored images, are made, scored and not kept. Images that a checkpoint learnt from, and other tiles of their
        photographs, are left out, unless `learnt` is True: then a note says how many there are.
    tuned_on
        An `Evaluation`, or its file, whose best threshold is taken instead: the primary dataset's, to estimate F on unseen
        images.

    Raises
    ------
    HowfarError
        A dataset or folder that is missing or empty, predictions that match no image, images that cannot be scored, an
        option that the task has no use for or that breaks its rule, a model that learnt from every image.

    Examples
    --------
    >>> import tempfile
    >>> from howfar.demo import write_dataset
    >>> roads = write_dataset(Path(tempfile.mkdtemp()) / "roads", 3, seed=0, size=64)
    >>> evaluation = evaluate(roads, roads / "masks", progress=False)
    >>> evaluation.scores["ods"], evaluation.images["performance"].tolist()
    (1.0, [1.0, 1.0, 1.0])
    """
    given = checked(EvaluateOptions, options)
    own = own_options({**given, "tuned_on": tuned_on})
    images = parse(dataset)
    if not isinstance(images, Dataset):
        raise InputError.of("dataset", "must hold images", f"embeddings: {images.name}", "pass the folder of the images")
    loading, progress, partial = picked(ModelOptions, options), given["progress"], given["partial"]
    if model is None:
        for idle, value in {"learnt": given["learnt"] or None, "group": given["group"], **loading}.items():
            if value is not None:
                remedy = "leave it out, or pass a checkpoint (--model CKPT)"
                raise InputError.of(idle, "is of use only to a model", value, remedy)
        if predictions is None:
            raise InputError.of("predictions", "must be given, or a model", None, "pass one (--predictions DIR, --model CKPT)")
        reader = TASKS[given["task"]].of({**given, "tuned_on": tuned_on})
        return reader.evaluate(images, predictions, partial, progress)

    from howfar.pipeline.prediction import loaded_model, predict

    if predictions is not None:
        raise InputError.of("model", "is of no use beside predictions", str(model), "leave one of them out")
    if given["task"] != "segmentation":
        raise InputError.of("model", "is of use only to segmentation", given["task"], "pass predictions")
    loaded = loaded_model(model, loading).settled(images, progress)
    seen = Seen.of(images, loaded.card, given["learnt"], given["group"])
    images = seen.unseen(images)
    with tempfile.TemporaryDirectory() as folder:
        maps, mirrored = (Path(folder) / name for name in ("maps", "flipped"))
        predicted = predict(loaded, images, maps, progress=progress)
        if "flipped" not in own:
            own["flipped"] = predict(loaded, images, mirrored, flipped=True, progress=progress).folder
        unread = {skipped.path for skipped in predicted.skipped}
        read = tuple(item for item in images.items if path_text(item.path) not in unread)
        images = replace(images, items=read, skipped=predicted.skipped)
        evaluation = evaluate(images, maps, partial=partial, progress=progress, **own)
        notes = (*predicted.notes, *seen.notes(list(evaluation.images["image"])), *evaluation.notes)
        made = evaluation.images.assign(prediction="")
        return replace(evaluation, images=made, notes=notes, reading=loaded.reading)


ALL_THE_SAME = f"pass {option('learnt', True)} to score them all the same: it is the training error"
LEARNT = "the model learnt from it"
LEARNT_FROM = "that the model learnt from"
UNKNOWN_IMAGES = "the model began with the weights of an earlier version, whose images are unknown: some may be among these"


@dataclass(frozen=True)
class Seen:
    """Hold the images of a dataset that a model learnt from, and the other tiles of their photographs."""

    contents: frozenset[str] = frozenset()
    tiles: tuple[tuple[str, str], ...] = ()
    scored: bool = False
    complete: bool = True

    @classmethod
    def of(cls, dataset: Dataset, card: CheckpointCard | None, scored: bool = False, group: str | None = None) -> Seen:
        """Compare the images' contents with a checkpoint's card; without a card (None) no image counts as seen."""
        if card is None:
            idle = "learnt" if scored else "group" if group is not None else None
            if idle is not None:
                raise InputError.of(idle, "is of use only to a checkpoint of howfar train", group or scored, "leave it out")
            return cls()
        names = [item.name for item in dataset.items]
        if group is not None and not fits(names, group):
            raise InputError.of("group", f"must match the names of images, such as {names[0]!r}", group, "leave out the ending")
        hashed = HashedDataset.of(dataset, card.data.get("group") if group is None else group)
        learnt = card.learnt
        contents = frozenset(name for name, content in hashed.contents.items() if content in learnt)
        unseen = {item.name for item in hashed.apart_from(contents).dataset.items}
        tiles = tuple(
            (name, hashed.photographs[name]) for name in hashed.contents if name not in unseen and name not in contents
        )
        return cls(contents, tiles, scored, card.all_learnt_known)

    def unseen(self, dataset: Dataset) -> Dataset:
        """Skip the images that the model has seen, with the reason, unless they are to be scored."""
        if self.scored:
            return dataset
        reasons = {name: f"another tile of {photograph}, which the model learnt from" for name, photograph in self.tiles}
        reasons |= dict.fromkeys(self.contents, LEARNT)
        items = tuple(item for item in dataset.items if item.name not in reasons)
        if dataset.items and not items:
            what = "the model learnt from every image of it" + (" or from its photograph" if self.tiles else "")
            remedy = f"evaluate images that the model has not seen, or {ALL_THE_SAME}"
            raise InputError(f"{dataset.name}: {what} ({len(reasons)}), so that none is left to score: {remedy}")
        left_out = [
            Skipped(dataset.name, path_text(item.path), reasons[item.name]) for item in dataset.items if item.name in reasons
        ]
        return replace(dataset, items=items, skipped=(*dataset.skipped, *left_out))

    def notes(self, names: Sequence[str]) -> Iterator[str]:
        """Yield notes on the images that the model has seen; `names` are the evaluated images."""
        if not self.complete:
            yield UNKNOWN_IMAGES
        if not self.scored:
            if count := len(self.contents):
                images = f"1 image {LEARNT_FROM} was" if count == 1 else f"{count} images {LEARNT_FROM} were"
                more = f", and {len(self.tiles)} more {_are(len(self.tiles))} of their photographs" if self.tiles else ""
                yield f"{images} left out{more}: the option learnt (--learnt) scores them too"
            return
        tiles = {name for name, _ in self.tiles}
        learnt, beside = sum(name in self.contents for name in names), sum(name in tiles for name in names)
        if learnt or beside:
            more = f", and {beside} more {_are(beside)} of photographs that it learnt from" if beside else ""
            these = f"{learnt} of these {len(names)} images{more}"
            yield f"the model learnt from {these}: scores on them are training error, and say nothing of unseen images"


def _are(count: int) -> str:
    return "that is a tile" if count == 1 else "that are tiles"
