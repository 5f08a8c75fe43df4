"""Fit a small crack detector (logistic regression on local features), and write its probability maps for the demo."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter, uniform_filter
from scipy.special import expit

from howfar.data import Dataset, Item, decode, read_bytes
from howfar.data.binary_masks import read_mask
from howfar.data.prediction_maps import map_paths, write_map
from howfar.demo.synthetic_pavement import Field, Picture
from howfar.errors import InputError

TOLERANCE = 1e-8
"""Largest entry of the gradient, as a share of the number of rows, at which the fit has converged."""

SCALES = (1.0, 2.0, 4.0)
"""Standard deviations in pixels of the Gaussians whose derivatives are taken."""

WINDOW = 17
"""Side in pixels of the neighbourhood whose mean grey is subtracted."""

UNITS = 32
"""Random hidden units."""

PIXELS = 2048
"""Pixels drawn from each image to fit on."""

_BLOCK = 1 << 16


@dataclass(frozen=True, eq=False, repr=False)
class Detector:
    """Classify pixels by local features, a hidden layer with random weights, and a logistic regression fitted on both.

    Features are computed from the logarithm of grey, so that less light only shifts them: grey and two blurred greys less
    the local mean, the local deviation, and at three scales the two Hessian eigenvalues (a dark line has one large
    positive one), the gradient and its length. Random hidden units (Rahimi & Recht, Weighted sums of random kitchen sinks,
    NIPS 2008) make it nonlinear, and not symmetric: flip agreement could measure nothing on a detector that treats mirrored
    images alike. Pixels are drawn evenly, not balanced, so probabilities reflect the share of cracks in the images.

    `mean` and `deviation`, (q,), are those of each feature over the pixels it was fitted on; `weights`, (q, UNITS), and
    `offsets`, (UNITS,), are the hidden units' parameters; `coefficients`, (1 + q + UNITS,), begin with the intercept.
    """

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    weights: NDArray[np.float64]
    offsets: NDArray[np.float64]
    coefficients: NDArray[np.float64]

    @classmethod
    def fit(cls, source: Dataset | Iterable[Picture], seed: int = 0) -> Detector:
        """Fit a detector on at most `PIXELS` pixels of each image.

        The source is a dataset whose every image has a mask, or pairs of an image, uint8 (h, w, 3), and its mask, bool (h, w).
        The same seed draws the same pixels and the same hidden layer. No image, an image without a mask or with one of another
        size, and drawn pixels that are all or none a crack's raise `InputError`; a file that cannot be read raises
        `ImageError`.
        """
        # It takes a second to load.
        from sklearn.linear_model import LogisticRegression

        pixel_rng, unit_rng = np.random.default_rng(seed).spawn(2)
        pairs = _read(source) if isinstance(source, Dataset) else source
        drawn: list[Field] = []
        cracks: list[NDArray[np.bool_]] = []
        for image, mask in pairs:
            if mask.shape != image.shape[:2]:
                raise InputError.of("mask", f"must have its picture's size {image.shape[:2]}", mask.shape)
            pixels = pixel_rng.choice(mask.size, min(PIXELS, mask.size), replace=False)
            features = pixel_features(image)
            drawn.append(features.reshape(len(features), -1)[:, pixels].T)
            cracks.append(mask.reshape(-1)[pixels])
        if not drawn:
            raise InputError.of("source", "must hold at least one picture with its mask", 0)
        x, y = np.concatenate(drawn).astype(np.float64), np.concatenate(cracks)
        if y.all() or not y.any():
            raise InputError.of("source", "must show cracks and what is none", f"{y.sum()} of {y.size} pixels of cracks")
        mean, deviation = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-6)
        x = (x - mean) / deviation
        weights = unit_rng.standard_normal((x.shape[1], UNITS)) * (1.5 / np.sqrt(x.shape[1]))
        offsets = unit_rng.uniform(-2.0, 2.0, UNITS)
        # Minimise Σ log(1 + exp(-±(w₀ + w·x))) + |w|²/2, + for a crack's pixels.
        fitted = LogisticRegression(tol=TOLERANCE, solver="newton-cholesky")
        fitted.fit(np.hstack([x, np.tanh(x @ weights + offsets)]), y)
        return cls(mean, deviation, weights, offsets, np.append(fitted.intercept_, fitted.coef_[0]))

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Predict the probability of a crack at each pixel, 255 for 1: an image, uint8 (h, w, 3), to uint8 (h, w).

        Another shape or type raises `InputError`.
        """
        features = pixel_features(image)
        height, width = features.shape[1:]
        rows = features.reshape(len(features), -1)
        column = partial(np.expand_dims, axis=1)
        mean, deviation, offsets = (column(each.astype(np.float32)) for each in (self.mean, self.deviation, self.offsets))
        intercept, *rest = self.coefficients.astype(np.float32)
        by_feature, by_unit = np.array(rest[: len(mean)]), np.array(rest[len(mean) :])
        blocks: list[Field] = []
        # In blocks, so that the hidden units of a large image are not in memory all at once.
        for start in range(0, rows.shape[1], _BLOCK):
            x = (rows[:, start : start + _BLOCK] - mean) / deviation
            hidden = self.weights.T.astype(np.float32) @ x
            hidden += offsets
            np.tanh(hidden, out=hidden)
            blocks.append(expit(by_feature @ x + by_unit @ hidden + intercept))
        p = np.concatenate(blocks).reshape(height, width)
        probability: NDArray[np.uint8] = np.rint(255.0 * p).astype(np.uint8)
        return probability

    def __repr__(self) -> str:
        return f"Detector({self.coefficients.size} coefficients)"


def pixel_features(image: NDArray[np.uint8]) -> Field:
    """Compute the features of every pixel, float32 (q, h, w), that `Detector` describes; `InputError` for other images."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise InputError.of("image", "must be uint8 of shape (h, w, 3)", f"{image.dtype} {image.shape}")
    grey = np.asarray(Image.fromarray(image).convert("L"), np.float32)
    grey = np.log(grey + np.float32(10.0))
    grey -= grey.mean()
    blurred = [gaussian_filter(grey, scale, mode="nearest", truncate=3.0) for scale in SCALES]
    local_mean = uniform_filter(grey, WINDOW, mode="nearest")
    spread = np.sqrt(np.maximum(uniform_filter(grey * grey, WINDOW, mode="nearest") - local_mean * local_mean, 0.0))
    relative = [level - local_mean for level in (grey, *blurred[:2])]
    # Hessian eigenvalues, gradient and its length, each times its scale to the order of its derivative.
    derivatives: list[Field] = []
    for level, scale in zip(blurred, SCALES, strict=True):
        wide = np.pad(level, 1, mode="edge")
        left, right, above, below = wide[1:-1, :-2], wide[1:-1, 2:], wide[:-2, 1:-1], wide[2:, 1:-1]
        dx, dy = np.float32(scale / 2) * (right - left), np.float32(scale / 2) * (below - above)
        xx, yy = left + right - 2 * level, above + below - 2 * level
        xy = (wide[2:, 2:] - wide[2:, :-2] - wide[:-2, 2:] + wide[:-2, :-2]) / 4
        mean, half = (xx + yy) / 2, (xx - yy) / 2
        radius = np.sqrt(half * half + xy * xy)
        square = np.float32(scale * scale)
        derivatives += [square * (mean + radius), square * (mean - radius), dx, dy, np.sqrt(dx * dx + dy * dy)]
    return np.stack([*relative, spread, *derivatives])


def _read(dataset: Dataset) -> Iterator[Picture]:
    for item in dataset.items:
        if item.mask is None:
            raise InputError.of(f"dataset {dataset.name}", "must have a mask for every image", item.name)
        yield _picture(item), read_mask(item.mask)


def _picture(item: Item) -> NDArray[np.uint8]:
    return np.asarray(decode(read_bytes(item.path)).image)


def write_predictions(folder: str | Path, dataset: Dataset, detector: Detector, flipped: bool = False) -> Path:
    """Write a dataset's probability maps as 8-bit PNG, named after the images, and return the folder.

    The map of image ``a/1.jpg`` goes to ``a/1.png``, whole or not at all, and replaces an earlier one. With `flipped`, images
    are mirrored left to right before prediction, and the maps stay mirrored. Two images that differ only in their endings, or
    a map that would take the place of its image, raise `InputError`; a file that cannot be read raises `ImageError`.
    """
    for path, item in map_paths(folder, dataset).items():
        picture = _picture(item)
        write_map(path, detector(np.ascontiguousarray(picture[:, ::-1]) if flipped else picture))
    return Path(folder)
