"""Compute features without a learnt model: raw pixels, colour moments, and perceptual hashes, which find copies."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image, fromarray

from howfar.backbones.backbone_family import BackboneFamily, Card
from howfar.backbones.preprocessing import Preprocess, ResizingBackbone, as_rgb
from howfar.data.image_decoding import Picture
from howfar.errors import InputError

SIDE: Final = 96


class Pixels(ResizingBackbone):
    """Use the pixels at 96×96 as the feature: x = value / 255, row by row, bands interleaved; q = 96·96·3 = 27,648 for RGB."""

    name = "pixels"

    def __init__(self, preprocess: Preprocess) -> None:
        self._preprocess = preprocess
        self.layers = (SIDE * SIDE * preprocess.channels,)
        preprocessing = {**preprocess.describe(), "scale": 255}
        self.identity = {"name": self.name, "preprocessing": preprocessing, "dtype": "float32"}

    def embed(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        """Turn (b, 96, 96, c) uint8 into (b, 9216 c) float32 in [0, 1]; another shape or type raises `InputError`."""
        self._preprocess.check_batch(batch)
        return batch.reshape(len(batch), -1).astype(np.float32) / np.float32(255)


class ColourMoments:
    """Use each band's mean and standard deviation of values / 255 as the feature; q = 6 for R, G, B: means, then deviations.

    They are exact, from the histogram of the full-size image: σ² = Σ_v c_v (v − μ)² / Σ_v c_v for counts c_v of the values v.
    """

    name = "colour_moments"

    def __init__(self, channels: int = 3) -> None:
        self.channels, self.layers = channels, (channels, channels)
        preprocessing = {"size": "full", "scale": 255, **({"channels": channels} if channels != 3 else {})}
        self.identity: Mapping[str, Any] = {"name": self.name, "preprocessing": preprocessing, "dtype": "float32"}

    def prepare(self, image: Picture) -> NDArray[np.float64]:
        """Compute the bands' means and deviations, (2, c) float64, so that images of different sizes can be stacked."""
        if isinstance(image, Image):
            counts = np.asarray(as_rgb(image).histogram(), dtype=np.float64).reshape(3, 256)
        else:
            bands = np.moveaxis(image, -1, 0).reshape(self.channels, -1)
            counts = np.stack([np.bincount(band, minlength=256) for band in bands]).astype(np.float64)
        share = counts / counts.sum(axis=1, keepdims=True)
        values = np.arange(256) / 255
        mean = share @ values
        variance = (share * (values - mean[:, None]) ** 2).sum(axis=1)
        return np.stack([mean, np.sqrt(variance)])

    def embed(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        """Turn (b, 2, c) into (b, 2 c) float32; another shape raises `InputError`."""
        if batch.shape[1:] != (2, self.channels):
            raise InputError.of(
                "batch", f"must have the shape (b, 2, {self.channels})", batch.shape, "stack what prepare returns"
            )
        return batch.reshape(len(batch), -1).astype(np.float32)


PIXELS: Final = BackboneFamily(
    Card("pixels", SIDE * SIDE * 3, "96×96 RGB", "none", "–", "raw pixels / 255: a trivial yardstick beside every model"),
    lambda options: Pixels(Preprocess.of(options, (SIDE, SIDE), (0.5,) * options.channels)),
    takes=("fit", "via", "channels"),
)
COLOUR_MOMENTS: Final = BackboneFamily(
    Card(
        "colour_moments",
        6,
        "full size RGB",
        "none",
        "–",
        "channel means and deviations: a trivial yardstick beside every model",
    ),
    lambda options: ColourMoments(options.channels),
    takes=("channels",),
)


HASH_SIDE: Final = 16
NAME: Final = "perceptual_hash"
_ODD: Final = np.tile(np.where(np.arange(HASH_SIDE) % 2, -1.0, 1.0).astype(np.float32), HASH_SIDE)


class PerceptualHash:
    """Use a 256-bit perceptual hash as the feature: signs of the 16×16 lowest DCT coefficients relative to their median.

    It is ``imagehash.phash`` with hash_size 16, of a grey picture at 64×64 (https://github.com/JohannesBuchner/imagehash);
    Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions" (2010).
    """

    name = NAME
    channels = None
    layers = (HASH_SIDE * HASH_SIDE,)
    identity: Mapping[str, Any] = {
        "name": NAME,
        "preprocessing": {"hash": "imagehash.phash", "hash_size": HASH_SIDE},
        "dtype": "float32",
    }

    def prepare(self, image: Picture) -> NDArray[np.bool_]:
        """Compute the (256,) bits of an image, row by row of the coefficients, the lowest first; of bands by their mean."""
        import imagehash

        grey = as_rgb(image) if isinstance(image, Image) else fromarray(np.rint(image.mean(axis=-1)).astype(np.uint8))
        bits: NDArray[np.bool_] = imagehash.phash(grey, hash_size=HASH_SIDE).hash.reshape(-1)
        return bits

    def embed(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        """Turn (b, 256) bits into (b, 256) float32 signs, +1 or −1; another shape raises `InputError`."""
        if batch.shape[1:] != self.layers:
            rule = f"must have the shape (b, {self.layers[0]})"
            raise InputError.of("batch", rule, batch.shape, "stack what prepare returns")
        return np.where(batch, np.float32(1), np.float32(-1))


def mirrored(signs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute the hashes of left-right mirrored images, exact to a few bits, by flipping odd horizontal coefficients."""
    return signs * _ODD


def has_structure(signs: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which hashes belong to images with content; a blank image sets fewer than a quarter of the bits."""
    structured: NDArray[np.bool_] = (signs > 0).mean(axis=1) >= 0.25
    return structured


PERCEPTUAL_HASH: Final = BackboneFamily(
    Card(
        NAME,
        HASH_SIDE * HASH_SIDE,
        "64×64 grey",
        "none",
        "–",
        "256 signs by which nearly equal images are found; no distance to read",
    ),
    lambda _: PerceptualHash(),
    takes=("channels",),
)
