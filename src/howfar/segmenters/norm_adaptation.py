"""Adapt only a segmenter's normalisation layers: mix in new images' statistics, or freeze all other parameters."""

import copy
import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from howfar.data import Dataset, content_hash, decode, read_bytes
from howfar.data.compact_item_table import Item
from howfar.errors import ImageError, InputError
from howfar.segmenters.checkpoint import Checkpoint
from howfar.segmenters.predictor import check_squares, resized
from howfar.weights.state_dicts import hash_state_dict

_KINDS = (_BatchNorm, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)


def only_norms(network: nn.Module) -> int:
    """Freeze all parameters except those of normalisation layers, and return the number of trainable values.

    Layers count whose class is a norm of torch's or named so. Source: Wang et al., "Tent: fully test-time adaptation by entropy
    minimization" (ICLR 2021, arXiv 2006.10726). A network without such parameters raises `InputError`.
    """
    named = {layer: type(layer).__name__.lower().rstrip("0123456789d") for layer in network.modules()}
    layers = [layer for layer, name in named.items() if isinstance(layer, _KINDS) or name.endswith("norm")]
    left = {id(values): values for layer in layers for values in layer.parameters(recurse=False)}
    if not left:
        rule = "must be all for a network without normalisation layers that have parameters"
        raise InputError.of("tune", rule, type(network).__name__)
    for values in network.parameters():
        values.requires_grad_(id(values) in left)
    return sum(values.numel() for values in left.values())


Network = TypeVar("Network", bound=nn.Module)


def mixed(network: Network, squares: NDArray[np.float32], share: float) -> Network:
    """Return a copy of a network with statistics of new images mixed into its batch norm layers.

    Each layer's mean becomes (1 − λ) μ + λ μ', with μ' that of the new images and λ the `share`, and its variance likewise;
    layer by layer, so that each sees what the layers before it give after their own mixing. `squares`, (n, 3, h, w) float32, go
    through as one batch, so the result depends on no batch size. Source: Schneider et al., "Improving robustness against common
    corruptions by covariate shift adaptation" (2020, arXiv 2006.16971), whose N / (N + n) is 1 − λ.
    """
    adapted = copy.deepcopy(network).eval()
    layers = norm_layers(adapted)
    if not layers:
        rule = "must have batch norm layers, whose statistics are what is adapted"
        raise InputError.of("model", rule, type(network).__name__, "train unetplusplus or deepcrack, which have some")
    before = {layer: (layer.running_mean.double().clone(), layer.running_var.double().clone()) for layer in layers}
    hooks = [layer.register_forward_pre_hook(lambda at, given: _mix(at, given[0], *before[at], share)) for layer in layers]
    device = next((values.device for values in adapted.state_dict().values()), torch.device("cpu"))
    with torch.no_grad():
        adapted(torch.from_numpy(squares).to(device))
    for hook in hooks:
        hook.remove()
    return adapted


def norm_layers(network: nn.Module) -> list[Any]:
    """List a network's batch norm layers with running statistics."""
    return [layer for layer in network.modules() if isinstance(layer, _BatchNorm) and layer.running_mean is not None]


def _mix(layer: Any, given: Tensor, mean_before: Tensor, var_before: Tensor, share: float) -> None:
    """Update a layer's running statistics just before its forward pass."""
    over = [axis for axis in range(given.ndim) if axis != 1]
    var, mean = torch.var_mean(given.double(), dim=over, correction=0)
    layer.running_mean.copy_((1.0 - share) * mean_before + share * mean)
    layer.running_var.copy_((1.0 - share) * var_before + share * var)


SHARE = 0.3
MOST, USUAL = 60, 224
"""So many images are read at the most, as squares of this side; of larger squares fewer, so that memory stays the same."""
FEWEST = 8
ADAPTED = "adapted"  # the entry of a checkpoint's data that says what it was adapted to
WARNING = (
    "the maps are of a model adapted to {0}: its confidence no longer tells its performance, so certify it by labels "
    "(howfar certify), and do not estimate it; it may be worse than the model as it was"
)


def adapt_statistics(
    checkpoint: Checkpoint, site: Dataset, *, share: float = SHARE, size: int | None = None, tiled: bool = False, seed: int = 0
) -> Checkpoint:
    """Mix statistics of a site's images into a checkpoint's batch norm layers, without labels.

    At most 60 images are drawn with the seed, fewer where squares are larger than 224 pixels, so that memory stays the same.
    `share` is λ of `mixed`; `size` the side of the squares in pixels, by default the checkpoint's own. With `tiled` squares are
    cut from the images at their own scale, as tiles are predicted; otherwise whole images are resized.
    """
    side = checkpoint.card.size if size is None else size
    count = max(FEWEST, min(MOST, MOST * USUAL**2 // side**2))
    check_squares(min(count, len(site)), side)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(site.items))
    contents, squares = [], []
    for _, content, picture in itertools.islice(readable(site, order), count):
        if tiled:
            # A random square, after sides shorter than it are padded by reflection.
            below, right = (max(side - length, 0) for length in picture.shape[:2])
            padded = np.pad(picture, ((0, below), (0, right), (0, 0)), mode="symmetric")
            y, x = (int(rng.integers(length - side + 1)) for length in padded.shape[:2])
            square = padded[y : y + side, x : x + side]
        else:
            square = resized(picture, side)
        contents.append(content)
        squares.append(square)
    if not squares:
        raise InputError.of(f"dataset {site.name}", "must hold an image that can be read", "none")
    stacked = np.stack(squares).transpose(0, 3, 1, 2)
    network = mixed(checkpoint.build(), np.ascontiguousarray(stacked, np.float32) / np.float32(255), share)
    state = {name: values for name, values in network.state_dict().items() if name in checkpoint.state}
    was = checkpoint.card.data.get(ADAPTED) or {}
    told = {
        **was,
        "way": "+".join([*([was["way"]] if was else []), "norm"]),
        "share": share,
        "dataset": site.name,
        "size": side,
        "tiled": tiled,
        "contents": sorted(contents),
    }
    data = {**checkpoint.card.data, ADAPTED: told}
    return Checkpoint(replace(checkpoint.card, weights=hash_state_dict(state), data=data), state)


def readable(site: Dataset, order: NDArray[np.int64]) -> Iterator[tuple[Item, str, NDArray[np.uint8]]]:
    """Yield a site's readable images in a given order, each with the hash of its file."""
    for place in order:
        try:
            data = read_bytes(site.items[place].path)
            picture = np.asarray(decode(data).image)
        except ImageError:
            continue
        yield site.items[place], content_hash(data), picture
