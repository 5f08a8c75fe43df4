"""Blur images and add noise to them, by a strength; the mask stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from howfar.perturb.corruptions import gaussian_blur, gaussian_noise
from howfar.perturb.labelled_perturbation import Labelled, LabelledPerturbation, Source
from howfar.perturb.perturbation import Perturbation


def _of(perturbation: Callable[[float], Perturbation]) -> Callable[[Source, float], Labelled]:
    def changed(source: Source, strength: float) -> Labelled:
        return perturbation(strength).change(source.pixels, source.rng), source.mask.copy()

    return changed


BLUR: Final = LabelledPerturbation("blur", _of(gaussian_blur), "pixels of a Gaussian at 448 × 448", (3.0, 6.0), high=100.0)
NOISE: Final = LabelledPerturbation("noise", _of(gaussian_noise), "deviation of Gaussian noise, of 1", (0.1, 0.25), high=2.0)
