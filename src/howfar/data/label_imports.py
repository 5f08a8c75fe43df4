"""Read labels of images back from labelling tools: masks in a folder, or an export of COCO, CVAT or Label Studio."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howfar.data.dataset import Dataset
from howfar.data.folder_walk import EXTENSIONS, natural_key, stem, walk
from howfar.data.label_exports import KINDS, Export, damage_as_input_error, read_export
from howfar.data.label_exports.shapes import blank
from howfar.data.labelling import CATEGORY
from howfar.data.prediction_matching import match_names
from howfar.errors import InputError, MissingPathError
from howfar.io.location import absolute
from howfar.memory import check_file
from howfar.printable import xml_text

__all__ = ["Labels", "matched", "read_labels"]

Shapes = Iterator[tuple[str, NDArray[np.bool_]]]


@dataclass(frozen=True, eq=False)
class Labels:
    """Hold the masks of a dataset's images: files by image name, or foregrounds (h, w) that an export describes.

    A foreground of 0 × 0 pixels is that of an image in which somebody found nothing. `strangers` are masks or entries that
    belong to no image of the dataset. `unsure` is whether images may be among them that nobody looked at: COCO and CVAT list
    all images of a task, with the shapes that they were imported with.
    """

    masks: Mapping[str, Path | NDArray[np.bool_]]
    strangers: tuple[str, ...] = ()
    unsure: bool = False


def read_labels(dataset: Dataset, source: str | Path) -> Labels:
    """Read the labels of a dataset's images.

    Parameters
    ----------
    dataset
        Its images are matched by their paths without the endings.
    source
        A folder of masks; or an export: COCO's JSON (polygons and run lengths; of several categories the one called
        "foreground"), CVAT for images 1.1 (polygons, boxes, masks), or Label Studio's JSON (polygons, rectangles, brushes).

    Raises
    ------
    MissingPathError
        There is no such folder or file.
    InputError
        It is of no such form, or is damaged.

    Examples
    --------
    >>> import tempfile
    >>> from PIL import Image
    >>> from howfar.data import Item
    >>> folder = Path(tempfile.mkdtemp())
    >>> Image.new("L", (4, 4)).save(folder / "1.png")
    >>> list(read_labels(Dataset("roads", (Item("1.jpg", Path("1.jpg")),)), folder).masks)
    ['1.jpg']
    """
    path = absolute(source)
    if path.is_dir():
        files = sorted(walk(path, endings=EXTENSIONS).images, key=lambda file: natural_key(file.name))
        return Labels(*matched(dataset, {stem(file.relative_to(path).as_posix()): file for file in reversed(files)}))
    if not path.is_file():
        raise MissingPathError(f"no labels at {path}: pass {KINDS}")
    with damage_as_input_error(path):
        export = read_export(path)
        by_key = _joined(_shapes(export))
    return Labels(*matched(dataset, by_key), unsure=export.unsure)


def matched(dataset: Dataset, by_key: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Match labels to images by path without ending, or by the last part of it where that alone is unique and matches."""
    plain = {xml_text(stem(item.name)): stem(item.name) for item in dataset.items}
    by_key = {plain.get(key, key): label for key, label in by_key.items()}
    keys = match_names(dataset, by_key)
    masks: dict[str, Any] = {name: by_key[key] for name, key in keys.items() if key in by_key}
    if not masks:
        last = {PurePosixPath(key).name: key for key in by_key}
        short = {name: PurePosixPath(key).name for name, key in keys.items()}
        if len(last) == len(by_key) and len(set(short.values())) == len(short):
            keys = {name: last[part] for name, part in short.items() if part in last}
            masks = {name: by_key[key] for name, key in keys.items()}
    used = set(keys.values())
    return masks, tuple(key for key in by_key if key not in used)


def _joined(shapes: Shapes) -> dict[str, NDArray[np.bool_]]:
    """Join the shapes of each image into one foreground."""
    joined: dict[str, NDArray[np.bool_]] = {}
    held = 0
    for name, shape in shapes:
        key = stem(name)
        if key not in joined:
            held += shape.nbytes
            check_file(held, "the masks of the labels")
        joined[key] = joined[key] | shape if key in joined else shape
    return joined


def _shapes(export: Export) -> Shapes:
    """Yield an empty shape for each image that somebody may have looked at, then its areas.

    Of several labels the one called "foreground" counts, and a single one counts whatever it is called.
    """
    used = {mark.label for image in export.images for mark in image.marks if mark.draw is not None}
    chosen = {CATEGORY} & used if len(used) > 1 else set()
    if len(used) > 1 and not chosen:
        what = "categories" if export.tool == "COCO" else "labels"
        raise InputError(f"it has {len(used)} {what}, none called {CATEGORY}")
    for image in export.images:
        if image.looked_at is False:
            continue
        areas = [mark.draw for mark in image.marks if mark.draw is not None and (not chosen or mark.label in chosen)]
        if export.unsure:
            width, height = (None, None) if image.size is None else image.size
            yield image.name, blank(height, width)
        elif not areas:
            yield image.name, np.zeros((0, 0), np.bool_)
        for draw in areas:
            yield image.name, draw()
