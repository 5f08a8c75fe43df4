"""Adapt a trained segmenter to a site's images without any label, by the statistics of its batch norm layers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from howfar.data import Dataset, content_hash, decode, read_bytes
from howfar.errors import ImageError, InputError
from howfar.segmenters.checkpoint import Checkpoint
from howfar.segmenters.norm_statistics import mixed
from howfar.segmenters.predictor import check_squares, resized
from howfar.weights.state_dicts import hash_state_dict

SHARE = 0.3
MOST, USUAL = 60, 224
"""So many images are read at the most, as squares of this side; of larger squares fewer, so that memory stays the same."""
FEWEST = 8
ADAPTED = "adapted"
"""The entry of a checkpoint's data that says what it was adapted to."""
WARNING = (
    "the maps are of a model adapted to {0}: its confidence no longer tells its performance, so certify it by labels "
    "(howfar certify), and do not estimate it; it may be worse than the model as it was"
)


def adapt_statistics(
    checkpoint: Checkpoint, site: Dataset, *, share: float = SHARE, size: int | None = None, tiled: bool = False, seed: int = 0
) -> Checkpoint:
    """Mix the statistics of a site's images into a checkpoint's batch norm layers; no label is read.

    At most 60 images are drawn with the seed, fewer where squares are larger than 224 pixels, so that memory stays the same;
    `howfar.segmenters.norm_statistics.mixed` says how they are mixed.

    Parameters
    ----------
    checkpoint
        A trained segmenter with batch norm.
    site
        The images to adapt to.
    share
        λ: the weight of the site's statistics, 0 to 1.
    size
        Side of the squares in pixels; by default the checkpoint's own.
    tiled
        Whether squares are cut from the images at their own scale, as tiles are predicted, or are the whole images resized.
    seed
        Draws images, and where they are cut.

    Raises
    ------
    InputError
        No image can be read, a share outside 0-1, squares that take more memory than is allowed, or a network without batch
        norm.
    """
    side = checkpoint.card.size if size is None else size
    count = max(FEWEST, min(MOST, MOST * USUAL**2 // side**2))
    check_squares(min(count, len(site)), side)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(site.items))
    read = [(content, square) for content, square in _squares(site, order, side, tiled, rng, count)]
    if not read:
        raise InputError.of(f"dataset {site.name}", "must hold an image that can be read", "none")
    stacked = np.stack([square for _, square in read]).transpose(0, 3, 1, 2)
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
        "contents": sorted(content for content, _ in read),
    }
    data = {**checkpoint.card.data, ADAPTED: told}
    return Checkpoint(replace(checkpoint.card, weights=hash_state_dict(state), data=data), state)


def _squares(
    site: Dataset, order: NDArray[np.int64], side: int, tiled: bool, rng: np.random.Generator, count: int
) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Read the first images, in the order drawn, that can be read, each as a square with the hash of its file."""
    left = count
    for place in order:
        if not left:
            return
        try:
            data = read_bytes(site.items[place].path)
            picture = np.asarray(decode(data).image)
        except ImageError:
            continue
        left -= 1
        yield content_hash(data), _cut(picture, side, rng) if tiled else resized(picture, side)


def _cut(picture: NDArray[np.uint8], side: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Cut a square at random, after padding sides that are shorter by their mirror image."""
    below, right = (max(side - length, 0) for length in picture.shape[:2])
    padded = np.pad(picture, ((0, below), (0, right), (0, 0)), mode="symmetric")
    y, x = (int(rng.integers(length - side + 1)) for length in padded.shape[:2])
    return padded[y : y + side, x : x + side]
