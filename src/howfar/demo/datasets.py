"""Write the demo's synthetic datasets to folders of images and masks, which every command takes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from howfar.demo.fabric import not_pavement
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

    Parameters
    ----------
    folder
        Where ``images/0001.jpg`` … and ``masks/0001.png`` … go; created if absent.
    n, seed, shift, kind, size
        Arguments of `pavement`.

    Raises
    ------
    InputError
        An argument is out of its range; or the folder holds other images, which would mix with these.

    Examples
    --------
    >>> import tempfile
    >>> folder = write_dataset(Path(tempfile.mkdtemp()) / "roads", 2, size=64)
    >>> sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*.*"))
    ['images/0001.jpg', 'images/0002.jpg', 'masks/0001.png', 'masks/0002.png']
    """
    return write_pictures(folder, n, pavement(n, seed, shift=shift, kind=kind, size=size))


def write_pictures(folder: str | Path, n: int, pictures: Iterable[Picture], *, masks: bool = True) -> Path:
    """Write n images as JPEG (quality 92) and their masks as PNG, numbered from 0001, and return the folder.

    Raises
    ------
    InputError
        The folder holds other images, which would mix with these.

    Examples
    --------
    >>> import tempfile
    >>> write_pictures(Path(tempfile.mkdtemp()) / "cloth", 1, not_pavement(1, seed=0, size=64)).name
    'cloth'
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
    shift (`SHIFTED`); ``fabric`` is cloth, without masks.

    Parameters
    ----------
    folder
        Where the six folders go.
    seed
        Not negative; the same seed writes the same files.
    n_primary, n_secondary
        Images in the primary dataset, and in each of the others.

    Raises
    ------
    InputError
        An argument is out of its range; or a folder holds other images.

    Examples
    --------
    >>> import tempfile
    >>> [path.name for path in write_demo(tempfile.mkdtemp(), n_primary=1, n_secondary=1)]
    ['pavement', 'lighting', 'texture', 'wide_cracks', 'clutter', 'fabric']
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
