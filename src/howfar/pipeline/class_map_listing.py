"""List a folder of maps of several classes, and compute the signals of those that an image has."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final

from howfar.data.class_maps import read_class_map
from howfar.data.folder_walk import EXTENSIONS, printable, walk
from howfar.data.predictions import ARRAYS
from howfar.errors import ImageError, InputError
from howfar.metrics.class_map_signals import class_map_signals
from howfar.pipeline.listed_signals import Listed

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
            raise InputError(f"the prediction {printable(files[name])}: {error}") from error
        found.append({} if given.probabilities is None else class_map_signals(given.probabilities))
    return found
