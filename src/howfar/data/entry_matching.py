"""Match images with the entries of a file that lists predictions or labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from howfar.data.dataset import Dataset
from howfar.data.folder_walk import printable, stem
from howfar.data.prediction_matching import match_names, no_match
from howfar.errors import InputError


def entries_of(dataset: Dataset, what: str, file: Path, names: Sequence[str]) -> dict[str, str]:
    """Match images with entries of a file, by name: the same name, else the same path without the ending.

    Raises `InputError` where no entry matches an image.
    """
    whole = set(names)
    by_stem = {stem(name): name for name in reversed(names)}
    keys = match_names(dataset, by_stem)
    by_image = {image: image if image in whole else by_stem.get(key) for image, key in keys.items()}
    matched = {image: entry for image, entry in by_image.items() if entry is not None}
    if not matched:
        raise InputError(no_match(dataset, what, printable(file), names))
    return matched
