"""Change the brightness of images, blur them, and add noise: the corruptions of the paper's appendix D."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from howfar.perturb.perturbation import Perturbation, Pixels

REFERENCE: Final = 448
"""Side in pixels of the paper's images; lengths are given for it and scaled to an image's own sides."""
SIGMA: Final = 2.0
NOISE: Final = 0.1


def scaled_brightness(factor: float) -> Perturbation:
    """Multiply every value by a factor and clip at 255: 1.3 and 0.7 are the paper's plus and minus 30 %.

    Examples
    --------
    >>> scaled_brightness(0.7)(np.full((1, 1, 3), 200, np.uint8)).ravel().tolist()
    [140, 140, 140]
    """

    def change(pixels: Pixels, rng: np.random.Generator) -> Pixels:
        return _as_pixels(pixels * factor)

    return Perturbation("brighter" if factor > 1 else "darker", change, {"brightness": factor})


def gaussian_blur(sigma: float = SIGMA) -> Perturbation:
    """Blur by a Gaussian of `sigma` pixels at 448 × 448, as wide in an image of other sides as it would be after resizing.

    Examples
    --------
    >>> edge = np.zeros((448, 448, 3), np.uint8)
    >>> edge[:, 224:] = 200
    >>> int(gaussian_blur()(edge)[0, 224, 0])
    120
    """

    def change(pixels: Pixels, rng: np.random.Generator) -> Pixels:
        widths = (sigma * pixels.shape[0] / REFERENCE, sigma * pixels.shape[1] / REFERENCE, 0.0)
        blurred = ndimage.gaussian_filter(pixels.astype(np.float32), widths, mode="nearest")
        return _as_pixels(blurred)

    return Perturbation("blur", change, {"sigma": sigma, "at": REFERENCE})


def gaussian_noise(deviation: float = NOISE) -> Perturbation:
    """Add independent Gaussian noise to every value; `deviation` is a share of 255.

    Examples
    --------
    >>> noisy = gaussian_noise(0.1)(np.full((64, 64, 3), 128, np.uint8))
    >>> bool(24 < noisy.std() < 27)
    True
    """

    def change(pixels: Pixels, rng: np.random.Generator) -> Pixels:
        noise = rng.standard_normal(pixels.shape, dtype=np.float32) * np.float32(255 * deviation)
        return _as_pixels(pixels + noise)

    return Perturbation("noise", change, {"deviation": deviation})


def _as_pixels(values: NDArray[np.floating[Any]]) -> Pixels:
    return np.asarray(np.clip(np.rint(values), 0, 255), dtype=np.uint8)


BRIGHTER: Final = scaled_brightness(1.3)
DARKER: Final = scaled_brightness(0.7)
BLUR: Final = gaussian_blur()
NOISY: Final = gaussian_noise()
