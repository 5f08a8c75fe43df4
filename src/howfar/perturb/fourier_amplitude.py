"""Give an image the coarse amplitudes of another one's Fourier transform: its light and colours, under the same edges."""

from __future__ import annotations

from typing import Final

import numpy as np
from PIL import Image

from howfar.perturb.labelled_perturbation import Labelled, LabelledPerturbation, Source, as_pixels


def swap_amplitude(source: Source, strength: float) -> Labelled:
    """Replace the amplitudes of the lowest frequencies by another image's, and keep all phases.

    Frequencies within ± ⌊strength · shorter side⌋ of 0, on both axes, are replaced in each channel; the other image is resized
    to the image's size first. Source: Yang & Soatto, "FDA: Fourier domain adaptation for semantic segmentation" (CVPR 2020),
    https://arxiv.org/abs/2004.05498, whose β is the strength: 0.01, 0.05 and 0.09 there.

    Examples
    --------
    >>> road, grass = np.full((8, 8, 3), 100, np.uint8), np.full((8, 8, 3), 40, np.uint8)
    >>> swap_amplitude(Source(road, np.zeros((8, 8), bool), np.random.default_rng(0), (grass,)), 0.1)[0].max().item()
    40
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
