"""Take the folders that images are sorted into for their classes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath

from howfar.data.dataset import Dataset
from howfar.data.prediction_matching import examples


def labelled_by_folders(dataset: Dataset) -> Dataset:
    """Give each image the name of its class folder as label: the first folder of its name, as in ``cats/1.jpg``.

    A dataset in which an image has a label already, one with images in no folder, and one of a single folder stay as they are.

    Examples
    --------
    >>> from pathlib import Path
    >>> from howfar.data import Item
    >>> pets = Dataset("pets", (Item("cats/1.jpg", Path("1.jpg")), Item("dogs/a/1.jpg", Path("2.jpg"))))
    >>> [item.label for item in labelled_by_folders(pets).items]
    ['cats', 'dogs']
    """
    parts = [PurePosixPath(item.name).parts for item in dataset.items]
    folders = {part[0] for part in parts}
    if any(item.label is not None for item in dataset.items) or min(map(len, parts), default=0) < 2 or len(folders) < 2:
        return dataset
    if any(part[0] == "/" or "://" in item.name for part, item in zip(parts, dataset.items, strict=True)):
        return dataset
    items = tuple(replace(item, label=part[0]) for part, item in zip(parts, dataset.items, strict=True))
    return replace(dataset, items=items)


def folder_notes(before: Dataset, after: Dataset) -> Iterator[str]:
    """Say that the labels are names of folders, where they are."""
    if before is not after:
        names = sorted({item.label for item in after.items if item.label is not None})
        yield f"the labels are the names of the class folders ({len(names)}: {examples(names)})"
