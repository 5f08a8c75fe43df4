"""Define the DeepCrack network, an encoder and a decoder fused at every scale, and load VGG-16 weights into it."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from howfar.errors import InputError
from howfar.segmenters.input_normalisation import Normalise, check_sides
from howfar.weights.hub_downloads import IMAGENET_MEAN, IMAGENET_STD
from howfar.weights.state_dicts import fit_state_dict, read_state_dict


class Block(nn.Sequential):
    """Apply 3×3 convolutions with batch norm and ReLU through the widths `channels`, keeping height and width."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        for before, after in itertools.pairwise(channels):
            # Batch norm has a shift of its own, so a bias would have no effect.
            self.append(nn.Conv2d(before, after, 3, padding=1, bias=False))
            self.append(nn.BatchNorm2d(after))
            self.append(nn.ReLU(inplace=True))


class UnpoolingDecoder(nn.Module):
    """Decode by mirroring the encoder: each block unpools by indices, then has as many convolutions, the last changing width.

    Badrinarayanan, Kendall & Cipolla, "SegNet: A deep convolutional encoder-decoder architecture for image segmentation"
    (2015). `widths` and `depths` are channels and convolutions of the encoder's blocks, finest first.
    """

    def __init__(self, widths: Sequence[int], depths: Sequence[int]) -> None:
        super().__init__()
        self.widths = (widths[0], *widths[:-1])
        blocks = zip(widths, self.widths, depths, strict=True)
        self.blocks = nn.ModuleList(Block((*[before] * depth, after)) for before, after, depth in blocks)

    def forward(self, deepest: Tensor, indices: Sequence[Tensor]) -> list[Tensor]:
        """Compute the decoder's maps of all scales, finest first, from the deepest pooled map and all pooling indices."""
        maps = []
        x = deepest
        for block, positions in zip(reversed(self.blocks), reversed(indices), strict=True):
            x = block(functional.max_unpool2d(x, positions, kernel_size=(2, 2)))
            maps.append(x)
        return maps[::-1]


class Fusion(nn.Module):
    """Compute one scale's logits from the concatenated encoder and decoder maps: upsample, 3×3 to `width`, 1×1 to one."""

    def __init__(self, channels: int, width: int, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.mixed = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.map = nn.Conv2d(width, 1, 1)

    def forward(self, encoded: Tensor, decoded: Tensor) -> Tensor:
        """Compute logits (b, 1, h, w) from maps (b, c, h / scale, w / scale) and (b, c', h / scale, w / scale)."""
        mixed = upsampled_convolution(torch.cat((encoded, decoded), dim=1), self.mixed.weight, self.scale)
        logits: Tensor = self.map(functional.relu(self.norm(mixed)))
        return logits


def upsampled_convolution(x: Tensor, weight: Tensor, scale: int) -> Tensor:
    """Compute a convolution of bilinearly upsampled `x`, zero-padded, without storing the upsampled map.

    Mixing channels commutes with upsampling, which is separable: each of the 3×3 taps mixes the channels while the map is
    small, then rows, then columns are upsampled, shifted and added. (b, c, h, w) and (o, c, 3, 3) give (b, o, scale·h,
    scale·w).
    """
    if scale == 1:
        return functional.conv2d(x, weight, padding=1)
    height, width = scale * x.shape[2], scale * x.shape[3]
    total = x.new_zeros(())
    for column in range(3):
        tall = x.new_zeros(())
        for row in range(3):
            mixed = functional.conv2d(x, weight[:, :, row : row + 1, column : column + 1])
            tall = tall + functional.pad(_stretched(mixed, height, x.shape[3]), (0, 0, 1, 1))[:, :, row : row + height]
        total = total + functional.pad(_stretched(tall, height, width), (1, 1))[:, :, :, column : column + width]
    return total


def _stretched(x: Tensor, height: int, width: int) -> Tensor:
    return functional.interpolate(x, (height, width), mode="bilinear", align_corners=False)


# VGG-16's blocks: the number of convolutions in each, and its width as a multiple of the first's.
DEPTHS = (2, 2, 3, 3, 3)
FACTORS = (1, 2, 4, 8, 8)
VGG_WIDTH = 64


class DeepCrack(nn.Module):
    """Segment by DeepCrack: a SegNet whose encoder and decoder give logits at five scales, fused into one map.

    Zou, Zhang, Li, Qi, Wang & Wang, "DeepCrack: Learning hierarchical convolutional features for crack detection"
    (IEEE Transactions on Image Processing 28(3), 2018). `width` is that of the first block and of each fusion's hidden layer.
    """

    name = "deepcrack"
    multiple = 32

    def __init__(self, width: int) -> None:
        super().__init__()
        widths = [factor * width for factor in FACTORS]
        self.normalise = Normalise(IMAGENET_MEAN, IMAGENET_STD)
        blocks = zip((3, *widths[:-1]), widths, DEPTHS, strict=True)
        self.encoder = nn.ModuleList(Block((before, *[after] * depth)) for before, after, depth in blocks)
        self.decoder = UnpoolingDecoder(widths, DEPTHS)
        pairs = enumerate(zip(widths, self.decoder.widths, strict=True))
        self.fusions = nn.ModuleList(Fusion(encoded + decoded, width, 2**scale) for scale, (encoded, decoded) in pairs)
        self.fused = nn.Conv2d(len(widths), 1, 1)
        self.apply(_begin)
        # All scales begin with the same weight.
        nn.init.constant_(self.fused.weight, 1 / len(widths))

    def forward(self, pictures: Tensor) -> Tensor:
        """Compute the fused logits (b, 1, h, w) of images (b, 3, h, w) of 0-1; sides must be multiples of 32."""
        return self.logits(pictures)[-1]

    def logits(self, pictures: Tensor) -> tuple[Tensor, ...]:
        """Compute six maps of logits (b, 1, h, w): the five scales, finest first, and the fused map."""
        encoded, pooled, indices = self._encoded(pictures)
        decoded = self.decoder(pooled[-1], indices)
        maps = [fusion(*pair) for fusion, *pair in zip(self.fusions, encoded, decoded, strict=True)]
        return (*maps, self.fused(torch.cat(maps, dim=1)))

    def encode(self, pictures: Tensor) -> tuple[Tensor, ...]:
        """Compute the encoder's five pooled maps, finest first, at 1/2 to 1/32 of the input sides."""
        return tuple(self._encoded(pictures)[1])

    def _encoded(self, pictures: Tensor) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        check_sides(self.name, pictures, self.multiple)
        encoded, pooled, indices = [], [], []
        x = self.normalise(pictures)
        for block in self.encoder:
            encoded.append(block(x))
            x, positions = functional.max_pool2d(encoded[-1], 2, return_indices=True)
            pooled.append(x)
            indices.append(positions)
        return encoded, pooled, indices


def build(options: Any, pretrained: bool | Path) -> DeepCrack:
    """Build DeepCrack; the encoder starts from VGG-16 (batch norm) weights if `pretrained` is a ``vgg16_bn`` file.

    True and False alike give random weights, as no weights of DeepCrack are published that howfar could use.
    """
    width: int = options.width
    network = DeepCrack(width)
    if isinstance(pretrained, Path):
        if width != VGG_WIDTH:
            raise InputError.of("width", f"must be {VGG_WIDTH} where the encoder begins with VGG-16's weights", width)
        state, renamed = read_state_dict(pretrained), {}
        for name, value in network.encoder.state_dict().items():
            block, layer, kind = name.split(".")
            # VGG numbers its layers through, three for a convolution and one for a pooling.
            number = sum(3 * depth + 1 for depth in DEPTHS[: int(block)]) + int(layer)
            published = f"features.{number}.{kind}"
            if kind != "num_batches_tracked" and published not in state:
                raise InputError(f"weights do not fit deepcrack's encoder: {pretrained} lacks {published} of a vgg16_bn")
            renamed[name] = value if kind == "num_batches_tracked" else state[published]
            if kind == "running_mean":
                # The norm subtracts the convolution's bias: norm(x + bias) with a mean of m is norm(x) with m − bias.
                renamed[name] = renamed[name] - state.get(f"features.{number - 1}.bias", torch.zeros(()))
        fit_state_dict(network.encoder, renamed, (), str(pretrained))
    return network


def _begin(module: nn.Module) -> None:
    # He et al., "Delving deep into rectifiers" (2015): this keeps the variance across a ReLU.
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
