"""Convert the images that a user picked on the interactive page into results of `howfar select`, one per dataset."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howfar.errors import InputError
from howfar.explore.server import picked_by_dataset, read_picks
from howfar.results import Comparison, Selection
from howfar.selection.candidates import NAME
from howfar.studies.select_images import select


class HandPicked:
    """Choose the picked images in picking order, as a `howfar.protocols.Strategy`."""

    name = "picked"
    needs: tuple[str, ...] = ()
    nested = True

    def __init__(self, images: Sequence[str]) -> None:
        self.images = tuple(images)

    def pick(
        self, columns: Mapping[str, Any], k: int, rng: np.random.Generator, labelled: NDArray[np.bool_] | None = None
    ) -> NDArray[np.intp]:
        """Return the positions of the first k picked images."""
        position = {name: index for index, name in enumerate(columns[NAME].tolist())}
        return np.array([position[name] for name in self.images[:k]], dtype=np.intp)

    def reason(self, values: Mapping[str, float]) -> str:
        """Return the reason for a pick by hand."""
        return "picked by hand"


def selections(
    run: str | Path, dataset: str | None = None, beside: Mapping[str, Any] | None = None
) -> dict[str, Callable[[Path], Selection]]:
    """Return, for each dataset with picks or for one, a function that writes the selection into a folder.

    `beside` are options of `howfar.select` on what is handed over with the images: predictions, label_names, with_images.
    """
    comparison = Comparison.load(run)
    grouped = picked_by_dataset(comparison, read_picks(run))
    if dataset is not None and dataset not in grouped:
        rule = f"must have images that were picked ({', '.join(grouped) or 'none were'})"
        raise InputError.of("dataset", rule, dataset)
    if not grouped:
        raise InputError.of("picks", "must hold an image", 0, f"pick some with howfar explore {run}")
    return {
        name: partial(_write, run, name, images, beside or {})
        for name, images in grouped.items()
        if dataset is None or name == dataset
    }


def _write(run: str | Path, dataset: str, images: Sequence[str], beside: Mapping[str, Any], folder: Path) -> Selection:
    return select(run, dataset, len(images), HandPicked(images), out=folder, **beside)
