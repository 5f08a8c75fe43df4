"""Find or make the probability maps of each dataset: as they are, mirrored, and by tiles where images are large."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from howfar.data import Dataset
from howfar.data.images import size
from howfar.data.predictions import match_maps
from howfar.errors import ImageError, InputError, MissingPathError
from howfar.pipeline.image_sizes import LARGER
from howfar.pipeline.prediction import Model, predict

FLIPPED, TILED = "-flipped", "-tiled"


@dataclass(frozen=True)
class Maps:
    """Name the folders of one dataset's maps; None for those that there are not."""

    main: Path
    flipped: Path | None = None
    tiled: Path | None = None


class MapSource(Protocol):
    """Give the maps of several datasets."""

    def of(self, datasets: Sequence[Dataset]) -> list[Maps]:
        """Return the folders of each dataset's maps, in the order of the datasets."""
        ...


def folder_of(dataset: str) -> str:
    """Write a dataset's name as that of a folder.

    Examples
    --------
    >>> folder_of("roads"), folder_of("site a/2024")
    ('roads', 'site a-2024')
    """
    name = dataset.translate(str.maketrans("/\\\0", "---"))
    return name if name.strip(".") else name.replace(".", "-")


def check_folders(datasets: Sequence[Dataset]) -> None:
    """Raise `InputError` where the maps of two datasets would lie in one folder."""
    names = [f"{folder_of(dataset.name)}{ending}" for dataset in datasets for ending in ("", FLIPPED, TILED)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError.of(
            "sites", "must have names whose maps lie in folders of their own", twice[0], "name them as NAME=PATH"
        )


@dataclass(frozen=True)
class GivenMaps:
    """Find maps that somebody made: DIR/NAME, and where there are such DIR/NAME-flipped and DIR/NAME-tiled."""

    folder: Path

    def of(self, datasets: Sequence[Dataset]) -> list[Maps]:
        """Find the folders of each dataset, and see that they hold maps of it.

        Raises `MissingPathError` where a dataset has no folder, `InputError` where it holds no map of its images.
        """
        return [self._one(dataset) for dataset in datasets]

    def mapped(self, dataset: Dataset) -> Dataset:
        """Leave out the images of a dataset that have no map; raises as `of`."""
        files = match_maps(dataset, self._main(dataset)).files
        return replace(dataset, items=tuple(item for item in dataset.items if item.name in files))

    def _main(self, dataset: Dataset) -> Path:
        folder = self.folder / folder_of(dataset.name)
        if not folder.is_dir():
            raise MissingPathError(f"predictions: no folder {folder}: put the maps of {dataset.name} there, one for each image")
        return folder

    def _one(self, dataset: Dataset) -> Maps:
        name, main = folder_of(dataset.name), self._main(dataset)
        beside = [self.folder / f"{name}{ending}" for ending in (FLIPPED, TILED)]
        flipped, tiled = (folder if folder.is_dir() else None for folder in beside)
        for folder in (main, flipped, tiled):
            if folder is not None:
                match_maps(dataset, folder)
        return Maps(main, flipped, tiled)


@dataclass(frozen=True)
class MadeMaps:
    """Predict maps by a model into a folder, where maps that are there already are kept.

    Whole images are also predicted by tiles where those of some dataset are much larger than the first one's, which the model
    learnt from: whether the two agree says then whether the images are made too small. The others are predicted so too, to
    know how far the two agree on images that the model knows.
    """

    model: Model
    folder: Path
    progress: bool

    def of(self, datasets: Sequence[Dataset]) -> list[Maps]:
        """Predict every dataset as it is and mirrored, and by tiles where that may matter.

        Raises `HowfarError` where no image of a dataset can be read.
        """
        made = [self._made(dataset, self.model, "") for dataset in datasets]
        flipped = [self._made(dataset, self.model, FLIPPED, mirrored=True) for dataset in datasets]
        tiled: list[Path | None] = [None] * len(datasets)
        if not self.model.predictor.tiled and self._large(datasets, made):
            by_tiles = _by_tiles(self.model)
            tiled = [self._made(dataset, by_tiles, TILED) for dataset in datasets]
        return [Maps(*folders) for folders in zip(made, flipped, tiled, strict=True)]

    def _made(self, dataset: Dataset, model: Model, ending: str, *, mirrored: bool = False) -> Path:
        folder = self.folder / f"{folder_of(dataset.name)}{ending}"
        return predict(model, dataset, folder, flipped=mirrored, progress=self.progress).folder

    def _large(self, datasets: Sequence[Dataset], folders: Sequence[Path]) -> bool:
        sides = [_side(dataset, folder) for dataset, folder in zip(datasets, folders, strict=True)]
        return any(side > LARGER * sides[0] for side in sides[1:])


def _by_tiles(model: Model) -> Model:
    return replace(
        model,
        predictor=replace(model.predictor, tiled=True),
        identity={**model.identity, "size": model.predictor.size, "tiled": True},
    )


def _side(dataset: Dataset, folder: Path) -> float:
    """Compute the median side, √(width · height), of a dataset's images, from the headers of their maps."""
    sides = []
    for file in match_maps(dataset, folder).files.values():
        try:
            width, height = size(file)
        except ImageError as error:
            raise InputError(f"{file} cannot be read ({error}): remove it, and it is made anew") from error
        sides.append(np.sqrt(width * height))
    return float(np.median(sides))


def labelled_part(dataset: Dataset) -> Dataset:
    """Leave out the images of the primary dataset that have no mask; `InputError` where none has one."""
    items = tuple(item for item in dataset.items if item.mask is not None)
    if not items:
        remedy = "put them in masks/ beside images/, named as the images"
        raise InputError.of("primary", "must have masks", f"{dataset.name} without any", remedy)
    return replace(dataset, items=items)
