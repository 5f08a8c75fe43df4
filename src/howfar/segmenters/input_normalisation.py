"""Check that a segmenter accepts an input's height and width, and define what several of them share: first layer and logits."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from howfar.errors import InputError


def check_sides(name: str, pictures: Tensor, multiple: int) -> None:
    """Raise `InputError`, naming the segmenter, unless images are (b, 3, h, w) with h and w multiples of `multiple`."""
    shape = tuple(pictures.shape)
    if len(shape) != 4 or shape[1] != 3 or 0 in shape or shape[2] % multiple or shape[3] % multiple:
        rule = f"must be (b, 3, h, w) with h and w multiples of {multiple}"
        raise InputError.of(f"{name}'s pictures", rule, shape, "resize or pad them")


class OneMapNetwork(nn.Module):
    """Be the base class of segmenters whose loss is computed from the one map that `forward` returns."""

    def logits(self, pictures: Tensor) -> tuple[Tensor, ...]:
        """Return the single map of logits for the loss."""
        return (self(pictures),)


class Normalise(nn.Module):
    """Normalise each channel by (x − mean) / std; both are constants stored with the weights."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(1, -1, 1, 1))

    def forward(self, pictures: Tensor) -> Tensor:
        """Normalise images (b, c, h, w) of 0-1."""
        return (pictures - self.mean).div_(self.std)
