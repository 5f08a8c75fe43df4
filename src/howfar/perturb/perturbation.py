"""Define a perturbation of an image, alone or with its mask and a strength, and find registered ones by name."""

from __future__ import annotations

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

    Attributes
    ----------
    name
        Its registered name.
    change
        Function of pixels, uint8 (h, w, 3), and a generator; it returns changed pixels of the same shape.
    parameters
        What the change depends on, as JSON values: they are part of the identity of features of perturbed images.
    """

    name: str
    change: Callable[[Pixels, np.random.Generator], Pixels]
    parameters: Mapping[str, Any]

    def __call__(self, pixels: Pixels, seed: int = 0) -> Pixels:
        """Perturb an image; random draws depend only on the seed and the image's pixels.

        Examples
        --------
        >>> named("brighter")(np.full((1, 1, 3), 100, np.uint8)).ravel().tolist()
        [130, 130, 130]
        """
        return self.change(pixels, np.random.default_rng([seed, *_digest(pixels)]))


def named(name: str) -> Perturbation:
    """Return the perturbation registered under a name.

    Raises
    ------
    UnknownNameError
        There is none of that name.
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
    """Hold an image with its mask, and the random generator and other images that a perturbation may use.

    Attributes
    ----------
    pixels
        The image, (h, w, 3) uint8.
    mask
        Its foreground, (h, w) bool.
    rng
        A generator of the image's own.
    others
        Other images without foreground, (h', w', 3) uint8 each; empty where the perturbation does not need them.
    """

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

    Attributes
    ----------
    name
        Its registered name.
    change
        Function of a `PerturbationSource` and a strength; it returns changed pixels and mask, of the same shapes and types.
    meaning
        What the strength is, in words that follow "strength:".
    strengths
        The strengths that stand for it where none is asked for.
    low, high
        The least and the greatest strength that it takes.
    needs_others
        Whether it draws from other images.
    factor
        Whether it is called by 1 + strength, a factor, rather than by its strength.
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

        Parameters
        ----------
        pixels
            The image, (h, w, 3) uint8.
        mask
            Its foreground, (h, w) bool.
        strength
            0 changes nothing; what more is, `meaning` says.
        seed
            A whole number, at least 0.
        others
            Other images, (h', w', 3) uint8, for a perturbation that draws from some.

        Returns
        -------
        tuple
            Pixels and mask, new arrays of the same shapes and types. A blank mask stays blank.

        Raises
        ------
        InputError
            Arrays of another shape or type, a strength out of range, no other image where one is needed.

        Examples
        --------
        >>> pixels, mask = np.full((2, 2, 3), 100, np.uint8), np.eye(2, dtype=bool)
        >>> darker, same = labelled_named("darken")(pixels, mask, 0.5)
        >>> darker[0].tolist(), same.tolist()
        ([[50, 50, 50], [50, 50, 50]], [[True, False], [False, True]])
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
        """Return the name with the strength, such as "fade 0.65" or "mosaic 2×".

        Examples
        --------
        >>> labelled_named("fade").label(0.65), labelled_named("mosaic").label(1)
        ('fade 0.65', 'mosaic 2×')
        """
        return f"{self.name} {1 + strength:g}×" if self.factor else f"{self.name} {strength:g}"


def labelled_named(name: str) -> LabelledPerturbation:
    """Return the perturbation of images with masks registered under a name.

    Raises
    ------
    UnknownNameError
        There is none of that name.
    """
    perturbation: LabelledPerturbation = registry.load(KIND, name)
    return perturbation


def labelled_every() -> tuple[str, ...]:
    """List the names of all registered perturbations of images with masks, howfar's first in registry order.

    Examples
    --------
    >>> labelled_every()[:3]
    ('fade', 'mosaic', 'enlarge')
    """
    return registry.ordered(KIND)


def as_pixels(values: NDArray[np.floating]) -> Pixels:
    """Round values to bytes, clipped to 0-255.

    Examples
    --------
    >>> as_pixels(np.array([-3.0, 99.6, 300.0])).tolist()
    [0, 100, 255]
    """
    return np.asarray(np.clip(np.rint(values), 0, 255), dtype=np.uint8)


def _digest(pixels: Pixels) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(pixels).tobytes(), digest_size=16).digest()


def _check_image(pixels: Pixels, argument: str) -> None:
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or 0 in pixels.shape:
        raise InputError.of(argument, "must be uint8 (height, width, 3)", f"{pixels.dtype} {pixels.shape}", "decode as RGB")
