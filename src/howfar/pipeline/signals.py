"""Read a model's predictions (probability maps, classes or boxes), and compute their signals that need no labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from howfar.data import Dataset, Item
from howfar.data.box_files import read_predicted_boxes
from howfar.data.boxes import read_boxes
from howfar.data.classes import read_classes
from howfar.data.dataset import entries_of
from howfar.data.folder import EXTENSIONS, path_text, stem, walk
from howfar.data.images import size
from howfar.data.predictions import ARRAYS, match_maps, read_class_map, read_prediction
from howfar.errors import ImageError, InputError, MissingPathError
from howfar.io.location import absolute
from howfar.metrics import ensemble_agreement, flip_agreement, flip_overlap, foreground_shape, histogram, signals, soft_f
from howfar.metrics.classification import class_signals
from howfar.metrics.detection import Boxes, Detection, box_consistency, box_signals, box_stability, mirrored
from howfar.metrics.label_free_signals import foreground_dice
from howfar.metrics.multiclass import class_map_signals
from howfar.options import Members
from howfar.relation.image_columns import (
    AGREEMENTS,
    BOX_AGREEMENTS,
    BOX_SIGNALS,
    CLASS_SIGNALS,
    CONFIDENCE,
    CONFIDENCES,
    FLIP_OVERLAP,
    HISTOGRAM,
    SHAPES,
    SOFT_F,
    TILE_AGREEMENT,
    VALUES,
)

_Place: TypeAlias = tuple[Path | None, Path]
_Compared: TypeAlias = Callable[[NDArray[Any], list[NDArray[Any]], float], dict[str, float]]
_ENDINGS = (".png", *sorted({*EXTENSIONS, *ARRAYS} - {".png"}))


@dataclass(frozen=True)
class MapFolders:
    """Name the folders of probability maps: the model's, those of flipped images, of further models, and those by tiles."""

    predictions: Path | None = None
    flipped: Path | None = None
    ensemble: tuple[Path, ...] = ()
    tiles: Path | None = None

    @classmethod
    def of(
        cls, predictions: str | Path | None, flipped: str | Path | None, ensemble: Members, tiles: str | Path | None = None
    ) -> MapFolders:
        """Check that the folders are there.

        Raises `MissingPathError` where a folder is not there; `InputError` where a folder is a file, or there are others and
        none of the model's own maps.
        """
        members = (ensemble,) if isinstance(ensemble, (str, Path)) else tuple(ensemble)
        named = [
            ("predictions", predictions),
            ("flipped", flipped),
            *(("ensemble", member) for member in members),
            ("tiles", tiles),
        ]
        given = [(argument, folder) for argument, folder in named if folder is not None]
        for argument, folder in given:
            if not absolute(folder).exists():
                raise MissingPathError(f"no folder of predictions at {absolute(folder)}: check the path")
            if not absolute(folder).is_dir():
                raise InputError.of(argument, "must be a folder of probability maps", str(folder))
        if given and predictions is None:
            raise InputError.of(
                "predictions", "must be given where flipped, ensemble or tiles is: they are compared with the model's own maps"
            )
        main, mirrored, tiled = (None if folder is None else absolute(folder) for folder in (predictions, flipped, tiles))
        return cls(main, mirrored, tuple(absolute(folder) for folder in members), tiled)

    def columns(self) -> tuple[str, ...]:
        """List the columns that these folders give."""
        if self.predictions is None:
            return ()
        agreements = tuple(name for name, given in zip(AGREEMENTS, (self.flipped, self.ensemble), strict=True) if given)
        overlap = (FLIP_OVERLAP,) if self.flipped else ()
        return (*CONFIDENCES, SOFT_F, HISTOGRAM, *SHAPES, *agreements, *overlap, *((TILE_AGREEMENT,) if self.tiles else ()))

    def matched(self, dataset: Dataset) -> dict[Path | str, ImageMaps]:
        """Find the maps of a dataset's images, by the image's file.

        Raises `HowfarError` where a folder has no map of any of the images.
        """
        by_folder = [match_maps(dataset, folder).files for folder in self.all()]
        return {item.path: ImageMaps(tuple(files.get(item.name) for files in by_folder), self) for item in dataset.items}

    def beside(self, image: Path | str) -> ImageMaps:
        """Find the maps of one image: the files with its name but for the ending."""
        return ImageMaps(tuple(_of_stem(folder, Path(image).stem) for folder in self.all()), self)

    def all(self) -> Iterator[Path]:
        """Yield the folders in the order in which `ImageMaps.files` has them."""
        yield from (folder for folder in (self.predictions, self.flipped, *self.ensemble, self.tiles) if folder is not None)


@dataclass(frozen=True)
class ImageMaps:
    """Hold the maps of one image: a file, or None, from each of the folders in their order."""

    files: tuple[Path | None, ...]
    folders: MapFolders

    def read(self, threshold: float) -> tuple[dict[str, Any], str]:
        """Compute the signals of the maps, by the names that estimators know them by; and why some are missing, else "".

        What is read of the predicted foreground counts the pixels with a probability above `threshold`.
        """
        columns: dict[str, Any] = {}
        place, *others = zip(self.files, self.folders.all(), strict=True)
        try:
            main = _read(*place)
            counts = histogram(main)
            columns |= {**signals(counts, threshold), SOFT_F: soft_f(counts, threshold), HISTOGRAM: counts.astype(np.float64)}
            columns |= foreground_shape(main, threshold)
        except (ImageError, InputError) as error:
            return columns, str(error)
        why = []
        for compare, places in self._comparisons(others):
            try:
                columns |= compare(main, [_read(*each) for each in places], threshold)
            except (ImageError, InputError) as error:
                why.append(str(error))
        return columns, "; ".join(why)

    def _comparisons(self, others: list[_Place]) -> Iterator[tuple[_Compared, list[_Place]]]:
        """Yield what a map is compared with, and how."""
        if self.folders.flipped is not None:
            yield _flipped, [others.pop(0)]
        if self.folders.tiles is not None:
            yield _tiled, [others.pop()]
        if others:
            yield _ensemble, others


def _flipped(main: NDArray[Any], mirrored: list[NDArray[Any]], threshold: float) -> dict[str, float]:
    return {
        "flip_agreement": flip_agreement(main, mirrored[0]),
        FLIP_OVERLAP: flip_overlap(main, mirrored[0], threshold),
    }


def _tiled(main: NDArray[Any], tiled: list[NDArray[Any]], threshold: float) -> dict[str, float]:
    return {TILE_AGREEMENT: foreground_dice(main, tiled[0], threshold)}


def _ensemble(main: NDArray[Any], members: list[NDArray[Any]], threshold: float) -> dict[str, float]:
    return {"ensemble_agreement": ensemble_agreement([main, *members])}


def _read(file: Path | None, folder: Path) -> NDArray[Any]:
    if file is None:
        raise ImageError(f"no map of it below {path_text(folder)}")
    try:
        return read_prediction(file).values
    except ImageError as error:
        raise ImageError(f"its map {path_text(file)}: {error}") from error


def stacked(images: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, Any]:
    """Stack several images' signals into columns, nan where an image lacks one."""
    blank: dict[str, Any] = {name: np.full(VALUES, np.nan) if name == HISTOGRAM else np.nan for name in names}
    return {name: np.array([signals.get(name, blank[name]) for signals in images]) for name in names}


def _of_stem(folder: Path, stem: str) -> Path | None:
    return next((file for ending in _ENDINGS if (file := folder / f"{stem}{ending}").is_file()), None)


AVERAGE = "average_confidence"
_OF_A_SET = ("nuclear_norm", "mano")
"""Signals of a classifier that an image has only among the others of its set."""
ENDINGS = (".csv", ".parquet", ".pq", ".json")


@dataclass(frozen=True)
class ListedImage:
    """Hold the signals of one image, and why some are missing, else ""."""

    signals: Mapping[str, float]
    words: str = ""

    def read(self, threshold: float) -> tuple[dict[str, Any], str]:
        """Return the signals, by the names that estimators know them by, and why some are missing; no threshold matters."""
        return dict(self.signals), self.words


@dataclass(frozen=True, eq=False)
class Listed:
    """Hold a file of predictions: the names of its entries, and the functions by which their signals are computed.

    `of_set` computes the signals of several entries of one set, and takes the width of each image's picture where boxes of the
    flipped images are to be flipped back.
    """

    predictions: Path
    names: tuple[str, ...]
    given: tuple[str, ...]
    of_set: Callable[[list[tuple[str, Path | str]]], list[Mapping[str, float]]]
    alone: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def of(cls, predictions: Path, flipped: str | Path | None, metric: str) -> Listed:
        """Read a table of class predictions, or boxes in JSON; `metric` says by which overlap and from which score boxes count.

        Raises `InputError` where the file is of no such form, or there are predictions of flipped images of a classifier.
        """
        if predictions.suffix.lower() == ".json":
            return _boxes(predictions, None if flipped is None else Path(flipped), Detection.named(metric))
        if flipped is not None:
            raise InputError.of("flipped", "is of no use to classification", str(flipped), "leave it out")
        return _classes(predictions)

    def columns(self) -> tuple[str, ...]:
        """List the columns that the file gives."""
        return self.given

    def matched(self, dataset: Dataset) -> dict[Path | str, ListedImage]:
        """Compute the signals of a dataset's images, by the image's file.

        Raises `InputError` where no entry of the file is of an image.
        """
        entries = entries_of(dataset, "row", self.predictions, list(self.names))
        named = [(entries[item.name], item.path) for item in dataset.items if item.name in entries]
        signals = dict(zip((path for _, path in named), self.of_set(named), strict=True))
        return {item.path: _image(signals.get(item.path), self.predictions) for item in dataset.items}

    def beside(self, image: Path | str) -> ListedImage:
        """Compute the signals of one image that comes alone, without those of a set."""
        by_stem = {stem(Path(name).name): name for name in reversed(self.names)}
        entry = by_stem.get(Path(image).stem)
        if entry is None:
            return _image(None, self.predictions)
        (signals,) = self.of_set([(entry, image)])
        return _image({name: value for name, value in signals.items() if name not in self.alone}, self.predictions)


def _image(signals: Mapping[str, float] | None, file: Path) -> ListedImage:
    if signals is None:
        return ListedImage({}, f"no prediction of it in {path_text(file)}")
    return ListedImage(signals)


def _classes(file: Path) -> Listed:
    table = read_classes(file)
    row = {image: number for number, image in enumerate(table.images)}

    def of_set(entries: list[tuple[str, Path | str]]) -> list[Mapping[str, float]]:
        rows = [row[name] for name, _ in entries]
        confidence = table.confidence[rows]
        columns = {AVERAGE: confidence, CONFIDENCE: confidence}
        if table.probabilities is not None and rows:
            whole = np.flatnonzero(np.isfinite(table.probabilities[rows]).all(axis=1))
            for name, values in (class_signals(table.probabilities[rows][whole]) if len(whole) else {}).items():
                columns[name] = np.full(len(rows), np.nan)
                columns[name][whole] = values
        return [{name: float(values[k]) for name, values in columns.items()} for k in range(len(rows))]

    known = (CONFIDENCE,) if table.probabilities is None else CLASS_SIGNALS
    return Listed(file, table.images, (AVERAGE, *known), of_set, frozenset(_OF_A_SET))


def _boxes(file: Path, flipped: Path | None, metric: Detection) -> Listed:
    mirror = None if flipped is None else read_boxes(flipped, "boxes of the flipped images")
    return listed_boxes(file, read_boxes(file), mirror, metric)


def listed_boxes(
    file: Path, predicted: Mapping[str, Mapping[str, Any]], mirror: Mapping[str, Mapping[str, Any]] | None, metric: Detection
) -> Listed:
    """List boxes by the names of their entries, with those of the flipped images where there are any.

    Raises `InputError` for boxes that cannot be scored, when their signals are computed.
    """
    words = sorted({word for side in (predicted, mirror or {}) for boxes in side.values() for word in boxes["labels"]})
    index = {word: number for number, word in enumerate(words)}
    by_stem = {} if mirror is None else {stem(name): boxes for name, boxes in mirror.items()}

    def tally(name: str, boxes: Mapping[str, Any]) -> Boxes:
        try:
            numbered = {**boxes, "labels": [index[word] for word in boxes["labels"]]}
            return metric.tally(numbered, {"boxes": [], "labels": []})
        except InputError as error:
            raise InputError(f"the entry {name} of {path_text(file)}: {error}") from error

    def of_image(name: str, path: Path | str) -> Mapping[str, float]:
        own = tally(name, predicted[name])
        kept = own.scores >= metric.min_score
        signals = box_signals(own.scores[kept])
        other = None if mirror is None else mirror.get(name) or by_stem.get(stem(name))
        if other is None:
            return signals
        back = tally(name, other)
        there = back.scores >= metric.min_score
        try:
            corners = mirrored(back.predicted[there], size(path)[0])
        except ImageError:
            return signals
        labels, theirs = own.labels[kept], back.labels[there]
        agreement = (
            box_stability(own.predicted[kept], corners),
            box_consistency(own.predicted[kept], labels, corners, theirs, metric.iou),
        )
        return {**signals, **dict(zip(BOX_AGREEMENTS, agreement, strict=True))}

    given = BOX_SIGNALS if mirror is not None else tuple(name for name in BOX_SIGNALS if name not in BOX_AGREEMENTS)
    return Listed(file, tuple(predicted), given, lambda entries: [of_image(*entry) for entry in entries])


@dataclass(frozen=True)
class BoxListing:
    """Name a file or folder of predicted boxes, as `howfar.evaluate` takes them, and of those of the flipped images.

    Classes that are numbers stay numbers, as the signals of boxes need no names.
    """

    predictions: Path
    flipped: Path | None
    metric: Detection

    def columns(self) -> tuple[str, ...]:
        """List the columns that the boxes give."""
        return tuple(name for name in BOX_SIGNALS if self.flipped is not None or name not in BOX_AGREEMENTS)

    def matched(self, dataset: Dataset) -> dict[Path | str, ListedImage]:
        """Compute the signals of a dataset's images, by the image's file.

        Raises `HowfarError` where the boxes cannot be read, or none is of an image.
        """
        boxes = read_predicted_boxes(dataset, self.predictions).boxes
        what = "boxes of the flipped images"
        mirror = None if self.flipped is None else read_predicted_boxes(dataset, self.flipped, what=what).boxes
        return listed_boxes(self.predictions, boxes, mirror, self.metric).matched(dataset)

    def beside(self, image: Path | str) -> ListedImage:
        """Compute the signals of one image that comes alone."""
        return self.matched(Dataset("new", (Item(Path(image).name, image),)))[image]


SIGNALS: Final = ("average_confidence", "margin", "entropy", "soft_f")


def class_maps_in(folder: Path) -> Listed:
    """List the maps below a folder by their paths; a map of indices has no signals.

    Raises `InputError` where there is none; and later, when signals are computed, for a map that cannot be read.
    """
    files = sorted(walk(folder, endings={*EXTENSIONS, *ARRAYS}).images)
    if not files:
        raise InputError(f"no map below {folder}: predictions are maps of classes, one for each image")
    by_name = {file.relative_to(folder).as_posix(): file for file in files}
    return Listed(folder, tuple(by_name), SIGNALS, partial(_signals, by_name))


def _signals(files: Mapping[str, Path], entries: list[tuple[str, Path | str]]) -> list[Mapping[str, float]]:
    found: list[Mapping[str, float]] = []
    for name, _ in entries:
        try:
            given = read_class_map(files[name])
        except ImageError as error:
            raise InputError(f"the prediction {path_text(files[name])}: {error}") from error
        found.append({} if given.probabilities is None else class_map_signals(given.probabilities))
    return found
