"""Compute depthwise convolutions in float32 while the rest of a training on a CPU is in bfloat16."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn


@contextmanager
def depthwise_in_float32(network: nn.Module) -> Iterator[None]:
    """Let every depthwise convolution of a network compute in float32 inside; afterwards each computes as it did.

    In bfloat16 the gradient of a depthwise convolution takes 3 to 6 times as long on a CPU as in float32, as it has too few
    products a number for the processor's units, and so a step of UNet++ takes 1.2 times as long
    (``benchmarks/training_step.py``).

    Examples
    --------
    >>> depthwise = nn.Conv2d(4, 4, 3, groups=4)
    >>> with depthwise_in_float32(depthwise), torch.autocast("cpu", torch.bfloat16):
    ...     depthwise(torch.zeros(1, 4, 8, 8)).dtype
    torch.float32
    """
    layers = [layer for layer in network.modules() if is_depthwise(layer)]
    for layer in layers:
        layer.forward = partial(_in_float32, layer.forward)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward  # the class's own is found again


def is_depthwise(layer: nn.Module) -> bool:
    """Tell whether a layer is a two-dimensional convolution of each channel by itself."""
    return isinstance(layer, nn.Conv2d) and layer.groups == layer.in_channels > 1


def _in_float32(forward: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    with torch.autocast(x.device.type, enabled=False):
        return forward(x.float())
