"""Backbones with nothing learnt: raw pixels and the moments of colour. What they tell apart needs no model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from howfar.backbones.family import BackboneFamily, Card, Options
from howfar.backbones.preprocessing import Preprocess, as_rgb
from howfar.errors import InputError

SIDE: Final = 96


class Pixels:
    """The picture itself at 96×96: x = value / 255, rows from the top, RGB within a pixel; q = 96·96·3 = 27,648.

    Parameters
    ----------
    preprocess
        How a picture becomes the 96×96 array.

    Examples
    --------
    >>> from PIL import Image
    >>> pixels = Pixels(Preprocess((96, 96)))
    >>> pixels.embed(pixels.prepare(Image.new("RGB", (5, 1000), (51, 0, 255)))[None])[0, :3]
    array([0.2, 0. , 1. ], dtype=float32)
    """

    name = "pixels"
    layers = (SIDE * SIDE * 3,)

    def __init__(self, preprocess: Preprocess) -> None:
        self._preprocess = preprocess

    @property
    def identity(self) -> Mapping[str, Any]:
        """Name, preprocessing, scale and dtype, as JSON values."""
        preprocessing = {**self._preprocess.describe(), "scale": 255}
        return {"name": self.name, "preprocessing": preprocessing, "dtype": "float32"}

    def prepare(self, image: Image) -> NDArray[np.uint8]:
        """Return (96, 96, 3) uint8.

        Raises
        ------
        ImageError
            The picture is not 8 bits a channel.
        """
        return self._preprocess(image)

    def embed(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        """Turn (b, 96, 96, 3) uint8 into (b, 27648) float32 in [0, 1].

        Raises
        ------
        InputError
            `batch` is not what `prepare` returns, stacked.
        """
        if batch.shape[1:] != (SIDE, SIDE, 3) or batch.dtype != np.uint8:
            received = f"{batch.dtype} {batch.shape}"
            raise InputError.of(
                "batch", f"must be uint8 of shape (b, {SIDE}, {SIDE}, 3)", received, "stack what prepare returns"
            )
        return batch.reshape(len(batch), -1).astype(np.float32) / np.float32(255)


class ColourMoments:
    """Mean and standard deviation of each channel over every pixel, of values / 255; q = 6: means of R, G, B, then deviations.

    They are taken on the picture at its full size from its histogram (so exactly, whatever the size), and the
    deviation is that of the population: σ² = Σ_v c_v (v − μ)² / Σ_v c_v for counts c_v of the values v.

    Examples
    --------
    >>> from PIL import Image
    >>> picture = Image.new("RGB", (2, 1), (0, 0, 255))
    >>> picture.putpixel((0, 0), (255, 0, 255))
    >>> moments = ColourMoments()
    >>> moments.embed(moments.prepare(picture)[None])
    array([[0.5, 0. , 1. , 0.5, 0. , 0. ]], dtype=float32)
    """

    name = "colour_moments"
    layers = (3, 3)

    @property
    def identity(self) -> Mapping[str, Any]:
        """Name, preprocessing, scale and dtype, as JSON values."""
        return {"name": self.name, "preprocessing": {"size": "full", "scale": 255}, "dtype": "float32"}

    def prepare(self, image: Image) -> NDArray[np.float64]:
        """Return (2, 3) float64: the channels' means, then their deviations. Pictures differ in size, so this is done here.

        Raises
        ------
        ImageError
            The picture is not 8 bits a channel.
        """
        counts = np.asarray(as_rgb(image).histogram(), dtype=np.float64).reshape(3, 256)
        share = counts / counts.sum(axis=1, keepdims=True)
        values = np.arange(256) / 255
        mean = share @ values
        variance = (share * (values - mean[:, None]) ** 2).sum(axis=1)
        return np.stack([mean, np.sqrt(variance)])

    def embed(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        """Turn (b, 2, 3) into (b, 6) float32.

        Raises
        ------
        InputError
            `batch` is not what `prepare` returns, stacked.
        """
        if batch.shape[1:] != (2, 3):
            raise InputError.of("batch", "must have the shape (b, 2, 3)", batch.shape, "stack what prepare returns")
        return batch.reshape(len(batch), -1).astype(np.float32)


def _pixels(options: Options) -> Pixels:
    return Pixels(Preprocess((SIDE, SIDE), options.fit, options.via))


def _colour_moments(options: Options) -> ColourMoments:
    return ColourMoments()


PIXELS: Final = BackboneFamily(
    Card("pixels", SIDE * SIDE * 3, "96×96 RGB", "none", "–", "raw pixels / 255: a trivial yardstick beside every model"),
    _pixels,
    takes=("fit", "via"),
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
    _colour_moments,
)
