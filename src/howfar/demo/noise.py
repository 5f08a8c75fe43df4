"""Generate the random patterns of synthetic surfaces: smooth noise and cellular noise."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Field = NDArray[np.float32]


def smooth_noise(rng: np.random.Generator, size: int, cell: float) -> Field:
    """Interpolate standard normal values on a grid of `cell` pixels smoothly to shape (size, size)."""
    count = int(np.ceil(size / cell)) + 3
    grid = rng.standard_normal((count, count)).astype(np.float32)
    left, top = (rng.random(2) + 1.0).tolist()
    box = (left, top, left + size / cell, top + size / cell)
    return np.asarray(Image.fromarray(grid).resize((size, size), Image.Resampling.BICUBIC, box=box))


class Cells(NamedTuple):
    """Hold a plane divided into cells: per pixel the nearest seed's value, its distance and the second's, in cell sizes."""

    value: Field
    first: Field
    second: Field


def cells(rng: np.random.Generator, size: int, cell: float) -> Cells:
    """Divide (size, size) pixels into cells of about `cell` pixels, one jittered seed in each square of a grid.

    Worley, A cellular texture basis function, SIGGRAPH 1996; distances to the nearest and second seed are in units of `cell`,
    and each seed has a uniform value in [0, 1).
    """
    count = int(np.ceil(size / cell)) + 2
    jitter = rng.random((2, count, count), dtype=np.float32)
    values = rng.random((count, count), dtype=np.float32)
    position = (np.arange(size, dtype=np.float32) + np.float32(0.5)) / np.float32(cell) + 1
    square = position.astype(np.intp)
    inside = position - square
    first = np.full((size, size), np.inf, np.float32)
    second = np.full((size, size), np.inf, np.float32)
    nearest = np.zeros((size, size), np.intp)
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            rows, columns = square + down, square + right
            dy = jitter[0].take(rows, 0).take(columns, 1) + (down - inside)[:, None]
            dx = jitter[1].take(rows, 0).take(columns, 1) + (right - inside)[None, :]
            squared = dy * dy + dx * dx
            np.copyto(nearest, rows[:, None] * count + columns, where=squared < first)
            np.minimum(second, np.maximum(first, squared), out=second)
            np.minimum(first, squared, out=first)
    return Cells(values.take(nearest), np.sqrt(first), np.sqrt(second))
