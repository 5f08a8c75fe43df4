"""Read the labels of a certificate's sample, score the labelled images, and decide which labels count."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from howfar.data import Dataset
from howfar.data.dataset import examples
from howfar.data.folder import EXTENSIONS, walk
from howfar.data.label_exports import read_labels
from howfar.data.predictions import read_prediction
from howfar.errors import InputError
from howfar.mask_colour import by_colour
from howfar.metrics import Counts, histogram, stack, threshold_index
from howfar.metrics.probability_maps import as_levels
from howfar.studies.certification.estimates import Measure, Pair, expected_counts
from howfar.studies.certification.sample import Begun
from howfar.studies.evaluation.map_scores import Fault, ScoredMap, Sources, read_maps

MASKS = "masks"
"""The folder in `out` that masks are looked for in."""


@dataclass(frozen=True, eq=False)
class LabelledSample:
    """Hold the counts of the labelled images, the first of the sample in its order, and notes on labels that did not count."""

    counts: Counts | None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return 0 if self.counts is None else len(self.counts)


def take_labels(begun: Begun, places: Sequence[str | Path], own: Path | None = None) -> LabelledSample:
    """Read the labels of the drawn images, and score those that may count.

    Labels count in the order of the draw, up to the first image that has none: whoever skips an image chooses, and a chosen
    sample shows nothing. Labels of images that were not drawn do not count either. `places` are folders of masks and exports;
    the first that has an image's label gives it. `own` is that of masks which howfar handed out.

    Raises
    ------
    InputError
        A label that cannot be used, or labels none of which is of an image of the site.
    """
    dataset, sources, tolerance = begun.dataset, begun.sources, begun.tolerance
    items = {item.name: item for item in dataset.items}
    with tempfile.TemporaryDirectory() as folder:
        masks, notes = _collected(dataset, sources, places, begun.threshold, Path(folder), own)
        drawn = [one.image for one in begun.drawn]
        counting, remarks = in_order(drawn, masks)
        labelled = [replace(items[name], mask=masks[name]) for name in counting]
        scored = [_usable(outcome) for outcome in read_maps(labelled, sources, tolerance, progress=False)]
    notes += remarks
    return LabelledSample(stack(image.counts for image in scored) if scored else None, tuple(notes))


def in_order(drawn: Sequence[str], labelled: Collection[str]) -> tuple[list[str], list[str]]:
    """Return the images whose labels count, the first drawn up to one that has none, and notes on labels that do not count.

    Examples
    --------
    >>> in_order(["3.png", "1.png", "2.png"], {"3.png", "2.png"})[0]
    ['3.png']
    """
    notes = []
    strange = [name for name in labelled if name not in set(drawn)]
    first_gap = next((position for position, name in enumerate(drawn) if name not in labelled), len(drawn))
    waiting = [name for name in drawn[first_gap:] if name in labelled]
    if strange:
        notes.append(
            f"{label_count(len(strange))} not of drawn images ({examples(strange)}): left out, since they were not drawn"
        )
    if waiting:
        rest = f"{label_count(len(waiting))} after it ({examples(waiting)}): left out until it is labelled too"
        notes.append(f"{drawn[first_gap]} is next in the order of the draw and has no label, and {rest}")
    return list(drawn[:first_gap]), notes


def foregrounds(begun: Begun) -> dict[str, Callable[[], NDArray[np.bool_]]]:
    """Return functions that read what the model takes for foreground in each drawn image, by name: labels to begin with."""
    files = begun.sources.main.files
    return {one.image: partial(read_foreground, files[one.image], begun.threshold) for one in begun.drawn}


def expected_parts(begun: Begun, measure: Measure) -> Pair:
    """Compute what each map expects of a measure's numerators and denominators, (m, t) each, if its p is right."""
    files = (begun.sources.main.files[item.name] for item in begun.dataset.items)
    counts = [expected_counts(histogram(read_prediction(file).values)) for file in files]
    parts = measure.measured(stack(counts), begun.threshold).parts
    if parts is None:
        raise InputError(f"{measure.name} is no ratio of sums")
    return parts


def mask_files(folder: Path) -> bool:
    """Return whether a folder is there and holds an image file."""
    return folder.is_dir() and bool(walk(folder, endings=EXTENSIONS).images)


def _collected(
    dataset: Dataset, sources: Sources, places: Sequence[str | Path], threshold: float, scratch: Path, own: Path | None
) -> tuple[dict[str, Path], list[str]]:
    """Collect the masks of all places as files by image name, and notes on what cannot be meant as a label."""
    masks: dict[str, Path] = {}
    notes: list[str] = []
    for number, place in enumerate(places):
        labels = read_labels(dataset, place)
        if not labels.masks:
            wanted = f"name masks as the images, such as {dataset.items[0].name}"
            raise InputError.of("labels", f"must hold labels of images of {dataset.name}", str(place), wanted)
        if labels.strangers:
            notes.append(f"{label_count(len(labels.strangers))} of no image of {dataset.name} ({examples(labels.strangers)})")
        untouched: list[str] = []
        for name, mask in labels.masks.items():
            if isinstance(mask, Path):
                # Masks that howfar handed out are black and white, whatever colour those of the user have.
                masks.setdefault(name, by_colour(mask) if place != own else mask)
                continue
            if name in sources.main.files:
                whole = _as_drawn(mask, sources.main.files[name], threshold)
                if labels.unsure and whole[1]:
                    untouched.append(name)
                else:
                    masks.setdefault(name, _written(whole[0], scratch / f"{number}-{len(masks)}.png"))
        if untouched:
            what = f"{label_count(len(untouched))} the model's own foreground, unchanged ({examples(untouched)})"
            notes.append(f"{what}: taken for not labelled; where it is right as it is, save it as a mask")
    return masks, notes


def _as_drawn(mask: NDArray[np.bool_], prediction: Path, threshold: float) -> tuple[NDArray[np.bool_], bool]:
    """Return a mask that an export describes at the map's size where it is empty, and whether it is the model's foreground."""
    own = read_foreground(prediction, threshold)
    whole = np.zeros_like(own) if mask.size == 0 else mask
    return whole, bool(np.array_equal(whole, own))


def read_foreground(prediction: Path, threshold: float) -> NDArray[np.bool_]:
    """Read what a probability map takes for foreground, (h, w), where p is above a threshold."""
    levels, lowest = as_levels(read_prediction(prediction).values)
    return np.asarray(levels >= lowest[threshold_index(threshold)])


def _written(mask: NDArray[np.bool_], file: Path) -> Path:
    Image.fromarray(mask.astype(np.uint8) * np.uint8(255)).save(file)
    return file


def _usable(outcome: ScoredMap | Fault) -> ScoredMap:
    if isinstance(outcome, Fault):
        raise InputError(f"the label of {outcome.image} cannot be used: {outcome.reason}")
    return outcome


def label_count(count: int) -> str:
    """Begin a sentence on labels: "1 label is", "2 labels are"."""
    return "1 label is" if count == 1 else f"{count} labels are"
