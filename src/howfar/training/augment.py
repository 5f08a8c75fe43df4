"""Changes of pictures that keep a crack a crack: flips, right-angle turns, colour, a little blur; never a stretch or a crop.

A thin crack does not survive interpolation, so nothing here resamples a mask. Torchvision does the work; what is drawn depends
on the seed, the epoch and the picture's place alone, so that neither workers nor a resumed training change it.
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
    """One picture and its mask, changed alike as `seed` draws.

    Parameters
    ----------
    picture
        (3, h, h) uint8.
    mask
        (1, h, h) bool.
    seed
        Draws the same change every time.

    Returns
    -------
    tuple of Tensor
        Of the same shapes and types.

    Examples
    --------
    >>> picture, mask = torch.zeros(3, 4, 4, dtype=torch.uint8), torch.eye(4, dtype=torch.bool)[None]
    >>> int(augment(picture, mask, seed=0)[1].sum())
    4
    """
    with torch.random.fork_rng(devices=[]):
        # This generator alone: torch.manual_seed would seed an accelerator's too, which the network may draw from.
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
