"""Augment training images and masks by flips, right-angle turns, colour and slight blur, without resampling the masks.

A thin crack does not survive interpolation, so images are neither stretched nor cropped. Torchvision computes the changes;
the draw depends on the seed, the epoch and the image's index alone, so that neither workers nor resuming change it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

_BLUR_CHANCE = 0.2
_BLUR = (0.3, 1.2)


def augment(picture: Tensor, mask: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Change an image (3, h, h) uint8 and its mask (1, h, h) bool alike, by a random draw from `seed`."""
    with torch.random.fork_rng(devices=[]):
        # torch.manual_seed would seed the accelerator's generator too, which the network may draw from.
        torch.default_generator.manual_seed(seed)
        flip, mirror = torch.rand(2).tolist()
        turns, blur = int(torch.randint(4, (1,))), float(torch.rand(1))
        if flip < 0.5:
            picture, mask = functional.vertical_flip(picture), functional.vertical_flip(mask)
        if mirror < 0.5:
            picture, mask = functional.horizontal_flip(picture), functional.horizontal_flip(mask)
        picture, mask = picture.rot90(turns, (1, 2)), mask.rot90(turns, (1, 2))
        picture = _colour()(picture)
        if blur < _BLUR_CHANCE:
            picture = v2.GaussianBlur(5, _BLUR)(picture)
    return picture, mask


def _colour() -> Any:
    return v2.ColorJitter(brightness=0.25, contrast=0.25, saturation=0.2, hue=0.03)
