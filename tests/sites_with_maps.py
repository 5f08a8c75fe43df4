"""Sites with maps of a model: right on some images and wrong on others, surer or less sure, or the masks themselves."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import howfar
from howfar.data import Dataset, read_mask
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


def write_maps(folder: Path, name: str, sure: float, shift: float, rng: np.random.Generator) -> None:
    """Write maps of a dataset's masks below maps/, which know the mask less and less from the first picture to the last."""
    files = sorted((folder / name / "masks").iterdir())
    for k, file in enumerate(files):
        truth = np.asarray(Image.open(file)) > 127
        at = sure - 0.5 * shift * k / len(files)
        for ending in ("", "-flipped"):
            p = np.where(truth, at * rng.random(truth.shape), (1.2 - at) * rng.random(truth.shape) ** 6)
            target = folder / "maps" / f"{name}{ending}" / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray((255 * (p[:, ::-1] if ending else p)).astype(np.uint8)).save(target)


def assess_masks(folder: Path, parse: Callable[[Path], Dataset], **reading: Any) -> howfar.Assessment:
    """Assess the datasets a and b for p, all in a folder, and write the run into `run` and the maps into `maps`."""
    for name in ("p", "a", "b"):
        for item in parse(folder / name).items:
            assert item.mask is not None
            file = (folder / "maps" / name / item.name).with_suffix(".png")
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(read_mask(item.mask).astype(np.uint8) * np.uint8(255)).save(file)
    options: dict[str, Any] = {"backbone": "colour_moments", "baselines": False, "progress": False, "store": folder / "store"}
    sites = [folder / "a", folder / "b"]
    answers = howfar.assess(folder / "p", sites, folder / "run", predictions=folder / "maps", **options, **reading)
    assert [(site.dataset, site.measured) for site in answers.sites] == [("a", 1.0), ("b", 1.0)]
    return answers
