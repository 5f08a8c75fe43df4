"""An assessment of two datasets whose maps are their own masks, so that every F is 1."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import howfar
from howfar.data import Dataset, read_mask


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
