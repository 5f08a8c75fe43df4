"""Predict probability maps of images of any size, from the whole image resized or from overlapping tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from howfar.errors import InputError
from howfar.memory import check_held
from howfar.segmenters.probability_models import Probabilities

OVERLAP = 0.25
"""Share of a tile's side that overlaps with the next tile."""
_PIXEL: Final = 27
"""Bytes of a pixel of a network's input at the least: three colours of 8 bits, and twice of 32 while they are scaled."""


@dataclass(frozen=True)
class Predictor:
    """Turn images into 8-bit probability maps of their own size, p = value / 255.

    Attributes
    ----------
    network
        Function that gives probabilities.
    size
        Side of the network's square input.
    tiled
        False: each image is resized to that square, and its map back, as networks are trained here and in the paper.
        True: the square moves over the image at the image's own scale, for images so large that thin lines would
        vanish; where tiles overlap, their maps are blended.
    batch
        Squares at a time.

    Examples
    --------
    >>> half = Predictor(lambda pictures: np.full(pictures[:, 0].shape, 0.5, np.float32), size=8)
    >>> half.maps([np.zeros((20, 30, 3), np.uint8)])[0].shape
    (20, 30)
    """

    network: Probabilities
    size: int
    tiled: bool = False
    batch: int = 8

    def __post_init__(self) -> None:
        for name in ("size", "batch"):
            if getattr(self, name) < 1:
                raise InputError.of(name, "must be at least 1", getattr(self, name))

    def maps(self, pictures: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
        """Predict the map of each image: (h, w, 3) uint8 RGB to (h, w) uint8."""
        if self.tiled:
            return [_eight_bit(self._blended(picture)) for picture in pictures]
        maps = self._run([resized(picture, self.size) for picture in pictures])
        return [_eight_bit(resized_map(p, *picture.shape[:2])) for p, picture in zip(maps, pictures, strict=True)]

    def _run(self, squares: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
        """Predict square images in batches."""
        maps: list[NDArray[np.float32]] = []
        for start in range(0, len(squares), self.batch):
            stacked = np.stack(squares[start : start + self.batch]).transpose(0, 3, 1, 2)
            maps += list(self.network(np.ascontiguousarray(stacked, np.float32) / np.float32(255)))
        return maps

    def _blended(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Predict an image by tiles, whose maps are weighted by a pixel's distance from its tile's edge."""
        height, width = picture.shape[:2]
        # A side shorter than a tile is padded by its mirror image, and the map is cropped again.
        below, right = max(self.size - height, 0), max(self.size - width, 0)
        padded = np.pad(picture, ((0, below), (0, right), (0, 0)), mode="symmetric")
        corners = [(y, x) for y in _starts(padded.shape[0], self.size) for x in _starts(padded.shape[1], self.size)]
        weight = _weight(self.size)
        total, weights = np.zeros(padded.shape[:2], np.float64), np.zeros(padded.shape[:2], np.float64)
        for start in range(0, len(corners), self.batch):
            chunk = corners[start : start + self.batch]
            maps = self._run([padded[y : y + self.size, x : x + self.size] for y, x in chunk])
            for (y, x), p in zip(chunk, maps, strict=True):
                total[y : y + self.size, x : x + self.size] += weight * resized_map(p, self.size, self.size)
                weights[y : y + self.size, x : x + self.size] += weight
        return (total / weights)[:height, :width].astype(np.float32)


def check_squares(count: int, size: int) -> None:
    """Refuse squares that are fed to a network at once where they alone take more memory than is allowed.

    The network takes more than they do: this is what a mistaken size is found by, before it ends the process. Raises
    `InputError`.

    Examples
    --------
    >>> check_squares(8, 1024)
    >>> check_squares(8, 5_000_000)
    Traceback (most recent call last):
    howfar.errors.InputError: memory must be at least 5,400,000,000 MB for 8 squares of 5,000,000 pixels, got '2,147 MB': ...
    """
    check_held(_PIXEL * count * size**2, f"{count} squares of {size:,} pixels", "pass a smaller --size or --batch-size")


def _starts(length: int, size: int) -> list[int]:
    """Spread the starts of tiles evenly along a side, from edge to edge, with at least the wanted overlap."""
    if length == size:
        return [0]
    count = 1 + -(-(length - size) // max(int(size * (1 - OVERLAP)), 1))
    return [round(index * (length - size) / (count - 1)) for index in range(count)]


def _weight(size: int) -> NDArray[np.float64]:
    """Compute the (s, s) weights of a tile's pixels, which fall as a cosine towards the edges, never to 0."""
    ramp = np.sin(np.pi * (np.arange(size) + 0.5) / size)
    return np.outer(ramp, ramp)


def resized(picture: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Resize an image, (h, w, 3), to a square, as networks are fed."""
    return np.asarray(Image.fromarray(picture).resize((size, size), Image.Resampling.BICUBIC))


def resized_map(p: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Resize a map of probabilities, (h, w), to another height and width."""
    if p.shape == (height, width):
        return p
    return np.asarray(Image.fromarray(p).resize((width, height), Image.Resampling.BILINEAR))


def _eight_bit(p: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.rint(255 * np.clip(p, 0.0, 1.0)).astype(np.uint8)
