"""Synthetic datasets on disk: folders that every command takes."""

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
"""The demo's shifted datasets: name to the dial that is turned, and how far."""

_QUALITY = 92


def write_dataset(
    folder: str | Path, n: int, *, seed: int = 0, shift: float = 0.0, kind: str = "lighting", size: int = 224
) -> Path:
    """Write pictures of pavement as `howfar.Dataset.from_folder` reads them, and return the folder.

    Parameters
    ----------
    folder
        Where ``images/0001.jpg`` … and ``masks/0001.png`` … go; made where it is not there.
    n, seed, shift, kind, size
        As for `pavement`.

    Raises
    ------
    InputError
        As `pavement`; or the folder holds other images, which would mix with these.

    Examples
    --------
    >>> import tempfile
    >>> folder = write_dataset(Path(tempfile.mkdtemp()) / "roads", 2, size=64)
    >>> sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*.*"))
    ['images/0001.jpg', 'images/0002.jpg', 'masks/0001.png', 'masks/0002.png']
    """
    return write_pictures(folder, n, pavement(n, seed, shift=shift, kind=kind, size=size))


def write_pictures(folder: str | Path, n: int, pictures: Iterable[Picture], *, masks: bool = True) -> Path:
    """Write n pictures as JPEG (quality 92) and their masks as PNG, numbered from 0001, and return the folder.

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
    parts = {"images": ".jpg", "masks": ".png"} if masks else {"images": ".jpg"}
    for part, ending in parts.items():
        below = root / part
        below.mkdir(parents=True, exist_ok=True)
        other = sorted({file.name for file in below.iterdir()} - {name + ending for name in names})
        if other:
            raise InputError.of(
                "folder", "must be new or hold the same dataset", str(below / other[0]), "choose another folder"
            )
    for name, (image, mask) in zip(names, pictures, strict=True):
        Image.fromarray(image).save(root / "images" / f"{name}.jpg", quality=_QUALITY)
        if masks:
            Image.fromarray(mask.astype(np.uint8) * 255).save(root / "masks" / f"{name}.png", optimize=True)
    return root


def write_demo(folder: str | Path, seed: int = 0, n_primary: int = 120, n_secondary: int = 40) -> list[Path]:
    """Write the demo's six datasets and return their folders: P, four shifted ones, and one that is not pavement.

    P is ``pavement``; ``lighting``, ``texture``, ``wide_cracks`` and ``clutter`` show other roads with one dial turned
    (`SHIFTED`); ``fabric`` is cloth, without masks.

    Parameters
    ----------
    folder
        Where the six folders go.
    seed
        Not negative; the same seed writes the same files.
    n_primary, n_secondary
        Pictures in P, and in each of the others.

    Raises
    ------
    InputError
        As `write_dataset`.

    Examples
    --------
    >>> import tempfile
    >>> [path.name for path in write_demo(tempfile.mkdtemp(), n_primary=1, n_secondary=1)]
    ['pavement', 'lighting', 'texture', 'wide_cracks', 'clutter', 'fabric']
    """
    check_count(n_primary, seed, 224)
    root = Path(folder)
    # Every dataset has a seed of its own, so that no road is in two of them.
    seeds = [int(part.generate_state(1)[0]) for part in np.random.SeedSequence(seed).spawn(len(SHIFTED) + 2)]
    written = [write_dataset(root / "pavement", n_primary, seed=seeds[0])]
    for own, (name, (kind, shift)) in zip(seeds[1:-1], SHIFTED.items(), strict=True):
        written.append(write_dataset(root / name, n_secondary, seed=own, shift=shift, kind=kind))
    written.append(write_pictures(root / "fabric", n_secondary, not_pavement(n_secondary, seeds[-1]), masks=False))
    return written
