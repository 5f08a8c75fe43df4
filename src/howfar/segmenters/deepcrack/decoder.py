"""Define DeepCrack's decoder, which unpools by the encoder's pooling indices, and the fusion layer of each scale."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as functional
from torch import Tensor, nn


class Block(nn.Sequential):
    """Apply 3×3 convolutions, each with batch norm and ReLU, from one of `channels` to the next, keeping the maps' sides."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        for before, after in itertools.pairwise(channels):
            # Batch norm has a shift of its own, so a bias would have no effect.
            self.append(nn.Conv2d(before, after, 3, padding=1, bias=False))
            self.append(nn.BatchNorm2d(after))
            self.append(nn.ReLU(inplace=True))


class Decoder(nn.Module):
    """Mirror the encoder: unpool by its indices, then as many convolutions, the last to the next scale's width.

    Badrinarayanan, Kendall & Cipolla, "SegNet: A deep convolutional encoder-decoder architecture for image segmentation"
    (2015), on which DeepCrack builds. `widths` and `depths` are channels and convolutions of the encoder's blocks, finest
    first.
    """

    def __init__(self, widths: Sequence[int], depths: Sequence[int]) -> None:
        super().__init__()
        self.widths = (widths[0], *widths[:-1])
        blocks = zip(widths, self.widths, depths, strict=True)
        self.blocks = nn.ModuleList(Block((*[before] * depth, after)) for before, after, depth in blocks)

    def forward(self, deepest: Tensor, indices: Sequence[Tensor]) -> list[Tensor]:
        """Compute the decoder's map of every scale, finest first, from the deepest pooled map and all pooling indices."""
        maps = []
        x = deepest
        for block, positions in zip(reversed(self.blocks), reversed(indices), strict=True):
            x = block(functional.max_unpool2d(x, positions, kernel_size=(2, 2)))
            maps.append(x)
        return maps[::-1]


class Fusion(nn.Module):
    """Compute one scale's logits: concatenate encoder and decoder map, upsample to the image, 3×3 to `width`, 1×1 to one.

    `channels` counts those of the two maps together, `scale` is the image's side over the maps'.
    """

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
    """Convolve the zero-padded bilinear upsampling of `x`, without holding the upsampled map in memory.

    Mixing channels commutes with upsampling, and bilinear upsampling is separable in rows and columns. So each of the 3×3 taps
    mixes the channels while the map is small, rows are upsampled, shifted and added, and then columns: the result has few
    channels at full size, where the upsampled map would have up to sixteen times as many. Maps (b, c, h, w) and weights (o, c,
    3, 3) give (b, o, scale·h, scale·w).
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
