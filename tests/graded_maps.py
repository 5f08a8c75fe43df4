"""Probability maps of masks that are surer or less sure of them, and those of the mirrored pictures."""

from pathlib import Path

import numpy as np
from PIL import Image


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
