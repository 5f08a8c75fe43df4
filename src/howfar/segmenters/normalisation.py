"""The first layer of every segmenter: pictures of 0-1 brought to the values that its weights expect."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Normalise(nn.Module):
    """(x − mean) / std of each channel; neither is learnt, and both are kept with the weights.

    Examples
    --------
    >>> Normalise((0.5,) * 3, (0.5,) * 3)(torch.ones(1, 3, 1, 1)).flatten().tolist()
    [1.0, 1.0, 1.0]
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(1, -1, 1, 1))

    def forward(self, pictures: Tensor) -> Tensor:
        """Pictures (b, c, h, w) of 0-1, normalised."""
        return (pictures - self.mean) / self.std
