"""The DeepCrack network, and what it can begin with."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from howfar.errors import InputError
from howfar.segmenters.deepcrack.decoder import Block, Decoder, Fusion
from howfar.segmenters.input_size import check_sides
from howfar.segmenters.normalisation import IMAGENET_MEAN, IMAGENET_STD, Normalise
from howfar.weights.state_dicts import fit_state_dict, read_state_dict

# VGG-16: how many convolutions a block has, and how wide it is beside the first.
DEPTHS = (2, 2, 3, 3, 3)
FACTORS = (1, 2, 4, 8, 8)
VGG_WIDTH = 64


class DeepCrack(nn.Module):
    """DeepCrack: encoder and decoder of a SegNet, a logit map from both at each of five scales, and one fused from the five.

    Zou, Zhang, Li, Qi, Wang & Wang, "DeepCrack: Learning hierarchical convolutional features for crack detection"
    (IEEE Transactions on Image Processing 28(3), 2018). At a width of 64 its convolutions have 30.9 million parameters.

    Parameters
    ----------
    width
        Channels of the first block, and of the step between two maps fused and their logits.

    Examples
    --------
    >>> network = DeepCrack(4).eval()
    >>> [tuple(one.shape) for one in network.logits(torch.rand(2, 3, 32, 64))] == [(2, 1, 32, 64)] * 6
    True
    >>> [tuple(one.shape[1:]) for one in network.encode(torch.rand(2, 3, 32, 64))]
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
        # The scales begin with equal shares.
        nn.init.constant_(self.fused.weight, 1 / len(widths))

    def forward(self, pictures: Tensor) -> Tensor:
        """The fused logits (b, 1, h, w) of pictures (b, 3, h, w) of 0-1.

        Raises
        ------
        InputError
            A side is no multiple of 32.
        """
        return self.logits(pictures)[-1]

    def logits(self, pictures: Tensor) -> tuple[Tensor, ...]:
        """Six maps (b, 1, h, w): of the five scales, finest first, and the fused.

        Raises
        ------
        InputError
            A side is no multiple of 32.
        """
        whole, pooled, indices = self._encoded(pictures)
        decoded = self.decoder(pooled[-1], indices)
        maps = [fusion(*pair) for fusion, *pair in zip(self.fusions, whole, decoded, strict=True)]
        return (*maps, self.fused(torch.cat(maps, dim=1)))

    def encode(self, pictures: Tensor) -> tuple[Tensor, ...]:
        """The five pooled maps, finest first: values at the maxima, from half to a 32nd of the sides.

        Raises
        ------
        InputError
            A side is no multiple of 32.
        """
        return tuple(self._encoded(pictures)[1])

    def _encoded(self, pictures: Tensor) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        check_sides(self.name, pictures, self.multiple)
        whole, pooled, indices = [], [], []
        x = self.normalise(pictures)
        for block in self.encoder:
            whole.append(block(x))
            x, where = functional.max_pool2d(whole[-1], 2, return_indices=True)
            pooled.append(x)
            indices.append(where)
        return whole, pooled, indices


def build(width: int, pretrained: bool | Path) -> DeepCrack:
    """Build DeepCrack.

    Parameters
    ----------
    width
        Channels of the first block.
    pretrained
        No weights of DeepCrack are published that howfar could use, so True and False alike give random ones. A file is
        taken to hold a VGG-16 with batch norm (``vgg16_bn`` of torchvision or timm), with which the encoder begins.

    Raises
    ------
    InputError
        A file that holds no such encoder, or is given beside a width that is not VGG-16's.
    """
    network = DeepCrack(width)
    if isinstance(pretrained, Path):
        if width != VGG_WIDTH:
            raise InputError.of("width", f"must be {VGG_WIDTH} where the encoder begins with VGG-16's weights", width)
        fit_state_dict(network.encoder, _encoder_state(network.encoder, pretrained), (), str(pretrained))
    return network


def _encoder_state(encoder: nn.Module, file: Path) -> dict[str, Tensor]:
    """A VGG-16's tensors under the encoder's names.

    VGG's convolutions have a bias, which the norm behind takes off again: norm(x + bias) with a mean of m is norm(x) with a
    mean of m − bias.
    """
    state, found = read_state_dict(file), {}
    for name, value in encoder.state_dict().items():
        block, layer, kind = name.split(".")
        # VGG numbers its layers through, three for a convolution and one for a pooling.
        number = sum(3 * depth + 1 for depth in DEPTHS[: int(block)]) + int(layer)
        if kind == "num_batches_tracked":
            found[name] = value
        elif f"features.{number}.{kind}" not in state:
            raise InputError(f"weights do not fit deepcrack's encoder: {file} lacks features.{number}.{kind} of a vgg16_bn")
        else:
            found[name] = state[f"features.{number}.{kind}"]
        if kind == "running_mean":
            found[name] = found[name] - state.get(f"features.{number - 1}.bias", torch.zeros(()))
    return found


def _begin(module: nn.Module) -> None:
    # He et al., "Delving deep into rectifiers" (2015): the variance survives a ReLU.
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
