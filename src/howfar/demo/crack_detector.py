"""A small crack detector that is fitted in seconds, so that the demo's predictions come from a model that can fail."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter, uniform_filter
from scipy.special import expit

from howfar.data.folder import Dataset, Item
from howfar.data.images import decode, read_bytes
from howfar.data.masks import read_mask
from howfar.data.probability_map_files import places, write_map
from howfar.demo.logistic import fit_logistic
from howfar.demo.noise import Field
from howfar.errors import InputError

Labelled: TypeAlias = tuple[NDArray[np.uint8], NDArray[np.bool_]]

SCALES = (1.0, 2.0, 4.0)
"""Standard deviations in pixels of the Gaussians whose derivatives are taken."""

WINDOW = 17
"""Side in pixels of the neighbourhood that grey levels are compared with."""

UNITS = 32
"""Random hidden units."""

PIXELS = 2048
"""Pixels drawn from each picture to fit on."""

_BLOCK = 1 << 16


@dataclass(frozen=True, eq=False, repr=False)
class Detector:
    """A pixel classifier: local features, a hidden layer with random weights, and a fitted logistic regression on both.

    The features of a pixel, of the logarithm of grey so that less light only shifts them: grey and two blurred greys less
    the mean around, the deviation around, and at three scales the two Hessian eigenvalues (a dark line has one large
    positive one), the gradient and its length. Random hidden units (Rahimi & Recht, Weighted sums of random kitchen sinks,
    NIPS 2008) let it bend, and tell left from right: a detector to which mirrored pictures are alike would leave flip
    agreement nothing to measure. Probabilities are those of the pictures that it was fitted on: pixels are drawn evenly,
    not balanced.

    Attributes
    ----------
    mean, deviation
        Of each feature over the pixels it was fitted on, float64 (q,).
    weights, offsets
        Of the hidden units, float64 (q, UNITS) and (UNITS,).
    coefficients
        The intercept, then one for each feature and hidden unit, float64 (1 + q + UNITS,).

    Examples
    --------
    >>> from howfar.demo import pavement
    >>> detector = Detector.fit(pavement(4, seed=0, size=64))
    >>> image, mask = next(pavement(1, seed=1, size=64))
    >>> found = detector(image)
    >>> found.dtype, found.shape, bool(found[mask].mean() > 3 * found[~mask].mean())
    (dtype('uint8'), (64, 64), True)
    """

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    weights: NDArray[np.float64]
    offsets: NDArray[np.float64]
    coefficients: NDArray[np.float64]

    @classmethod
    def fit(cls, source: Dataset | Iterable[Labelled], seed: int = 0) -> Detector:
        """Fit on at most `PIXELS` pixels of each picture.

        Parameters
        ----------
        source
            A dataset whose every image has a mask, or pairs of a picture, uint8 (h, w, 3), and its mask, bool (h, w).
        seed
            Of the pixels that are drawn, and of the hidden layer; the same seed gives the same detector.

        Raises
        ------
        InputError
            There is no picture, an image has no mask, a mask has another size than its picture, or no drawn pixel (or
            every one) is a crack's.
        ImageError
            A file cannot be read.

        Examples
        --------
        >>> from howfar.demo import write_dataset
        >>> import tempfile
        >>> folder = write_dataset(Path(tempfile.mkdtemp()) / "roads", 2, seed=0, size=64)
        >>> Detector.fit(Dataset.from_folder(folder), seed=0)
        Detector(52 coefficients)
        """
        for_pixels, for_units = np.random.default_rng(seed).spawn(2)
        pairs = _read(source) if isinstance(source, Dataset) else source
        drawn = [_draw(image, mask, for_pixels) for image, mask in pairs]
        if not drawn:
            raise InputError.of("source", "must hold at least one picture with its mask", 0)
        x = np.concatenate([features for features, _ in drawn]).astype(np.float64)
        y = np.concatenate([truth for _, truth in drawn])
        if y.all() or not y.any():
            raise InputError.of("source", "must show cracks and what is none", f"{y.sum()} of {y.size} pixels of cracks")
        mean, deviation = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-6)
        x = (x - mean) / deviation
        weights = for_units.standard_normal((x.shape[1], UNITS)) * (1.5 / np.sqrt(x.shape[1]))
        offsets = for_units.uniform(-2.0, 2.0, UNITS)
        coefficients = fit_logistic(np.hstack([x, np.tanh(x @ weights + offsets)]), y)
        return cls(mean, deviation, weights, offsets, coefficients)

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Probability of a crack at each pixel, 255 for 1: a picture, uint8 (h, w, 3), to uint8 (h, w).

        Raises
        ------
        InputError
            The picture is not of this kind.
        """
        found = pixel_features(image)
        height, width = found.shape[1:]
        rows = found.reshape(len(found), -1)
        # In blocks, so that a large picture does not hold all its hidden units at once.
        parts = [self._probability(rows[:, start : start + _BLOCK]) for start in range(0, rows.shape[1], _BLOCK)]
        p = np.concatenate(parts).reshape(height, width)
        probability: NDArray[np.uint8] = np.rint(255.0 * p).astype(np.uint8)
        return probability

    def _probability(self, rows: Field) -> Field:
        column = partial(np.expand_dims, axis=1)
        x = (rows - column(self.mean.astype(np.float32))) / column(self.deviation.astype(np.float32))
        hidden = self.weights.T.astype(np.float32) @ x
        hidden += column(self.offsets.astype(np.float32))
        np.tanh(hidden, out=hidden)
        first, *rest = self.coefficients.astype(np.float32)
        split = len(self.mean)
        linear, bent = np.array(rest[:split]), np.array(rest[split:])
        p: Field = expit(linear @ x + bent @ hidden + first)
        return p

    def __repr__(self) -> str:
        return f"Detector({self.coefficients.size} coefficients)"


def pixel_features(image: NDArray[np.uint8]) -> Field:
    """Features of every pixel, float32 (q, h, w); see `Detector`.

    Raises
    ------
    InputError
        Not an array uint8 (h, w, 3).

    Examples
    --------
    >>> pixel_features(np.zeros((8, 6, 3), np.uint8)).shape
    (19, 8, 6)
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise InputError.of("image", "must be uint8 of shape (h, w, 3)", f"{image.dtype} {image.shape}")
    grey = np.asarray(Image.fromarray(image).convert("L"), np.float32)
    grey = np.log(grey + np.float32(10.0))
    grey -= grey.mean()
    blurred = [gaussian_filter(grey, scale, mode="nearest", truncate=3.0) for scale in SCALES]
    around = uniform_filter(grey, WINDOW, mode="nearest")
    spread = np.sqrt(np.maximum(uniform_filter(grey * grey, WINDOW, mode="nearest") - around * around, 0.0))
    relative = [level - around for level in (grey, *blurred[:2])]
    shapes = [shape for level, scale in zip(blurred, SCALES, strict=True) for shape in _shapes(level, scale)]
    return np.stack([*relative, spread, *shapes])


def _shapes(level: Field, scale: float) -> list[Field]:
    """Hessian eigenvalues, gradient and its length, each times its scale to the order of its derivative."""
    wide = np.pad(level, 1, mode="edge")
    left, middle, right = wide[1:-1, :-2], level, wide[1:-1, 2:]
    above, below = wide[:-2, 1:-1], wide[2:, 1:-1]
    dx, dy = np.float32(scale / 2) * (right - left), np.float32(scale / 2) * (below - above)
    xx, yy = left + right - 2 * middle, above + below - 2 * middle
    xy = (wide[2:, 2:] - wide[2:, :-2] - wide[:-2, 2:] + wide[:-2, :-2]) / 4
    mean, half = (xx + yy) / 2, (xx - yy) / 2
    radius = np.sqrt(half * half + xy * xy)
    square = np.float32(scale * scale)
    return [square * (mean + radius), square * (mean - radius), dx, dy, np.sqrt(dx * dx + dy * dy)]


def _draw(
    image: NDArray[np.uint8], mask: NDArray[np.bool_], rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Features of the drawn pixels, (n, q), and whether each is a crack's."""
    if mask.shape != image.shape[:2]:
        raise InputError.of("mask", f"must have its picture's size {image.shape[:2]}", mask.shape)
    chosen = rng.choice(mask.size, min(PIXELS, mask.size), replace=False)
    found = pixel_features(image)
    return found.reshape(len(found), -1)[:, chosen].T, mask.reshape(-1)[chosen]


def _read(dataset: Dataset) -> Iterator[Labelled]:
    for item in dataset.items:
        if item.mask is None:
            raise InputError.of(f"dataset {dataset.name}", "must have a mask for every image", item.name)
        yield _picture(item), read_mask(item.mask)


def _picture(item: Item) -> NDArray[np.uint8]:
    return np.asarray(decode(read_bytes(item.path)).image)


def write_predictions(folder: str | Path, dataset: Dataset, detector: Detector, flipped: bool = False) -> Path:
    """Write a dataset's probability maps as 8-bit PNG by the images' names, and return the folder.

    Each map appears whole or not at all; one that is there is written anew.

    Parameters
    ----------
    folder
        Where the map of image ``a/1.jpg`` goes to ``a/1.png``; made where it is not there.
    dataset
        Its images.
    detector
        What predicts.
    flipped
        Whether the pictures are mirrored left to right before they are predicted; the maps stay mirrored.

    Raises
    ------
    InputError
        Two images differ only in their endings, or a map would take the place of its image.
    ImageError
        A file cannot be read.

    Examples
    --------
    >>> from howfar.demo import write_dataset
    >>> import tempfile
    >>> roads = Dataset.from_folder(write_dataset(Path(tempfile.mkdtemp()) / "roads", 2, seed=0, size=64))
    >>> maps = write_predictions(tempfile.mkdtemp(), roads, Detector.fit(roads))
    >>> sorted(file.name for file in maps.iterdir())
    ['0001.png', '0002.png']
    """
    for path, item in places(folder, dataset).items():
        picture = _picture(item)
        write_map(path, detector(np.ascontiguousarray(picture[:, ::-1]) if flipped else picture))
    return Path(folder)
