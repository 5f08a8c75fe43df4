"""Write the demo's synthetic datasets to folders: pavement, shifted pavement, and cloth that is clearly not pavement."""

import math
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from howfar.demo.noise import Field, smooth_noise
from howfar.demo.pavement import Picture, check_count, pavement, photograph, shade
from howfar.errors import InputError

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


SHIFTED = {
    "lighting": ("lighting", 0.8),
    "texture": ("texture", 0.8),
    "wide_cracks": ("crack_width", 0.9),
    "clutter": ("clutter", 0.8),
}
"""The demo's shifted datasets: from the name to the kind of shift and its size."""

_QUALITY = 92


def write_dataset(
    folder: str | Path, n: int, *, seed: int = 0, shift: float = 0.0, kind: str = "lighting", size: int = 224
) -> Path:
    """Write images of pavement to a folder that `howfar.Dataset.from_folder` reads, and return the folder.

    The other arguments are those of `pavement`. Raises `InputError` as `pavement` and `write_pictures`.
    """
    return write_pictures(folder, n, pavement(n, seed, shift=shift, kind=kind, size=size))


def write_pictures(folder: str | Path, n: int, pictures: Iterable[Picture], *, masks: bool = True) -> Path:
    """Write n images as JPEG (quality 92) and their masks as PNG, numbered from 0001, and return the folder.

    They go to ``images/0001.jpg`` … and ``masks/0001.png`` … in it. Raises `InputError` for a folder with other images.
    """
    root = Path(folder)
    names = [f"{number:04d}" for number in range(1, n + 1)]
    endings = {"images": ".jpg", "masks": ".png"} if masks else {"images": ".jpg"}
    for subfolder, ending in endings.items():
        files = root / subfolder
        files.mkdir(parents=True, exist_ok=True)
        other = sorted({file.name for file in files.iterdir()} - {name + ending for name in names})
        if other:
            rule = "must be new or hold the same dataset"
            raise InputError.of("folder", rule, str(files / other[0]), "choose another folder")
    for name, (image, mask) in zip(names, pictures, strict=True):
        Image.fromarray(image).save(root / "images" / f"{name}.jpg", quality=_QUALITY)
        if masks:
            Image.fromarray(mask.astype(np.uint8) * 255).save(root / "masks" / f"{name}.png", optimize=True)
    return root


def write_demo(folder: str | Path, seed: int = 0, n_primary: int = 120, n_secondary: int = 40) -> list[Path]:
    """Write the demo's six datasets, a primary one, four shifted ones and one that is not pavement; return their folders.

    The primary one is ``pavement``; ``lighting``, ``texture``, ``wide_cracks`` and ``clutter`` show other roads, each with one
    shift (`SHIFTED`); ``fabric`` is cloth, without masks. The same seed writes the same files.
    """
    check_count(n_primary, seed, 224)
    root = Path(folder)
    # Every dataset has a seed of its own, so that no road is in two of them.
    seeds = [int(child.generate_state(1)[0]) for child in np.random.SeedSequence(seed).spawn(len(SHIFTED) + 2)]
    written = [write_dataset(root / "pavement", n_primary, seed=seeds[0])]
    for own, (name, (kind, shift)) in zip(seeds[1:-1], SHIFTED.items(), strict=True):
        written.append(write_dataset(root / name, n_secondary, seed=own, shift=shift, kind=kind))
    written.append(write_pictures(root / "fabric", n_secondary, not_pavement(n_secondary, seeds[-1]), masks=False))
    return written
