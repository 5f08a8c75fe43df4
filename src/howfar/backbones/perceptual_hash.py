"""Compute perceptual hashes of images, by which copies are found that were saved anew, resized, cropped or mirrored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from howfar.backbones.family import BackboneFamily, Card
from howfar.backbones.preprocessing import as_rgb
from howfar.errors import InputError

SIDE: Final = 16
NAME: Final = "perceptual_hash"
_ODD: Final = np.tile(np.where(np.arange(SIDE) % 2, -1.0, 1.0).astype(np.float32), SIDE)


class PerceptualHash:
    """Take 256 signs as the feature: which of the 16×16 lowest cosine coefficients of the grey picture are above their median.

    The hash is ``imagehash.phash`` with hash_size 16: the picture is made grey, resized to 64×64, and transformed by the
    discrete cosine transform. Source: the library ImageHash (https://github.com/JohannesBuchner/imagehash); the idea is of
    Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions" (2010).

    Examples
    --------
    >>> from PIL import Image
    >>> hashing = PerceptualHash()
    >>> gradient = Image.linear_gradient("L")
    >>> hashes = hashing.embed(np.stack([hashing.prepare(gradient), hashing.prepare(gradient.resize((80, 90)))]))
    >>> hashes.shape, bool((hashes[0] == hashes[1]).mean() > 0.9)
    ((2, 256), True)
    """

    name = NAME
    layers = (SIDE * SIDE,)

    @property
    def identity(self) -> Mapping[str, Any]:
        """Give name, hash and dtype, as JSON values."""
        return {"name": self.name, "preprocessing": {"hash": "imagehash.phash", "hash_size": SIDE}, "dtype": "float32"}

    def prepare(self, image: Image) -> NDArray[np.bool_]:
        """Compute the (256,) bits of an image, row by row of the coefficients, the lowest first."""
        import imagehash

        bits: NDArray[np.bool_] = imagehash.phash(as_rgb(image), hash_size=SIDE).hash.reshape(-1)
        return bits

    def embed(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        """Turn (b, 256) bits into (b, 256) float32 signs, +1 or −1; another shape raises `InputError`."""
        if batch.shape[1:] != self.layers:
            raise InputError.of(
                "batch", f"must have the shape (b, {self.layers[0]})", batch.shape, "stack what prepare returns"
            )
        return np.where(batch, np.float32(1), np.float32(-1))


def mirrored(signs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute the hashes of the pictures mirrored left to right, to a few bits: odd horizontal waves change sign.

    Examples
    --------
    >>> mirrored(np.ones((1, 256), np.float32))[0, :4].tolist()
    [1.0, -1.0, 1.0, -1.0]
    """
    return signs * _ODD


def has_structure(signs: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Tell which hashes are of pictures with something to see; of a blank one fewer than a quarter of the bits are set.

    Examples
    --------
    >>> has_structure(np.full((1, 256), -1, np.float32)).tolist()
    [False]
    """
    structured: NDArray[np.bool_] = (signs > 0).mean(axis=1) >= 0.25
    return structured


PERCEPTUAL_HASH: Final = BackboneFamily(
    Card(NAME, SIDE * SIDE, "64×64 grey", "none", "–", "256 signs by which nearly equal images are found; no distance to read"),
    lambda _: PerceptualHash(),
)
