"""A small world to assess: roads, three labelled sites, one like them and one unlike them without masks, and maps of all."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from howfar.demo import write_dataset
from sites_with_maps import write_maps

SIDE = 48
SHIFT = {"road": 0.0, "near": 0.2, "mid": 0.4, "far": 0.6, "new": 0.3}
COUNTS = {"road": 8, "near": 9, "mid": 9, "far": 9, "new": 7, "walls": 6}


@pytest.fixture(scope="session")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of six datasets, and maps/ with the maps of each; "new" and "walls" have no masks."""
    folder, rng = tmp_path_factory.mktemp("assessed"), np.random.default_rng(5)
    for seed, (name, count) in enumerate(COUNTS.items()):
        place = write_dataset(folder / name, count, seed=seed, shift=SHIFT.get(name, 0.0), size=SIDE)
        if name == "walls":
            for file in (place / "images").iterdir():
                Image.fromarray(rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)).save(file, quality=95)
        write_maps(folder, name, 0.95, SHIFT.get(name, 0.9), rng)
    for name in ("new", "walls"):
        shutil.rmtree(folder / name / "masks")
    return folder
