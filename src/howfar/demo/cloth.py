"""Draw synthetic images of cloth, the demo's images that are clearly not pavement."""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from howfar.demo.noise import Field, smooth_noise
from howfar.demo.pavement import Picture, check_count, photograph, shade

_DYES = (
    ((0.62, 0.10, 0.12), (0.10, 0.14, 0.30), (0.80, 0.76, 0.66), (0.10, 0.26, 0.16)),
    ((0.14, 0.24, 0.46), (0.78, 0.80, 0.82), (0.08, 0.10, 0.18), (0.70, 0.56, 0.20)),
    ((0.12, 0.32, 0.22), (0.08, 0.12, 0.24), (0.72, 0.70, 0.30), (0.06, 0.08, 0.08)),
    ((0.76, 0.66, 0.50), (0.42, 0.24, 0.14), (0.88, 0.84, 0.76), (0.52, 0.12, 0.10)),
    ((0.52, 0.30, 0.46), (0.82, 0.74, 0.78), (0.24, 0.16, 0.28), (0.34, 0.50, 0.48)),
)
_SETT = 24
"""Threads after which a pattern of stripes repeats, mirrored."""


def not_pavement(n: int, seed: int, *, size: int = 224) -> Iterator[Picture]:
    """Draw images of cloth: plain, striped and checked weaves in soft folds, with masks that hold no crack.

    The arguments, what is yielded and the errors are those of `howfar.demo.pavement`.
    """
    check_count(n, seed, size)
    return (_cloth(seed, index, size) for index in range(n))


def _cloth(seed: int, index: int, size: int) -> Picture:
    rng, camera_rng = (np.random.default_rng(child) for child in np.random.SeedSequence([seed, index]).spawn(2))
    folds = 26.0 * smooth_noise(rng, size, 95.0) + 8.0 * smooth_noise(rng, size, 45.0)
    colour, profile = _weave(rng, size, folds)
    light = rng.uniform(0.85, 1.15) * shade(folds, rng.uniform(0.0, 2.0 * math.pi), 0.5)
    fibres = 1.0 + 0.05 * smooth_noise(rng, size, 1.6) + 0.05 * smooth_noise(rng, size, 30.0)
    scene = colour * (profile * light * fibres)[..., None]
    return photograph(camera_rng, scene.astype(np.float32)), np.zeros((size, size), np.bool_)


def _weave(rng: np.random.Generator, size: int, folds: Field) -> tuple[NDArray[np.float32], Field]:
    """Compute the dye of the thread on top at each pixel, and the brightness across its round profile."""
    turn = rng.normal(0.0, 0.25) + (math.pi / 4 if rng.random() < 0.2 else 0.0)
    thread = rng.uniform(2.6, 5.5)
    down, right = np.mgrid[:size, :size].astype(np.float32) + size
    along = (math.cos(turn) * right - math.sin(turn) * down + 0.15 * folds) / thread + 1000.0
    across = (math.sin(turn) * right + math.cos(turn) * down + 0.11 * folds) / thread + 1000.0
    warp, weft = along.astype(np.intp), across.astype(np.intp)
    warp_on_top = (warp + weft) % 2 == 0 if rng.random() < 0.4 else (warp - weft) % 4 < 2
    dyes = np.array(_DYES[int(rng.integers(len(_DYES)))], np.float32)
    warp_dyes = _stripes(rng, dyes)
    weft_dyes = warp_dyes if rng.random() < 0.6 else np.broadcast_to(dyes[int(rng.integers(4))], warp_dyes.shape)
    colour = np.where(warp_on_top[..., None], warp_dyes[warp % len(warp_dyes)], weft_dyes[weft % len(weft_dyes)])
    over_warp, over_weft = along - warp - 0.5, across - weft - 0.5
    middle = np.where(warp_on_top, over_warp, over_weft)
    length = np.where(warp_on_top, over_weft, over_warp)
    profile: Field = (0.62 + 0.48 * np.cos(math.pi * middle) * (0.8 + 0.2 * np.cos(math.pi * length))).astype(np.float32)
    return colour, profile


def _stripes(rng: np.random.Generator, dyes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Draw the dyes of `2 * _SETT` threads: bands of one to ten threads, then their mirror image; or one dye for all."""
    if rng.random() < 0.2:
        return np.repeat(dyes[:1], 2 * _SETT, axis=0)
    order = np.repeat(rng.integers(0, len(dyes), _SETT), rng.integers(1, 11, _SETT))[:_SETT]
    half = dyes[order]
    return np.concatenate([half, half[::-1]])
