"""Adapt a network to new images without labels: mix their statistics into those of its batch norm layers."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from howfar.errors import InputError

Network = TypeVar("Network", bound=nn.Module)
_OVER = {2: (0,), 3: (0, 2), 4: (0, 2, 3), 5: (0, 2, 3, 4)}
"""The axes over which a layer's mean is taken, by how many its input has: all but the channels'."""


def mixed(network: Network, squares: NDArray[np.float32], share: float) -> Network:
    """Mix the statistics of new images into a network's batch norm layers; the network itself is left as it is.

    Each layer's mean becomes (1 − λ) μ + λ μ', with μ' that of the new images, and its variance likewise; layer by layer, so
    that each sees what the layers before it give after their own mixing. All images go through as one batch: their order
    changes nothing but rounding, and the result depends on no batch size. Source: Schneider et al., "Improving robustness
    against common corruptions by covariate shift adaptation" (2020, arXiv 2006.16971), whose N / (N + n) is 1 − λ.

    Parameters
    ----------
    network
        Takes (n, 3, h, w) images as `squares` holds them.
    squares
        (n, 3, h, w) float32 images of the new dataset.
    share
        λ, from 0 (as it was) to 1 (the new images' statistics alone).

    Returns
    -------
    Module
        A copy in evaluation mode.

    Raises
    ------
    InputError
        A share outside 0-1, no image, or a network without batch norm layers that keep statistics.

    Examples
    --------
    >>> layer = nn.BatchNorm2d(3)
    >>> bright = np.full((2, 3, 4, 4), 0.8, np.float32)
    >>> [round(value, 2) for value in mixed(layer, bright, 0.5).running_mean.tolist()]
    [0.4, 0.4, 0.4]
    """
    if not 0.0 <= share <= 1.0:
        raise InputError.of("share", "must lie between 0 and 1", share, "pass 0.3")
    if squares.ndim != 4 or not len(squares):
        raise InputError.of("squares", "must be (n, 3, h, w), of at least one image", squares.shape)
    adapted = copy.deepcopy(network).eval()
    layers = norm_layers(adapted)
    if not layers:
        rule = "must have batch norm layers, whose statistics are what is adapted"
        raise InputError.of("model", rule, type(network).__name__, "train unetplusplus or deepcrack, which have some")
    before = {layer: _statistics(layer) for layer in layers}
    hooks = [layer.register_forward_pre_hook(lambda at, given: _mix(at, given[0], before[at], share)) for layer in layers]
    device = next((values.device for values in adapted.state_dict().values()), torch.device("cpu"))
    with torch.no_grad():
        adapted(torch.from_numpy(squares).to(device))
    for hook in hooks:
        hook.remove()
    return adapted


def norm_layers(network: nn.Module) -> list[_BatchNorm]:
    """List a network's batch norm layers that keep statistics."""
    return [layer for layer in network.modules() if isinstance(layer, _BatchNorm) and layer.running_mean is not None]


def _statistics(layer: _BatchNorm) -> Mapping[str, Tensor]:
    assert layer.running_mean is not None  # for the type checker: only such layers are asked
    assert layer.running_var is not None
    return {"mean": layer.running_mean.double().clone(), "var": layer.running_var.double().clone()}


def _mix(layer: _BatchNorm, given: Tensor, before: Mapping[str, Tensor], share: float) -> None:
    """Set a layer's statistics just before it reads them."""
    over = _OVER[given.ndim]
    var, mean = torch.var_mean(given.double(), dim=over, correction=0)
    assert layer.running_mean is not None  # for the type checker: only such layers are asked
    assert layer.running_var is not None
    layer.running_mean.copy_((1.0 - share) * before["mean"] + share * mean)
    layer.running_var.copy_((1.0 - share) * before["var"] + share * var)
