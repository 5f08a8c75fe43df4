"""Make the datasets that the gate is measured on: labelled cracks, pictures without any, and known images that were harmed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from trained_performance import SECONDARIES, rest

import howfar
from adaptation import dataset, primary
from howfar.data import decode, read_bytes
from howfar.data.binary_masks import read_mask, resize_mask

Pixels = NDArray[np.uint8]

MOST, HARMED, EACH_STOPPED = 200, 40, 100
"""Most images of a labelled dataset, of a harmed one, and of one without the structures that were learnt."""
STOPPED = ("voc2007", "bsds500", "sun_scenes", "orl_faces", "drive", "hrf")
HARMED_SETS = ("cfd", "crack500_tiles", "deepcrack_rest")


def labelled(data: Path, images: int = 300) -> tuple[howfar.Dataset, list[howfar.Dataset]]:
    """List P, and the labelled datasets: P's other photographs first, then the foreign ones."""
    p = primary(data, images)
    return p, [some(rest(p, data), MOST), *(some(dataset(name, data), MOST) for name in SECONDARIES)]


def stopped(data: Path) -> list[howfar.Dataset]:
    """List what a crack detector's estimates must not be believed on: no cracks at all, or vessels and faces."""
    return [some(howfar.Dataset.from_folder(data / name), EACH_STOPPED) for name in STOPPED]


def some(whole: howfar.Dataset, most: int) -> howfar.Dataset:
    """Draw at most so many images, the same ones each time."""
    if len(whole.items) <= most:
        return whole
    chosen = np.sort(np.random.default_rng(0).permutation(len(whole.items))[:most])
    return replace(whole, items=tuple(whole.items[at] for at in chosen.tolist()))


def mosaic(count: int) -> Callable[[Pixels], Pixels]:
    """Fill an image with mirrored copies of itself, `count` to a side: structures become so many times thinner."""

    def change(pixels: Pixels) -> Pixels:
        height, width = pixels.shape[:2]
        small = np.asarray(Image.fromarray(pixels).resize((-(-width // count), -(-height // count)), Image.Resampling.LANCZOS))
        return tiled(small, count)[:height, :width]

    return change


def tiled(small: NDArray[np.generic], count: int) -> NDArray[np.generic]:
    row = np.concatenate([small[:, :: (-1) ** x] for x in range(count)], axis=1)
    return np.concatenate([row[:: (-1) ** y] for y in range(count)])


def enlarged(count: int) -> Callable[[Pixels], Pixels]:
    """Show the middle of an image `count` times as large: structures become so many times wider."""

    def change(pixels: Pixels) -> Pixels:
        height, width = pixels.shape[:2]
        part = middle(pixels, count)
        return np.asarray(Image.fromarray(part).resize((width, height), Image.Resampling.BICUBIC))

    return change


def middle(pixels: NDArray[np.generic], count: int) -> NDArray[np.generic]:
    height, width = (side // count for side in pixels.shape[:2])
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    return pixels[top : top + height, left : left + width]


def blurred(pixels: Pixels) -> Pixels:
    sigma = 0.02 * max(pixels.shape[:2])
    return np.asarray(ndimage.gaussian_filter(pixels.astype(np.float32), (sigma, sigma, 0)).round().clip(0, 255), np.uint8)


def noisy(pixels: Pixels) -> Pixels:
    noise = np.random.default_rng(pixels.size).normal(0, 80, pixels.shape)
    return np.asarray((pixels + noise).round().clip(0, 255), np.uint8)


def inverted(pixels: Pixels) -> Pixels:
    return np.asarray(255 - pixels)


def darkened(pixels: Pixels) -> Pixels:
    return np.asarray(pixels * 0.25, np.uint8)


HARMS: Mapping[str, Callable[[Pixels], Pixels]] = {
    "mosaic": mosaic(3),
    "enlarged": enlarged(3),
    "blur": blurred,
    "noise": noisy,
    "inverted": inverted,
    "dark": darkened,
}


def harmed(sets: list[howfar.Dataset], out: Path) -> list[howfar.Dataset]:
    """Write harmed copies of some labelled datasets, with masks that follow what becomes of the structures."""
    made = []
    for one in (some(one, HARMED) for one in sets if one.name in HARMED_SETS):
        for name, change in HARMS.items():
            folder = out / f"{one.name}-{name}"
            if not folder.is_dir():
                write(one, name, change, folder)
            made.append(howfar.Dataset.from_folder(folder))
    return made


def write(one: howfar.Dataset, name: str, change: Callable[[Pixels], Pixels], folder: Path) -> None:
    """Write the images and masks of one harmed dataset."""
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    for item in one.items:
        pixels = np.asarray(decode(read_bytes(item.path)).image)
        mask = read_mask(item.mask)
        height, width = mask.shape
        if name == "mosaic":
            mask = tiled(resize_mask(mask, -(-height // 3), -(-width // 3)), 3)[:height, :width]
        if name == "enlarged":
            mask = resize_mask(middle(mask, 3), height, width)
        stem = Path(item.name).stem
        Image.fromarray(np.ascontiguousarray(change(pixels))).save(folder / "images" / f"{stem}.png")
        Image.fromarray(np.asarray(mask, np.uint8) * 255).save(folder / "masks" / f"{stem}.png")
