"""Corrupt images, or images with masks: brightness, blur, noise, tones, texture, foreground contrast, and scale."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from howfar.perturb.perturbation import (
    Foreground,
    Labelled,
    LabelledPerturbation,
    Perturbation,
    PerturbationSource,
    Pixels,
    as_pixels,
)

REFERENCE: Final = 448
"""Side in pixels of the paper's images; lengths are given for it and scaled to an image's own sides."""

Values = NDArray[np.floating[Any]]
Change = Callable[[Values, float, np.random.Generator], Values]
"""A change of an image's values of 0-255 by a strength, which leaves a mask as it is."""


def darken(values: Values, strength: float, rng: np.random.Generator) -> Values:
    """Darken an image by multiplying values by 1 − strength; below 0 it becomes brighter."""
    return values * (1 - strength)


def gaussian_blur(values: Values, strength: float, rng: np.random.Generator) -> Values:
    """Blur by a Gaussian with a sigma of `strength` pixels at 448 × 448, scaled to the image's own size."""
    widths = (strength * values.shape[0] / REFERENCE, strength * values.shape[1] / REFERENCE, 0.0)
    blurred: Values = ndimage.gaussian_filter(values.astype(np.float32), widths, mode="nearest")
    return blurred


def gaussian_noise(values: Values, strength: float, rng: np.random.Generator) -> Values:
    """Add independent Gaussian noise to every value, with standard deviation `strength` · 255."""
    return values.astype(np.float32) + rng.standard_normal(values.shape, dtype=np.float32) * np.float32(255 * strength)


def flatten(values: Values, strength: float, rng: np.random.Generator) -> Values:
    """Reduce contrast by moving values towards the channel's mean by `strength`; 1 leaves a single colour."""
    centre: Values = values.mean(axis=(0, 1))
    return values + strength * (centre - values)


def bend(values: Values, strength: float, rng: np.random.Generator) -> Values:
    """Change gamma by raising values of 0-1 to the power 2^strength; above 0 mid-tones become darker, below 0 brighter."""
    return np.asarray(255 * (values / 255) ** (2.0**strength))


def invert(values: Values, strength: float, rng: np.random.Generator) -> Values:
    """Mix values with their inverse, (1 − strength) v + strength (255 − v); 1 inverts the image, 0.5 leaves uniform grey."""
    return values + strength * (255 - 2 * values)


def _changed(change: Change, strength: float, pixels: Pixels, rng: np.random.Generator) -> Pixels:
    return as_pixels(change(pixels.astype(np.float64), strength, rng))


def _labelled(change: Change) -> Callable[[PerturbationSource, float], Labelled]:
    return lambda source, strength: (_changed(change, strength, source.pixels, source.rng), source.mask.copy())


# The paper's, of which the brightness is ±30 %.
BRIGHTER: Final = Perturbation("brighter", partial(_changed, darken, -0.3), {"brightness": 1.3})
DARKER: Final = Perturbation("darker", partial(_changed, darken, 0.3), {"brightness": 0.7})
BLUR: Final = Perturbation("blur", partial(_changed, gaussian_blur, 2.0), {"sigma": 2.0, "at": REFERENCE})
NOISY: Final = Perturbation("noise", partial(_changed, gaussian_noise, 0.1), {"deviation": 0.1})

LABELLED_BLUR: Final = LabelledPerturbation(
    "blur", _labelled(gaussian_blur), "pixels of a Gaussian at 448 × 448", (3.0, 6.0), high=100.0
)
LABELLED_NOISE: Final = LabelledPerturbation(
    "noise", _labelled(gaussian_noise), "deviation of Gaussian noise, of 1", (0.1, 0.25), high=2.0
)
DARKEN: Final = LabelledPerturbation("darken", _labelled(darken), "share of the light that is lost", (0.4, 0.7))
CONTRAST: Final = LabelledPerturbation("contrast", _labelled(flatten), "share of the contrast that is lost", (0.5, 0.75))
GAMMA: Final = LabelledPerturbation("gamma", _labelled(bend), "values are raised to 2^strength", (-1.0, 1.0), -4.0, 4.0)
INVERT: Final = LabelledPerturbation("invert", _labelled(invert), "share of the inverted image", (1.0,))


def blend(source: PerturbationSource, strength: float) -> Labelled:
    """Blend an image I with a random crop J of another image, at its own scale: (1 − strength) I + strength J."""
    pixels, shape = source.other(), source.mask.shape
    missing = [(0, max(0, wanted - side)) for wanted, side in zip(shape, pixels.shape, strict=False)]
    filled = np.pad(pixels, (*missing, (0, 0)), mode="symmetric")
    top, left = (int(source.rng.integers(side - wanted + 1)) for side, wanted in zip(filled.shape, shape, strict=False))
    other = filled[top : top + shape[0], left : left + shape[1]].astype(np.float64)
    return as_pixels((1 - strength) * source.pixels + strength * other), source.mask.copy()


TEXTURE: Final = LabelledPerturbation("texture", blend, "share of another image", (0.3, 0.5), needs_others=True)


def swap_amplitude(source: PerturbationSource, strength: float) -> Labelled:
    """Replace the amplitudes of the lowest frequencies by those of another image, keeping all phases.

    Frequencies within ± ⌊strength · shorter side⌋ of 0, on both axes, are replaced in each channel; the other image is resized
    first. Source: Yang & Soatto, "FDA: Fourier domain adaptation for semantic segmentation" (CVPR 2020),
    https://arxiv.org/abs/2004.05498, whose β is the strength: 0.01, 0.05 and 0.09 there.
    """
    height, width = source.mask.shape
    other = np.asarray(Image.fromarray(source.other()).resize((width, height), Image.Resampling.BICUBIC))
    ours, theirs = (np.fft.fft2(image.astype(np.float64), axes=(0, 1)) for image in (source.pixels, other))
    reach = int(strength * min(height, width))
    near = [np.abs(np.fft.fftfreq(side, 1 / side)) <= reach for side in (height, width)]
    low = np.logical_and.outer(*near)[..., None]
    amplitude = np.where(low, np.abs(theirs), np.abs(ours))
    changed = np.fft.ifft2(amplitude * np.exp(1j * np.angle(ours)), axes=(0, 1)).real
    return as_pixels(changed), source.mask.copy()


FOURIER: Final = LabelledPerturbation(
    "fourier", swap_amplitude, "share of the shorter side's frequencies", (0.02, 0.09), high=0.5, needs_others=True
)


MARGIN = 0.006
"""Share of the shorter side that a mask is widened by: annotated edges are rarely all of the foreground's."""
_FIRST, _ENOUGH = 2.0, 0.1


def inpaint(pixels: Pixels, mask: Foreground) -> Pixels:
    """Replace an image's foreground, slightly dilated, by an estimate of the background.

    The colour of a hidden pixel x is the mean of the known ones, Σ G(x − y) I(y) / Σ G(x − y) over known y, with a Gaussian G
    of 2 pixels, doubled where it covers less than a tenth of known pixels: normalised convolution, Knutsson & Westin,
    "Normalized and differential convolution" (CVPR 1993). To this is added what the known pixel at the mirrored place beyond
    the nearest edge differs from its own such mean, so that the filled part has the grain of its surroundings. Where nothing is
    known the image's mean colour is returned.
    """
    if not mask.any():
        return pixels.copy()
    margin = max(1, round(MARGIN * min(mask.shape)))
    hidden = ndimage.binary_dilation(mask, iterations=margin)
    values = pixels.astype(np.float32)
    if hidden.all():
        return as_pixels(np.broadcast_to(values.mean(axis=(0, 1)), values.shape))
    # At each pixel the mean of known pixels by the narrowest Gaussian that covers enough of them.
    weight = (~hidden).astype(np.float32)
    weighted = values * weight[..., None]
    smooth, missing = np.zeros_like(values), np.ones(hidden.shape, np.bool_)
    sigma = _FIRST
    while missing.any():
        last = sigma > max(hidden.shape)
        cover = ndimage.gaussian_filter(weight, sigma, mode="nearest")
        here = missing & (last | (cover >= _ENOUGH))
        total = ndimage.gaussian_filter(weighted, (sigma, sigma, 0), mode="nearest")
        smooth[here] = total[here] / np.maximum(cover[here], np.finfo(np.float32).tiny)[:, None]
        missing &= ~here
        sigma *= 2
    # Each hidden pixel's mirror image across the nearest edge, or the nearest known pixel if that is hidden.
    nearest = ndimage.distance_transform_edt(hidden, return_distances=False, return_indices=True)
    limits = np.array(hidden.shape).reshape(2, 1, 1) - 1
    beyond = np.clip(2 * nearest - np.indices(hidden.shape), 0, limits)
    rows, columns = np.where(~hidden[beyond[0], beyond[1]], beyond, nearest)
    return as_pixels(np.where(hidden[..., None], smooth + (values - smooth)[rows, columns], values))


def fade(source: PerturbationSource, strength: float) -> Labelled:
    """Fade the foreground by mixing an image I with its inpainted background B: (1 − strength) I + strength B."""
    background = inpaint(source.pixels, source.mask).astype(np.float32)
    return as_pixels(source.pixels + strength * (background - source.pixels)), source.mask.copy()


FADE: Final = LabelledPerturbation("fade", fade, "share of the foreground's contrast that is lost", (0.3, 0.5, 0.65, 0.8))


def resize(pixels: Pixels, mask: Foreground, height: int, width: int) -> Labelled:
    """Resize an image with antialiasing, and its mask so that foreground share and connected lines are preserved.

    The mask's pixels are ordered by how much of each is covered; foreground are as many as give the share, and all that are
    covered as much as the last of them. A line thinner than a pixel therefore stays a line, with a larger share.
    """
    size = (width, height)
    resized = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))
    if not mask.any():
        return resized, np.zeros((height, width), np.bool_)
    covered = np.asarray(Image.fromarray(mask.astype(np.float32)).resize(size, Image.Resampling.BOX))
    wanted = max(1, round(float(mask.mean()) * covered.size))
    least = np.partition(covered.ravel(), covered.size - wanted)[covered.size - wanted]
    # A thousandth is rounding: pixels of equal coverage must be treated alike.
    return resized, covered >= max(least - 1e-3, 1e-3)


def enlarge(source: PerturbationSource, strength: float) -> Labelled:
    """Crop 1 / (1 + strength) of each side around a random foreground pixel, and enlarge the crop to the original size.

    An image without foreground is cropped around any pixel; the crop is moved to lie within the image.
    """
    height, width = source.mask.shape
    where = np.argwhere(source.mask if source.mask.any() else np.ones_like(source.mask))
    row, column = where[source.rng.integers(len(where))]
    sides = [max(1, round(side / (1 + strength))) for side in (height, width)]
    top, left = (
        int(np.clip(at - side // 2, 0, whole - side))
        for at, side, whole in zip((row, column), sides, (height, width), strict=True)
    )
    crop = np.s_[top : top + sides[0], left : left + sides[1]]
    return resize(source.pixels[crop], source.mask[crop], height, width)


ENLARGE: Final = LabelledPerturbation("enlarge", enlarge, "enlarged by 1 + strength", (1.0,), high=15.0, factor=True)


def mosaic(source: PerturbationSource, strength: float) -> Labelled:
    """Shrink an image by 1 + strength, and fill the original size with mirror images to the right and below."""
    height, width = source.mask.shape
    small = (max(1, round(side / (1 + strength))) for side in (height, width))
    pixels, mask = resize(source.pixels, source.mask, *small)
    missing = ((0, height - mask.shape[0]), (0, width - mask.shape[1]))
    return np.pad(pixels, (*missing, (0, 0)), mode="symmetric"), np.pad(mask, missing, mode="symmetric")


MOSAIC: Final = LabelledPerturbation("mosaic", mosaic, "shrunk by 1 + strength", (1.0, 2.0), high=15.0, factor=True)
