"""Prepare images for a network: optionally perturb them, then resize them by stretching, cropping or padding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from howfar.data.image_decoding import Picture, to_rgb
from howfar.errors import ImageError, InputError, check_choice
from howfar.options import Fits
from howfar.perturb import Perturbation
from howfar.protocols import Backbone

if TYPE_CHECKING:
    from howfar.backbones.backbone_family import Options

RESAMPLING: Final = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
# Modes of eight bits a channel, which Pillow converts to RGB without guessing a range.
_EIGHT_BIT: Final = frozenset({"1", "L", "LA", "P", "PA", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV"})


def as_rgb(image: Image.Image) -> Image.Image:
    """Convert an 8-bit image to mode RGB, with transparent pixels over white; 16-bit, integer or float raises `ImageError`."""
    if image.mode == "RGB":
        return image
    if image.mode not in _EIGHT_BIT:
        raise ImageError(f"mode {image.mode} is not 8 bits a channel: convert it to RGB first")
    return to_rgb(image)


def for_channels(values: Sequence[float], channels: int) -> tuple[float, ...]:
    """Repeat the values of three channels for further ones, in turn, as timm repeats a network's first weights."""
    return tuple(values) if len(values) == channels else tuple(values[band % len(values)] for band in range(channels))


@dataclass(frozen=True)
class Preprocess:
    """Resize an image to a network's input size; values stay 8-bit, since the network normalises them.

    `size` is (height, width) of the input in pixels. `fit` ``stretch`` does not keep the aspect, as in the paper; ``crop``
    takes the largest centred part of the input's aspect; ``pad`` shrinks the whole image into the middle of a canvas of colour
    `fill`. `via` is the side of a square that the image is fitted to first (section 3.1 of the paper: 448, then the model's).
    `interpolation` is a key of `RESAMPLING`; Pillow's filters widen when they shrink, so that nothing aliases (``nearest``
    apart). Pictures of other than three `channels` are arrays (h, w, channels) of uint8, each of which is resized by itself.
    """

    size: tuple[int, int]
    fit: Fits = "stretch"
    via: int | None = None
    interpolation: str = "bicubic"
    fill: tuple[int, ...] = (128, 128, 128)
    channels: int = 3

    def __post_init__(self) -> None:
        check_choice("interpolation", self.interpolation, RESAMPLING)

    @classmethod
    def of(cls, options: Options, size: tuple[int, int], mean: Sequence[float], interpolation: str = "bicubic") -> Preprocess:
        """Return what a caller's options ask for; the colour of ``fit="pad"`` is that of a mean of 0-1."""
        # Padding of the mean colour is close to 0 after normalisation.
        fill = tuple(min(255, max(0, round(255 * float(value)))) for value in mean)
        return cls(size, options.fit, options.via, interpolation, fill, options.channels)

    def __call__(self, image: Picture) -> NDArray[np.uint8]:
        """Resize an image to (height, width, channels) uint8; images other than 8 bits per channel raise `ImageError`."""
        if isinstance(image, Image.Image):
            return self._resized(as_rgb(image), self.fill)
        bands = [
            self._resized(Image.fromarray(band), fill) for band, fill in zip(np.moveaxis(image, -1, 0), self.fill, strict=True)
        ]
        return np.stack(bands, axis=-1)

    def _resized(self, picture: Image.Image, fill: float | tuple[int, ...]) -> NDArray[np.uint8]:
        if self.via is None:
            return np.array(self._fitted(picture, *self.size, fill))
        picture = self._fitted(picture, self.via, self.via, fill)
        height, width = self.size
        return np.array(picture.resize((width, height), RESAMPLING[self.interpolation]))

    def check_batch(self, batch: NDArray[Any]) -> None:
        """Raise `InputError` unless a batch has this preprocessing's shape and type, (b, height, width, 3) uint8."""
        shape = (*self.size, self.channels)
        if batch.shape[1:] != shape or batch.dtype != np.uint8:
            rule = f"must be uint8 of shape (b, {', '.join(map(str, shape))})"
            raise InputError.of("batch", rule, f"{batch.dtype} {batch.shape}", "stack what prepare returns")

    def describe(self) -> dict[str, Any]:
        """Return the preprocessing settings as JSON values for the identity."""
        described = {"size": list(self.size), "fit": self.fit, "via": self.via, "interpolation": self.interpolation}
        described |= {"channels": self.channels} if self.channels != 3 else {}
        return {**described, "fill": list(self.fill)} if self.fit == "pad" else described

    def _fitted(self, picture: Image.Image, height: int, width: int, fill: float | tuple[int, ...]) -> Image.Image:
        resample = RESAMPLING[self.interpolation]
        if self.fit == "stretch":
            return picture.resize((width, height), resample)
        if self.fit == "crop":
            scale = min(picture.width / width, picture.height / height)
            left, top = (picture.width - width * scale) / 2, (picture.height - height * scale) / 2
            # Rounding may put the far edge a hair outside, which Pillow refuses.
            right, bottom = min(left + width * scale, picture.width), min(top + height * scale, picture.height)
            return picture.resize((width, height), resample, box=(max(left, 0.0), max(top, 0.0), right, bottom))
        scale = min(width / picture.width, height / picture.height)
        inner = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        canvas = Image.new(picture.mode, (width, height), fill)
        canvas.paste(picture.resize(inner, resample), ((width - inner[0]) // 2, (height - inner[1]) // 2))
        return canvas


def prepared(backbone: Backbone, picture: Picture) -> NDArray[Any]:
    """Turn a picture into a backbone's input; raise `ImageError` where it has other bands than the backbone takes."""
    bands = 3 if isinstance(picture, Image.Image) else picture.shape[2]
    takes = getattr(backbone, "channels", 3)
    if takes is not None and bands != takes:
        example = ",".join(map(str, range(takes, 0, -1)))
        raise ImageError(f"{bands} bands, and {backbone.name} takes {takes}: choose {takes}, as --bands {example}")
    return backbone.prepare(picture)


class ResizingBackbone:
    """Prepare images by resizing them as `Preprocess` says; most backbones do so."""

    _preprocess: Preprocess

    @property
    def channels(self) -> int:
        """Return how many bands the network is fed."""
        return self._preprocess.channels

    def prepare(self, image: Picture) -> NDArray[np.uint8]:
        """Resize an image to the network's input size."""
        return self._preprocess(image)


class PerturbedBackbone:
    """Perturb every image before embedding by another backbone.

    Features of perturbed images are kept in a store beside those of the images as they are, under an identity of their own.

    Examples
    --------
    >>> from howfar.backbones import load_backbone
    >>> from howfar.perturb import named
    >>> PerturbedBackbone(load_backbone("pixels"), named("blur")).name
    'pixels of blur'
    """

    def __init__(self, backbone: Backbone, perturbation: Perturbation) -> None:
        self._backbone, self._perturbation = backbone, perturbation
        self.name, self.layers = f"{backbone.name} of {perturbation.name}", backbone.layers
        change = {"name": perturbation.name, **perturbation.parameters}
        self.identity: Mapping[str, Any] = {**backbone.identity, "perturbation": change}

    def __getattr__(self, attribute: str) -> Any:
        # A backbone may have these members or not; the pipeline asks with hasattr.
        if attribute in ("batch_size", "busy"):
            return getattr(self._backbone, attribute)
        if attribute == "on":
            move: Any = getattr(self._backbone, attribute)
            return lambda device: PerturbedBackbone(move(device), self._perturbation)
        raise AttributeError(attribute)

    def prepare(self, image: Picture) -> NDArray[Any]:
        """Perturb an RGB picture, then turn it into the model's input array."""
        picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
        return self._backbone.prepare(Image.fromarray(self._perturbation(np.asarray(picture.convert("RGB")))))

    def embed(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        """Turn (b, …) prepared pictures into (b, q) float32 features."""
        return self._backbone.embed(batch)
