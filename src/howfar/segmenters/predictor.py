"""Probability maps of pictures of any size: the whole picture at the network's size, or in overlapping tiles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from howfar.errors import InputError
from howfar.segmenters.probability_models import Probabilities

OVERLAP = 0.25
"""Share of a tile's side that it has in common with the next."""


@dataclass(frozen=True)
class Predictor:
    """Turns pictures into 8-bit probability maps of their own size, p = value / 255.

    Attributes
    ----------
    network
        What gives probabilities.
    size
        Side of the square that the network sees.
    tiled
        False: each picture is resized to that square, and its map back, as networks are trained here and in the paper.
        True: the square moves over the picture at the picture's own scale, for pictures so large that thin lines would
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
        """Map each picture, (h, w, 3) uint8 RGB, to (h, w) uint8."""
        if self.tiled:
            return [_eight_bit(self._blended(picture)) for picture in pictures]
        squares = [_resized(picture, self.size) for picture in pictures]
        found = self._run(squares)
        return [_eight_bit(_back(p, *picture.shape[:2])) for p, picture in zip(found, pictures, strict=True)]

    def _run(self, squares: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
        """Probabilities of squares, in batches."""
        found: list[NDArray[np.float32]] = []
        for start in range(0, len(squares), self.batch):
            stacked = np.stack(squares[start : start + self.batch]).transpose(0, 3, 1, 2)
            found += list(self.network(np.ascontiguousarray(stacked, np.float32) / np.float32(255)))
        return found

    def _blended(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Tiles' maps, weighted by how far a pixel is from its tile's edge."""
        height, width = picture.shape[:2]
        # A side shorter than a tile is continued by its mirror image, and cut off again.
        below, beside = max(self.size - height, 0), max(self.size - width, 0)
        padded = np.pad(picture, ((0, below), (0, beside), (0, 0)), mode="symmetric")
        places = [(y, x) for y in _starts(padded.shape[0], self.size) for x in _starts(padded.shape[1], self.size)]
        weight = _weight(self.size)
        total, weights = np.zeros(padded.shape[:2], np.float64), np.zeros(padded.shape[:2], np.float64)
        for chosen in _chunks(places, self.batch):
            found = self._run([padded[y : y + self.size, x : x + self.size] for y, x in chosen])
            for (y, x), p in zip(chosen, found, strict=True):
                total[y : y + self.size, x : x + self.size] += weight * _back(p, self.size, self.size)
                weights[y : y + self.size, x : x + self.size] += weight
        blended: NDArray[np.float32] = (total / weights)[:height, :width].astype(np.float32)
        return blended


def _chunks(places: Sequence[tuple[int, int]], size: int) -> Iterator[Sequence[tuple[int, int]]]:
    for start in range(0, len(places), size):
        yield places[start : start + size]


def _starts(length: int, size: int) -> list[int]:
    """Where tiles begin along a side: evenly, from edge to edge, with at least the overlap wanted."""
    if length == size:
        return [0]
    count = 1 + -(-(length - size) // max(int(size * (1 - OVERLAP)), 1))
    return [round(place * (length - size) / (count - 1)) for place in range(count)]


def _weight(size: int) -> NDArray[np.float64]:
    """(s, s): falls as a cosine towards the edges, never to 0."""
    ramp = np.sin(np.pi * (np.arange(size) + 0.5) / size)
    return np.outer(ramp, ramp)


def _resized(picture: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(picture).resize((size, size), Image.Resampling.BICUBIC))


def _back(p: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    if p.shape == (height, width):
        return p
    return np.asarray(Image.fromarray(p).resize((width, height), Image.Resampling.BILINEAR))


def _eight_bit(p: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.rint(255 * np.clip(p, 0.0, 1.0)).astype(np.uint8)
