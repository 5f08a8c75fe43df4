"""Read a model's probability maps, and compute signals that need no labels: confidence, entropy, self-agreement."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from howfar.data import Dataset
from howfar.data.folder_walk import EXTENSIONS, printable
from howfar.data.predictions import ARRAYS, match_maps, read_prediction
from howfar.errors import ImageError, InputError, MissingPathError
from howfar.io.location import absolute
from howfar.metrics import (
    ensemble_agreement,
    flip_agreement,
    flip_overlap,
    foreground_shape,
    histogram,
    signals,
    soft_f,
)
from howfar.metrics.map_agreement import foreground_dice
from howfar.options import Members
from howfar.relation.label_free_columns import (
    AGREEMENTS,
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
class Folders:
    """Name the folders of probability maps: the model's, those of flipped images, of further models, and those by tiles."""

    predictions: Path | None = None
    flipped: Path | None = None
    ensemble: tuple[Path, ...] = ()
    tiles: Path | None = None

    @classmethod
    def of(
        cls, predictions: str | Path | None, flipped: str | Path | None, ensemble: Members, tiles: str | Path | None = None
    ) -> Folders:
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
            raise InputError(
                "predictions must be given where flipped, ensemble or tiles is: they are compared with the model's own maps"
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
    folders: Folders

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
        raise ImageError(f"no map of it below {printable(folder)}")
    try:
        return read_prediction(file).values
    except ImageError as error:
        raise ImageError(f"its map {printable(file)}: {error}") from error


def stacked(images: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, Any]:
    """Stack several images' signals into columns, nan where an image lacks one."""
    blank: dict[str, Any] = {name: np.full(VALUES, np.nan) if name == HISTOGRAM else np.nan for name in names}
    return {name: np.array([signals.get(name, blank[name]) for signals in images]) for name in names}


def _of_stem(folder: Path, stem: str) -> Path | None:
    return next((file for ending in _ENDINGS if (file := folder / f"{stem}{ending}").is_file()), None)
