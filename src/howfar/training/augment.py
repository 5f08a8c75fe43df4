"""Augment training images and masks by flips, right-angle turns, colour and slight blur, and by scale where that is asked for.

A thin crack does not survive interpolation, so images are neither stretched nor cropped unless `rescale` is given; then masks
are resized so that no line is lost. Torchvision computes the changes; the draw depends on the seed, the epoch and the image's
index alone, so that neither workers nor resuming change it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from howfar.data.masks import resize_mask

_BLUR_CHANCE = 0.2
_BLUR = (0.3, 1.2)


def augment(picture: Tensor, mask: Tensor, seed: int, rescale: float = 0.0) -> tuple[Tensor, Tensor]:
    """Change an image (3, h, h) uint8 and its mask (1, h, h) bool alike, by a random draw from `seed`.

    With `rescale` r above 0 the picture is first drawn 1 − r to 1 + r times as large: what is larger is cropped at random, what
    is smaller is set at random among its own mirror images.
    """
    with torch.random.fork_rng(devices=[]):
        # torch.manual_seed would seed the accelerator's generator too, which the network may draw from.
        torch.default_generator.manual_seed(seed)
        flip, mirror = torch.rand(2).tolist()
        turns, blur = int(torch.randint(4, (1,))), float(torch.rand(1))
        if rescale:
            picture, mask = _rescaled(picture, mask, 1.0 + rescale * float(2 * torch.rand(1) - 1), torch.rand(2).tolist())
        if flip < 0.5:
            picture, mask = functional.vertical_flip(picture), functional.vertical_flip(mask)
        if mirror < 0.5:
            picture, mask = functional.horizontal_flip(picture), functional.horizontal_flip(mask)
        picture, mask = picture.rot90(turns, (1, 2)), mask.rot90(turns, (1, 2))
        picture = _colour()(picture)
        if blur < _BLUR_CHANCE:
            picture = v2.GaussianBlur(5, _BLUR)(picture)
    return picture, mask


def turned(picture: Tensor, mask: Tensor, seed: int, views: int) -> tuple[Tensor, Tensor]:
    """Turn an image (3, h, h) and its mask (1, h, h) alike to one of the first `views` of eight, by a draw from `seed`.

    They are the image, mirrored, upside down, both, and these four turned by a right angle: few enough that the features of
    each can be kept. Neither colour nor sharpness is changed.

    Examples
    --------
    >>> turned(torch.arange(3).view(1, 1, 3), torch.ones(1, 1, 3), seed=1, views=1)[0].tolist()
    [[[0, 1, 2]]]
    """
    view = int(np.random.default_rng(seed).integers(views))
    axes = [axis for axis, bit in ((2, 1), (1, 2)) if view & bit]
    turns = view // 4
    return picture.flip(axes).rot90(turns, (1, 2)), mask.flip(axes).rot90(turns, (1, 2))


def _rescaled(picture: Tensor, mask: Tensor, scale: float, place: list[float]) -> tuple[Tensor, Tensor]:
    """Show a square picture and its mask `scale` times as large, in a square of the same side, at `place` (0-1 twice)."""
    side = picture.shape[-1]
    if scale >= 1:
        part = max(round(side / scale), 1)
        top, left = (round(share * (side - part)) for share in place)
        picture, mask = picture[:, top : top + part, left : left + part], mask[:, top : top + part, left : left + part]
    inner = side if scale >= 1 else max(round(side * scale), (side + 1) // 2)
    picture = functional.resize(picture, [inner, inner], v2.InterpolationMode.BICUBIC, antialias=True)
    marks = resize_mask(mask[0].numpy(), inner, inner)
    if inner < side:
        top, left = (round(share * (side - inner)) for share in place)
        around = ((top, side - inner - top), (left, side - inner - left))
        picture = torch.from_numpy(np.pad(picture.numpy(), ((0, 0), *around), mode="symmetric"))
        marks = np.pad(marks, around, mode="symmetric")
    return picture, torch.from_numpy(marks)[None]


def _colour() -> Any:
    return v2.ColorJitter(brightness=0.25, contrast=0.25, saturation=0.2, hue=0.03)
