"""Compute SAM-Adapter's prompts, which are added to SAM's tokens before each block, from patches and high frequencies."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

STD = 0.02


class Adapter(nn.Module):
    """Compute the prompt of each block i: up(GELU(blockᵢ(patches(F_patch) + frequencies(F_high)))).

    Chen et al., "SAM fails to segment anything? SAM-Adapter: adapting SAM in underperformed scenes" (2023, arXiv:2304.09148).
    `up` is shared by the blocks; each of the others is a linear map with a bias, `frequencies` one of a patch's pixels. With
    tokens of C values, patches of side p, so 3·p² values, B blocks and r values between the layers, they have

        (C + 1)·r + (3·p² + 1)·r + B·(r + 1)·r + (r + 1)·C

    parameters: 18,456 + 18,456 + 7,200 + 19,200 = 63,312 for ViT-B (C = 768, p = 16, B = 12) at r = 24.

    Examples
    --------
    >>> adapter = Adapter(tokens=768, patch=16, blocks=12, r=24)
    >>> sum(parameter.numel() for parameter in adapter.parameters())
    63312
    """

    def __init__(self, tokens: int, patch: int, blocks: int, r: int) -> None:
        super().__init__()
        self.patches = nn.Linear(tokens, r)
        self.frequencies = nn.Conv2d(3, r, patch, stride=patch)
        self.blocks = nn.ModuleList(nn.Linear(r, r) for _ in range(blocks))
        self.up = nn.Linear(r, tokens)
        self.apply(_begin)

    def forward(self, patches: Tensor, high: Tensor) -> Iterator[Tensor]:
        """Compute each block's prompt (b, h, w, C) when it is needed, so that one is in memory at a time.

        `patches` are embeddings (b, h, w, C) without positions, `high` is the high-frequency image, (b, 3, p·h, p·w).
        """
        mixed = self.patches(patches) + self.frequencies(high).permute(0, 2, 3, 1)
        for block in self.blocks:
            yield self.up(functional.gelu(block(mixed)))


def high_frequencies(pictures: Tensor, share: float = 0.25) -> Tensor:
    """Keep the high frequencies of (b, c, h, w): |F⁻¹(M · F(x))|, where M is 0 in the middle of the spectrum and 1 outside.

    The middle is a rectangle around the zero frequency with the spectrum's proportions and this `share` of its area.
    """
    spectrum = torch.fft.fftshift(torch.fft.fft2(pictures), dim=(-2, -1))
    height, width = pictures.shape[-2:]
    tall, wide = round(height * share**0.5 / 2), round(width * share**0.5 / 2)
    passed = torch.ones((height, width), dtype=pictures.dtype, device=pictures.device)
    passed[height // 2 - tall : height // 2 + tall, width // 2 - wide : width // 2 + wide] = 0
    high: Tensor = torch.fft.ifft2(torch.fft.ifftshift(spectrum * passed, dim=(-2, -1))).abs()
    return high


def _begin(module: nn.Module) -> None:
    # The usual initialisation of vision transformers.
    if isinstance(module, (nn.Linear, nn.Conv2d)):
        nn.init.trunc_normal_(module.weight, std=STD)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
