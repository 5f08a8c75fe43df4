"""Define what a perturbation of an image is, and find registered perturbations by name."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howfar import registry

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Perturbation:
    """Describe a change of pixels that keeps an image's size.

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
        """Perturb an image; what is drawn depends on the seed and on the image's pixels alone.

        Examples
        --------
        >>> named("brighter")(np.full((1, 1, 3), 100, np.uint8)).ravel().tolist()
        [130, 130, 130]
        """
        digest = hashlib.blake2b(np.ascontiguousarray(pixels).tobytes(), digest_size=16).digest()
        return self.change(pixels, np.random.default_rng([seed, *digest]))


def named(name: str) -> Perturbation:
    """Load a registered perturbation.

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
