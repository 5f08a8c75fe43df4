"""Read the feature maps of a network of timm or transformers: the last of each stride, with a ViT's tokens as a grid."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from howfar.errors import InputError


def prepare(network: nn.Module) -> nn.Module:
    """Remove a network's classifier or trained pooling, and let a ViT of timm take images of any size that its patches divide.

    A network that is neither timm's nor transformers' raises `InputError`.
    """
    changed: Any = network
    if hasattr(network, "config") and hasattr(network.config, "to_json_string"):
        pooler = getattr(network, "pooler", None)
        if isinstance(pooler, nn.Module) and any(True for _ in pooler.parameters()):
            # Many published weights lack it, and no map needs it.
            changed.pooler = None
        return network
    if not hasattr(network, "forward_intermediates") or not hasattr(network, "pretrained_cfg"):
        rule = "must be a network of timm or transformers that has feature maps"
        raise InputError.of("frozen's encoder", rule, type(network).__name__, "name timm:resnet18, say")
    changed.reset_classifier(0)
    if hasattr(network, "dynamic_img_size"):
        # What timm itself sets for a network that it makes with dynamic_img_size=True.
        from timm.layers.format import Format

        changed.dynamic_img_size = True
        patches = changed.patch_embed
        patches.strict_img_size, patches.flatten, patches.output_fmt = False, False, Format.NHWC
    return network


def maps_of(network: Any, pictures: Tensor) -> tuple[Tensor, ...]:
    """Compute the last map of each stride, (b, c, h', w'), of normalised images (b, 3, h, w); the largest map comes first.

    Tokens of a ViT become a grid of patches; those that stand for no patch (class, registers) are left out. A network
    without such maps raises `InputError`.
    """
    maps = _of_timm(network, pictures) if hasattr(network, "forward_intermediates") else _of_transformers(network, pictures)
    by_size = {(map_.shape[2], map_.shape[3]): map_ for map_ in maps}
    if not by_size:
        rule = "must have maps or tokens that lie in a grid of patches"
        raise InputError.of("frozen's encoder", rule, type(network).__name__, "name another")
    return tuple(by_size[size] for size in sorted(by_size, reverse=True))


def _of_timm(network: Any, pictures: Tensor) -> Sequence[Tensor]:
    strides = [entry["reduction"] for entry in network.feature_info]
    last = sorted({stride: index for index, stride in enumerate(strides)}.values())
    maps: Sequence[Tensor] = network.forward_intermediates(pictures, indices=last, norm=True, intermediates_only=True)
    return maps


def _of_transformers(network: Any, pictures: Tensor) -> Sequence[Tensor]:
    tower = getattr(network, "vision_model", network) if hasattr(network, "get_image_features") else network
    more = {"interpolate_pos_encoding": True}
    taken = inspect.signature(tower.forward).parameters
    output = tower(pixel_values=pictures, output_hidden_states=True, **{key: more[key] for key in more if key in taken})
    states = getattr(output, "reshaped_hidden_states", None) or getattr(output, "hidden_states", None) or ()
    config = getattr(tower.config, "vision_config", tower.config)
    # The last hidden state comes last: of a ViT it is the last block's, normalised.
    every = [*states, getattr(output, "last_hidden_state", None)]
    grids = [_grid(state, pictures, getattr(config, "patch_size", None)) for state in every if state is not None]
    return [grid for grid in grids if grid is not None]


def _grid(state: Tensor, pictures: Tensor, patch: Any) -> Tensor | None:
    """Return a hidden state as (b, c, h', w'); None where it is no grid of the image's proportions."""
    height, width = pictures.shape[2:]
    if state.ndim == 4:
        return state if state.shape[2] * width == state.shape[3] * height else None
    if state.ndim != 3 or not isinstance(patch, (int, list, tuple)):
        return None
    down, across = (patch, patch) if isinstance(patch, int) else patch
    rows, columns = height // down, width // across
    # Tokens of no patch come before those of the patches.
    beside = state.shape[1] - rows * columns
    if beside < 0:
        return None
    return state[:, beside:].transpose(1, 2).reshape(len(state), -1, rows, columns)
