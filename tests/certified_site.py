"""A small site with masks, and a model's maps of it that are right on some images and wrong on others."""

from pathlib import Path

import numpy as np
from PIL import Image

from howfar.data import read_mask
from howfar.demo import write_dataset


def write_site(folder: Path, count: int = 24, seed: int = 0) -> tuple[Path, Path, Path]:
    """Write a site without masks, the folder of its masks, and that of a model's maps."""
    site, maps = write_dataset(folder / "site", count, seed=seed, size=32), folder / "maps"
    masks = folder / "truth"
    (site / "masks").rename(masks)
    maps.mkdir()
    rng = np.random.default_rng(seed)
    for number, file in enumerate(sorted(masks.iterdir())):
        sure = rng.uniform(0.3, 1.0)
        mask = np.roll(read_mask(file), number % 3, axis=0)
        p = np.where(mask, sure, (1 - sure) * rng.uniform(0, 1.2, mask.shape))
        Image.fromarray(np.round(255 * p.clip(0, 1)).astype(np.uint8)).save(maps / f"{file.stem}.png")
    return site, masks, maps
