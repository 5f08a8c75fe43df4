"""Write the demo's synthetic datasets to folders: pavement, shifted pavement, and cloth that is clearly not pavement."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from howfar.demo.cloth import not_pavement
from howfar.demo.pavement import Picture, check_count, pavement
from howfar.errors import InputError

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
