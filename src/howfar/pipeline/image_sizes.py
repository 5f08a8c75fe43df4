"""Warn where images are predicted at a far smaller scale than the one that a segmenter learnt from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from howfar.data.images import size
from howfar.errors import ImageError

LARGER = 2.0
"""Images this many times as large as the largest that were learnt from are warned of."""


def size_note(dataset: str, data: Mapping[str, Any], trained: int, size: int, maps: Iterable[Path]) -> str:
    """Say that a dataset's images are much larger than what a checkpoint learnt from; "" where they are not, or nobody knows.

    A whole image is resized to the network's square. Where its side, √(width · height), is more than twice that of the largest
    image learnt from, structures reach the network at less than half the width that it knows, and thin ones vanish.

    Parameters
    ----------
    dataset
        Its name.
    data
        `data` of the checkpoint's card; those of earlier versions do not have `sides`.
    trained, size
        Side of the square that it was trained at, and that it predicts at.
    maps
        The maps that were written, which have the sizes of their images.

    Examples
    --------
    >>> size_note("roads", {"images": 9}, 160, 160, [])
    ''
    """
    known = data.get("sides")
    if not known:
        return ""
    sides = np.array([side for side in map(_side, maps) if side is not None])
    # A larger square shows more of an image's detail.
    most = LARGER * float(known["largest"]) * size / trained
    count = int(np.count_nonzero(sides > most))
    if not count:
        return ""
    which = "all images" if count == len(sides) else f"{count} of {len(sides)} images"
    return (
        f"{which} of {dataset} are much larger (side up to {sides.max():.0f} px) than what the model learnt from "
        f"(at most {float(known['largest']):.0f} px): thin structures may vanish by resizing, predict by tiles (--tile)"
    )


def _side(path: Path) -> float | None:
    """Read a picture's side from its header; None where there is none."""
    try:
        width, height = size(path)
    except ImageError:
        return None
    return math.sqrt(width * height)
