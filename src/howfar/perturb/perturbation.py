"""Define perturbations of images (`Perturbation`) and of images with masks (`LabelledPerturbation`), registered by name."""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from howfar import registry
from howfar.errors import InputError

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Perturbation:
    """Define a perturbation of an image that keeps its size.

    `change` maps pixels, uint8 (h, w, 3), and a generator to changed pixels of the same shape. `parameters` are what the change
    depends on, as JSON values: they are part of the identity of features of perturbed images.
    """

    name: str
    change: Callable[[Pixels, np.random.Generator], Pixels]
    parameters: Mapping[str, Any]

    def __call__(self, pixels: Pixels, seed: int = 0) -> Pixels:
        """Perturb an image; random draws depend only on the seed and the image's pixels."""
        return self.change(pixels, np.random.default_rng([seed, *_digest(pixels)]))


def named(name: str) -> Perturbation:
    """Return the perturbation registered under a name.

    Raises `UnknownNameError`: there is none of that name.
    """
    perturbation: Perturbation = registry.load("perturbations", name)
    return perturbation


def every() -> tuple[str, ...]:
    """List the names of all registered perturbations.

    Examples
    --------
    >>> "blur" in every()
    True
    """
    return registry.names("perturbations")


KIND = "labelled_perturbations"
Foreground: TypeAlias = NDArray[np.bool_]
Labelled: TypeAlias = tuple[Pixels, Foreground]


@dataclass(frozen=True, eq=False)
class PerturbationSource:
    """Hold an image (h, w, 3) with its mask (h, w), a random generator of its own, and other images without foreground."""

    pixels: Pixels
    mask: Foreground
    rng: np.random.Generator
    others: tuple[Pixels, ...] = ()

    def other(self) -> Pixels:
        """Draw one of the other images at random."""
        return self.others[int(self.rng.integers(len(self.others)))]


@dataclass(frozen=True)
class LabelledPerturbation:
    """Define a perturbation of an image and its mask that keeps the size; strength 0 changes nothing.

    `meaning` says what the strength is, in words that follow "strength:"; `strengths` stand for it where none is asked for, and
    `low` to `high` is its range. With `factor` it is called by 1 + strength.
    """

    name: str
    change: Callable[[PerturbationSource, float], Labelled]
    meaning: str
    strengths: tuple[float, ...]
    low: float = 0.0
    high: float = 1.0
    needs_others: bool = False
    factor: bool = False

    def __call__(
        self, pixels: Pixels, mask: Foreground, strength: float, *, seed: int = 0, others: Sequence[Pixels] = ()
    ) -> Labelled:
        """Perturb an image and its mask; random draws depend only on the seed, the perturbation and the image's pixels.

        `pixels` are (h, w, 3) uint8, as are the `others` that some perturbations draw from; `mask` is (h, w) bool and stays
        blank if blank. Raises `InputError` for arrays of another shape or type, a strength out of range, or no other image
        where one is needed.
        """
        _check_image(pixels, "pixels")
        if mask.shape != pixels.shape[:2] or mask.dtype != np.bool_:
            rule = f"must be bool and {pixels.shape[0]} × {pixels.shape[1]}, as its image"
            raise InputError.of("mask", rule, f"{mask.dtype} {mask.shape}")
        self.check(strength)
        if strength == 0:
            return pixels.copy(), mask.copy()
        if self.needs_others and not len(others):
            raise InputError.of("others", f"must hold an image for {self.name}", "none", "pass other images")
        for other in others:
            _check_image(other, "others")
        rng = np.random.default_rng([seed, *self.name.encode(), *_digest(pixels)])
        return self.change(PerturbationSource(pixels, mask, rng, tuple(others)), float(strength))

    def check(self, strength: float) -> None:
        """Raise `InputError` for a strength outside the perturbation's range."""
        if not (math.isfinite(strength) and self.low <= strength <= self.high):
            raise InputError.of(f"strength of {self.name}", f"must be from {self.low:g} to {self.high:g}", strength)

    def label(self, strength: float) -> str:
        """Return the name with the strength, such as "fade 0.65" or "mosaic 2×"."""
        return f"{self.name} {1 + strength:g}×" if self.factor else f"{self.name} {strength:g}"


def labelled_named(name: str) -> LabelledPerturbation:
    """Return the perturbation of images with masks registered under a name."""
    perturbation: LabelledPerturbation = registry.load(KIND, name)
    return perturbation


def labelled_every() -> tuple[str, ...]:
    """List the names of all registered perturbations of images with masks, howfar's first in registry order."""
    return registry.ordered(KIND)


def as_pixels(values: NDArray[np.floating]) -> Pixels:
    """Round values to bytes, clipped to 0-255."""
    return np.asarray(np.clip(np.rint(values), 0, 255), dtype=np.uint8)


def _digest(pixels: Pixels) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(pixels).tobytes(), digest_size=16).digest()


def _check_image(pixels: Pixels, argument: str) -> None:
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or 0 in pixels.shape:
        raise InputError.of(argument, "must be uint8 (height, width, 3)", f"{pixels.dtype} {pixels.shape}", "decode as RGB")
