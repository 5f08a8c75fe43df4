"""Let only a network's normalisation layers learn."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from howfar.errors import InputError

_KINDS = (_BatchNorm, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)


def only_norms(network: nn.Module) -> int:
    """Freeze all parameters but the scales and offsets of normalisation layers, and return how many numbers are left to learn.

    Layers count that are batch, layer, group, instance or RMS norms of torch, or whose class is named so, as some libraries
    write their own. Source: Wang et al., "Tent: fully test-time adaptation by entropy minimization" (ICLR 2021, arXiv
    2006.10726), which adapts these parameters alone.

    Raises
    ------
    InputError
        The network has no such layer that has parameters.

    Examples
    --------
    >>> only_norms(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)))
    16
    """
    layers = [layer for layer in network.modules() if _is_norm(layer)]
    left = {id(values): values for layer in layers for values in layer.parameters(recurse=False)}
    if not left:
        rule = "must be all for a network without normalisation layers that have parameters"
        raise InputError.of("tune", rule, type(network).__name__)
    for values in network.parameters():
        values.requires_grad_(id(values) in left)
    return sum(values.numel() for values in left.values())


def _is_norm(layer: nn.Module) -> bool:
    return isinstance(layer, _KINDS) or type(layer).__name__.lower().rstrip("0123456789d").endswith("norm")
