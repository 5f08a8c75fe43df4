"""Predict probability maps of images of any size, by howfar's segmenters, other torch modules or ONNX files."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from howfar.errors import InputError, check_at_least, option
from howfar.memory import check_held
from howfar.options import Floats
from howfar.weights.hub_downloads import IMAGENET_MEAN, IMAGENET_STD
from howfar.weights.onnx_network import Layout, OnnxNetwork
from howfar.weights.state_dicts import computing_in, dtype_of

Output: TypeAlias = Literal["logits", "probabilities"]
Probabilities: TypeAlias = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""A function from RGB images of 0-1, (b, 3, h, w) float32, to probabilities of foreground, (b, h, w) float32."""
READING: Final = ("mean", "std", "output", "channel")  # the options that say how a foreign network is fed and read


@dataclass(frozen=True)
class Reading:
    """Describe how images are fed to a foreign network, and how its output is read.

    `mean` is subtracted from each channel of a 0-1 image, and the difference divided by `std`. `channel` is the foreground's
    where the output has several; by default the second of two.
    """

    mean: Sequence[float] = IMAGENET_MEAN
    std: Sequence[float] = IMAGENET_STD
    output: Output = "logits"
    channel: int | None = None

    def __post_init__(self) -> None:
        if self.output not in ("logits", "probabilities"):
            raise InputError.of("output", "must be logits or probabilities", self.output)
        for name in ("mean", "std"):
            if len(getattr(self, name)) != 3:
                raise InputError.of(name, "must be three numbers, for red, green and blue", getattr(self, name))
        if min(self.std) <= 0:
            raise InputError.of("std", "must be above 0", list(self.std))

    def normalised(self, pictures: NDArray[np.float32]) -> NDArray[np.float32]:
        """Normalise each channel: (x − mean) / std."""
        mean, std = (np.asarray(values, np.float32).reshape(1, 3, 1, 1) for values in (self.mean, self.std))
        return (pictures - mean) / std

    def foreground(self, output: Any) -> NDArray[np.float32]:
        """Convert a network's output, (b, h, w) or (b, c, h, w), to probabilities of foreground (b, h, w)."""
        maps = four_axes(output)
        channel = self.channel_of(maps.shape[1])
        if self.output == "logits":
            maps = maps.sigmoid() if maps.shape[1] == 1 else maps.softmax(1)
        p: NDArray[np.float32] = maps[:, channel].numpy()
        low, high = float(p.min()), float(p.max())
        if not (low >= -1e-6 and high <= 1 + 1e-6):
            logits = self.output == "probabilities" and not np.isnan(p).any()
            remedy = f"pass {option('output', 'logits')}" if logits else "it gave NaN: look at its weights"
            raise InputError.of("the network's output", "must lie within 0-1", f"{low:.4g} to {high:.4g}", remedy)
        return np.clip(p, 0.0, 1.0)

    def channel_of(self, count: int) -> int:
        """Return the index of the foreground channel; `InputError` if none is named or the index is out of range."""
        if self.channel is not None:
            if not -count <= self.channel < count:
                raise InputError.of("channel", f"must be one of the network's {count}", self.channel)
            return self.channel % count
        if count > 2:
            raise InputError(f"the network gives {count} channels: name the foreground's, as channel")
        return count - 1


@dataclass(frozen=True)
class ForeignNetwork:
    """Run a foreign network (not trained by howfar) on images of 0-1 to get probabilities of foreground.

    `run` takes normalised images, (b, 3, h, w) float32. `explicit` says which of `READING` the caller gave. `side` is that of
    the square that it takes, None for any.
    """

    run: Callable[[NDArray[np.float32]], Any]
    reading: Reading
    explicit: frozenset[str] = frozenset()
    name: str = "the network"
    layout: Layout = "NCHW"
    dtype: str = "float32"
    side: int | None = None

    def __call__(self, pictures: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute probabilities of foreground, (b, h, w), of images of 0-1, (b, 3, h, w); raises as `outputs`."""
        return self.reading.foreground(self.outputs(pictures))

    def outputs(self, pictures: NDArray[np.float32]) -> Tensor:
        """Compute the network's output for images of 0-1 as (b, c, h, w) float32; `InputError` unless it is a map."""
        maps = four_axes(self.run(self.reading.normalised(pictures)))
        first, second, third = maps.shape[1:]
        # Squares have square maps, whose two equal axes say which one is that of the channels.
        if first == second and (second != third or self.layout == "NHWC"):
            maps = maps.permute(0, 3, 1, 2)
        if maps.shape[2:] == (1, 1) and pictures.shape[2] > 1:
            raise InputError.of(_OUTPUT, _MAPS, tuple(maps.shape), _CLASSIFIER)
        return maps


_OUTPUT: Final = "the network's output"
_MAPS: Final = "must be (batch, channels, height, width)"
_CLASSIFIER: Final = "it classifies whole images: pass its table of classes to howfar evaluate --task classification"


def four_axes(output: Any) -> Tensor:
    """Return a network's output, (b, h, w) or (b, c, h, w), as float32 (b, c, h, w) on the CPU; otherwise `InputError`."""
    if not isinstance(output, Tensor):
        raise InputError.of(_OUTPUT, "must be one tensor", type(output).__name__, "wrap it in a module")
    maps = output.detach().float().cpu()
    maps = maps[:, None] if maps.ndim == 3 else maps
    if maps.ndim != 4:
        raise InputError.of(_OUTPUT, _MAPS, tuple(output.shape), _CLASSIFIER if maps.ndim == 2 else "")
    return maps


def of_segmenter(network: Any, device: torch.device, precision: Floats = "32") -> Probabilities:
    """Wrap a howfar segmenter, which normalises its own input and outputs logits."""
    placed = network.eval().to(device).to(memory_format=torch.channels_last)
    run = _torch(placed, device, precision)
    return lambda pictures: Reading().foreground(run(pictures))


def of_module(
    network: nn.Module,
    device: torch.device,
    reading: Reading,
    precision: Floats = "32",
    explicit: frozenset[str] = frozenset(READING),
) -> ForeignNetwork:
    """Wrap a torch module that maps (b, 3, h, w) to maps of the same sides; its mode is restored after each call."""
    compute = _torch(network.to(device), device, precision)

    def run(pictures: NDArray[np.float32]) -> Any:
        modes = [(module, module.training) for module in network.modules()]
        network.eval()
        try:
            return compute(pictures)
        finally:
            for module, training in modes:
                module.training = training

    return ForeignNetwork(run, reading, explicit, type(network).__name__)


def of_onnx(file: str | Path, reading: Reading | None, explicit: frozenset[str] = frozenset(READING)) -> ForeignNetwork:
    """Wrap an ONNX file, run by onnxruntime on the CPU; by default images are normalised as `OnnxNetwork` says."""
    network = OnnxNetwork(Path(file))
    name, sides = network.file.name, [side for side in network.sides if isinstance(side, int)]
    if len(set(sides)) > 1:
        raise InputError.of("network", "must take squares", sides, "export it for a square, or for any height and width")
    if network.dtype == np.uint8:
        idle = sorted(explicit & {"mean", "std"})
        if idle and reading is not None and (*reading.mean, *reading.std) != (*network.mean, *network.std):
            rule = f"is of no use to {name}, which takes 0-255"
            raise InputError.of(idle[0], rule, getattr(reading, idle[0]), "leave it out")
        reading = replace(reading or Reading(), mean=network.mean, std=network.std)

    def run(pictures: NDArray[np.float32]) -> Tensor:
        return torch.from_numpy(network.run(pictures))

    side = sides[0] if sides else None
    return ForeignNetwork(run, reading or Reading(), explicit, name, network.layout, network.dtype.name, side)


def _torch(network: nn.Module, device: torch.device, precision: Floats) -> Callable[[NDArray[np.float32]], Any]:
    dtype = dtype_of(precision, device)

    def run(pictures: NDArray[np.float32]) -> Any:
        batch = torch.from_numpy(pictures).to(device).contiguous(memory_format=torch.channels_last)
        with torch.inference_mode(), computing_in(dtype, device):
            return network(batch)

    return run


OVERLAP = 0.25  # share of a tile's side that overlaps with the next tile
_PIXEL: Final = 27
"""Bytes of a pixel of a network's input at the least: three colours of 8 bits, and twice of 32 while they are scaled."""


@dataclass(frozen=True)
class Predictor:
    """Predict 8-bit probability maps, p = value / 255, at the images' own size.

    `size` is the side of the network's square input, `batch` the squares at a time. Each image is resized to the square, and
    its map back, as in the paper; with `tiled` the square moves over the image at its own scale, and overlapping maps are
    blended.
    """

    network: Probabilities
    size: int
    tiled: bool = False
    batch: int = 8

    def __post_init__(self) -> None:
        check_at_least(1, size=self.size, batch=self.batch)

    def maps(self, pictures: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
        """Predict the map of each image: (h, w, 3) uint8 RGB to (h, w) uint8."""
        maps: Iterable[NDArray[np.float32]]
        if self.tiled:
            maps = map(self._blended, pictures)
        else:
            squares = self._run([resized(picture, self.size) for picture in pictures])
            maps = (resized_map(p, *picture.shape[:2]) for p, picture in zip(squares, pictures, strict=True))
        return [np.rint(255 * np.clip(p, 0.0, 1.0)).astype(np.uint8) for p in maps]

    def _run(self, squares: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
        """Predict square images in batches."""
        maps: list[NDArray[np.float32]] = []
        for start in range(0, len(squares), self.batch):
            stacked = np.stack(squares[start : start + self.batch]).transpose(0, 3, 1, 2)
            maps += list(self.network(np.ascontiguousarray(stacked, np.float32) / np.float32(255)))
        return maps

    def _blended(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Predict an image by overlapping tiles, blended by each pixel's distance from the tile's edge."""
        height, width = picture.shape[:2]
        # A side shorter than a tile is padded by its mirror image, and the map is cropped again.
        below, right = max(self.size - height, 0), max(self.size - width, 0)
        padded = np.pad(picture, ((0, below), (0, right), (0, 0)), mode="symmetric")
        corners = [(y, x) for y in _starts(padded.shape[0], self.size) for x in _starts(padded.shape[1], self.size)]
        # Weights fall as a cosine towards a tile's edges, but stay above 0.
        ramp = np.sin(np.pi * (np.arange(self.size) + 0.5) / self.size)
        weight = np.outer(ramp, ramp)
        total, weights = np.zeros(padded.shape[:2], np.float64), np.zeros(padded.shape[:2], np.float64)
        for start in range(0, len(corners), self.batch):
            chunk = corners[start : start + self.batch]
            maps = self._run([padded[y : y + self.size, x : x + self.size] for y, x in chunk])
            for (y, x), p in zip(chunk, maps, strict=True):
                total[y : y + self.size, x : x + self.size] += weight * resized_map(p, self.size, self.size)
                weights[y : y + self.size, x : x + self.size] += weight
        return (total / weights)[:height, :width].astype(np.float32)


def check_squares(count: int, size: int) -> None:
    """Raise `InputError` if one batch of squares alone exceeds the memory budget, as a mistaken size does."""
    check_held(_PIXEL * count * size**2, f"{count} squares of {size:,} pixels", "pass a smaller --size or --batch-size")


def _starts(length: int, size: int) -> list[int]:
    """Return the starts of tiles, evenly spaced along a side from edge to edge with at least the wanted overlap."""
    if length == size:
        return [0]
    count = 1 + -(-(length - size) // max(int(size * (1 - OVERLAP)), 1))
    return [round(index * (length - size) / (count - 1)) for index in range(count)]


def resized(picture: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Resize an image, (h, w, 3), to the square that networks take."""
    return np.asarray(Image.fromarray(picture).resize((size, size), Image.Resampling.BICUBIC))


def resized_map(p: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Resize a map of probabilities, (h, w), to another height and width."""
    if p.shape == (height, width):
        return p
    return np.asarray(Image.fromarray(p).resize((width, height), Image.Resampling.BILINEAR))
