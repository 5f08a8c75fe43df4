"""Define the DeepCrack network and load VGG-16 weights into its encoder."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from howfar.errors import InputError
from howfar.segmenters.deepcrack.decoder import Block, Decoder, Fusion
from howfar.segmenters.input_size import check_sides
from howfar.segmenters.normalisation import Normalise
from howfar.weights.hub import IMAGENET_MEAN, IMAGENET_STD
from howfar.weights.state_dicts import fit_state_dict, read_state_dict

# VGG-16's blocks: the number of convolutions in each, and its width as a multiple of the first's.
DEPTHS = (2, 2, 3, 3, 3)
FACTORS = (1, 2, 4, 8, 8)
VGG_WIDTH = 64


class DeepCrack(nn.Module):
    """Segment by DeepCrack: encoder and decoder of a SegNet, logits from both at each of five scales, fused into one map.

    Zou, Zhang, Li, Qi, Wang & Wang, "DeepCrack: Learning hierarchical convolutional features for crack detection"
    (IEEE Transactions on Image Processing 28(3), 2018). At a width of 64 its convolutions have 30.9 million parameters.

    Parameters
    ----------
    width
        Channels of the first block, and of the hidden layer of each fusion.

    Examples
    --------
    >>> network = DeepCrack(4).eval()
    >>> [tuple(logits.shape) for logits in network.logits(torch.rand(2, 3, 32, 64))] == [(2, 1, 32, 64)] * 6
    True
    >>> [tuple(features.shape[1:]) for features in network.encode(torch.rand(2, 3, 32, 64))]
    [(4, 16, 32), (8, 8, 16), (16, 4, 8), (32, 2, 4), (32, 1, 2)]
    """

    name = "deepcrack"
    multiple = 32

    def __init__(self, width: int) -> None:
        super().__init__()
        widths = [factor * width for factor in FACTORS]
        self.normalise = Normalise(IMAGENET_MEAN, IMAGENET_STD)
        blocks = zip((3, *widths[:-1]), widths, DEPTHS, strict=True)
        self.encoder = nn.ModuleList(Block((before, *[after] * depth)) for before, after, depth in blocks)
        self.decoder = Decoder(widths, DEPTHS)
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
        """Compute six maps of logits (b, 1, h, w): those of the five scales, finest first, and the fused one.

        A side that is no multiple of 32 raises `InputError`.
        """
        encoded, pooled, indices = self._encoded(pictures)
        decoded = self.decoder(pooled[-1], indices)
        maps = [fusion(*pair) for fusion, *pair in zip(self.fusions, encoded, decoded, strict=True)]
        return (*maps, self.fused(torch.cat(maps, dim=1)))

    def encode(self, pictures: Tensor) -> tuple[Tensor, ...]:
        """Compute the encoder's five pooled maps, finest first, from half to a 32nd of the sides.

        A side that is no multiple of 32 raises `InputError`.
        """
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


def build(width: int, pretrained: bool | Path) -> DeepCrack:
    """Build DeepCrack, its encoder with the weights of a VGG-16 with batch norm where `pretrained` is a file of one.

    The file is ``vgg16_bn`` of torchvision or timm. True and False alike give random weights, as no weights of DeepCrack are
    published that howfar could use. A file without such an encoder, or a width that is not VGG-16's, raises `InputError`.
    """
    network = DeepCrack(width)
    if isinstance(pretrained, Path):
        if width != VGG_WIDTH:
            raise InputError.of("width", f"must be {VGG_WIDTH} where the encoder begins with VGG-16's weights", width)
        fit_state_dict(network.encoder, _encoder_state(network.encoder, pretrained), (), str(pretrained))
    return network


def _encoder_state(encoder: nn.Module, file: Path) -> dict[str, Tensor]:
    """Rename a VGG-16's tensors to the encoder's names.

    VGG's convolutions have a bias, which the norm after them subtracts again: norm(x + bias) with a mean of m is norm(x) with
    a mean of m − bias.
    """
    state, renamed = read_state_dict(file), {}
    for name, value in encoder.state_dict().items():
        block, layer, kind = name.split(".")
        # VGG numbers its layers through, three for a convolution and one for a pooling.
        number = sum(3 * depth + 1 for depth in DEPTHS[: int(block)]) + int(layer)
        if kind == "num_batches_tracked":
            renamed[name] = value
        elif f"features.{number}.{kind}" not in state:
            raise InputError(f"weights do not fit deepcrack's encoder: {file} lacks features.{number}.{kind} of a vgg16_bn")
        else:
            renamed[name] = state[f"features.{number}.{kind}"]
        if kind == "running_mean":
            renamed[name] = renamed[name] - state.get(f"features.{number - 1}.bias", torch.zeros(()))
    return renamed


def _begin(module: nn.Module) -> None:
    # He et al., "Delving deep into rectifiers" (2015): this keeps the variance across a ReLU.
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
