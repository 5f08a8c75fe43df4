"""Images that cannot be scored: one line that stops the call, or rows of what was left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from howfar.data import Dataset
from howfar.errors import InputError
from howfar.results import Skipped

PARTIAL = "pass partial=True (--partial) to score only the other"


@dataclass(frozen=True)
class Fault:
    """An image that cannot be scored: its name, its file, the reason, and whether that is a prediction that is not there."""

    image: str
    path: str
    reason: str
    missing: bool = False


def settle(faults: Sequence[Fault], dataset: Dataset, partial: bool) -> tuple[Skipped, ...]:
    """Return the faults as rows of what was skipped where that is allowed, and stop with one line where it is not.

    Raises
    ------
    InputError
        There are faults, and they may not be left out (`partial`), or nothing is left without them.

    Examples
    --------
    >>> from pathlib import Path
    >>> from howfar.data import Item
    >>> roads = Dataset("roads", (Item("1.jpg", Path("1.jpg")), Item("2.jpg", Path("2.jpg"))))
    >>> settle([Fault("2.jpg", "2.jpg", "no prediction", missing=True)], roads, partial=False)
    Traceback (most recent call last):
    howfar.errors.InputError: 1 of 2 images of roads has no prediction; the first is 2.jpg: no prediction: predict it, or
    pass partial=True (--partial) to score only the other 1
    """
    total, count = len(dataset), len(faults)
    if count and (not partial or count == total):
        one, missing = count == 1, all(fault.missing for fault in faults)
        what = ("has" if one else "have") + " no prediction" if missing else "cannot be scored"
        mend = f"{'predict' if missing else 'mend'} {'it' if one else 'them'}"
        others = f", or {PARTIAL} {total - count}" if count < total else ""
        images = "image" if total == 1 else "images"
        first = f"the first is {faults[0].image}: {faults[0].reason}"
        raise InputError(f"{count} of {total} {images} of {dataset.name} {what}; {first}: {mend}{others}")
    return tuple(Skipped(dataset.name, fault.path, fault.reason) for fault in faults)
