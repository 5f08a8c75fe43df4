"""Decode feature maps of several strides into one map of logits, by a linear map or by a few convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

Kind: TypeAlias = Literal["conv", "linear"]
_FINE = 2
"""Stride at which the convolutions stop enlarging; what is left is bilinear."""


class Decoder(nn.Module):
    """Join maps (b, cᵢ, hᵢ, wᵢ), the largest first, and compute logits (b, 1, h, w).

    Each map is normalised by batch norm and mapped linearly (1 × 1) to one channel (``linear``) or to `width` of them
    (``conv``); all are enlarged bilinearly to the largest map and added, which is a linear map of the joined features. The
    decoder ``linear`` ends here. ``conv`` goes on with a 3 × 3 convolution, and with one more after each doubling of the sides
    until the stride is below 4. `strides` are those of the maps.
    """

    def __init__(self, channels: Sequence[int], strides: Sequence[int], kind: Kind, width: int) -> None:
        super().__init__()
        inner = 1 if kind == "linear" else width
        self.norms = nn.ModuleList(nn.BatchNorm2d(count) for count in channels)
        # One bias is enough for a sum.
        self.joins = nn.ModuleList(nn.Conv2d(count, inner, 1, bias=place == 0) for place, count in enumerate(channels))
        doublings = 0
        while kind == "conv" and strides[0] / 2**doublings >= 2 * _FINE:
            doublings += 1
        self.blocks = nn.ModuleList(_block(inner) for _ in range(doublings + 1 if kind == "conv" else 0))
        self.last = nn.Conv2d(width, 1, 1) if kind == "conv" else nn.Identity()

    def forward(self, maps: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
        """Compute logits of `size` (height, width)."""
        joined = [join(norm(map_)) for norm, join, map_ in zip(self.norms, self.joins, maps, strict=True)]
        x = torch.stack([_enlarged(map_, joined[0].shape[2:]) for map_ in joined]).sum(0) if len(joined) > 1 else joined[0]
        for place, block in enumerate(self.blocks):
            x = block(x if place == 0 else _enlarged(x, (2 * x.shape[2], 2 * x.shape[3])))
        return _enlarged(self.last(x), size)


def _block(width: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU())


def _enlarged(map_: Tensor, size: Sequence[int]) -> Tensor:
    if tuple(map_.shape[2:]) == tuple(size):
        return map_
    return functional.interpolate(map_, tuple(size), mode="bilinear", align_corners=False)
