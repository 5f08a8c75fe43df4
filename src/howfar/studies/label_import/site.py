"""Find the images that labels are of: a dataset, or what `howfar select` handed over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from howfar.data import Dataset, DatasetArgument, Item, parse
from howfar.data.label_exports import LabelledImage, damage_as_input_error, read_export
from howfar.data.label_names import LabelNames, Named, label_names
from howfar.data.memory_images import check_files
from howfar.errors import InputError
from howfar.io.location import absolute
from howfar.results import Selection

TASKS = ("segmentation", "detection", "classification")
_HANDED_OVER = "coco.json"


@dataclass(frozen=True, eq=False)
class Site:
    """Hold the images that labels may be of, what is labelled and how labels are called, and the model's first labels.

    `begun` are the images of the file that was handed over, by name; none where it is not known.
    """

    dataset: Dataset
    task: str
    names: LabelNames
    begun: Mapping[str, LabelledImage]


def site_of(images: DatasetArgument, task: str | None, names: Named) -> Site:
    """Read the images; task and names are by default those of the selection.

    A table with a column ``name``, as chosen.csv, is of images of these names.

    Raises
    ------
    HowfarError
        Neither a dataset of image files nor the folder of a selection; a task that there is none of.
    """
    folder = absolute(images) if isinstance(images, (str, Path)) else None
    if folder is not None and (folder / Selection.DOCUMENT).is_file():
        selection = Selection.load(folder)
        items = tuple(
            Item(pick.image, Path(pick.path) if Path(pick.path).is_absolute() else pick.path) for pick in selection.picks
        )
        if not all(pick.path for pick in selection.picks):
            raise InputError.of("images", "must be files (this selection is of ready-made embeddings)", str(images))
        task = task or selection.task
        named = label_names(names, task)
        named = named if named.given else LabelNames(selection.label_names)
        return Site(Dataset(selection.dataset, items), _checked(task), named, _begun(folder / _HANDED_OVER))
    # The folder that howfar certify wrote has its images in the same list, beside pictures that are none of the site's.
    listed = None if folder is None else folder / "chosen.csv"
    dataset = parse(listed if listed is not None and listed.is_file() else images)
    if not isinstance(dataset, Dataset):
        raise InputError.of("images", "must be images, not embeddings", dataset.name)
    check_files(dataset, "images", "labels are written beside them")
    task = _checked(task or TASKS[0])
    return Site(_renamed(dataset), task, label_names(names, task), {})


def _checked(task: str) -> str:
    if task not in TASKS:
        raise InputError.of("task", f"must be one of {', '.join(TASKS)}", task)
    return task


def _begun(file: Path) -> dict[str, LabelledImage]:
    """Read back the first labels that were handed over."""
    if not file.is_file():
        return {}
    with damage_as_input_error(file):
        return {image.name: image for image in read_export(file).images}


def _renamed(dataset: Dataset) -> Dataset:
    """Call the images of a list that howfar wrote as the dataset does that they were chosen from."""
    names = [dict(item.further).get("name", "") for item in dataset.items]
    if not all(names) or len(set(names)) < len(names):
        return dataset
    return replace(dataset, items=tuple(replace(item, name=name) for item, name in zip(dataset.items, names, strict=True)))
