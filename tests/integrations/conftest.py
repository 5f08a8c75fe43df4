"""A small site with the maps of a model, for tests of the programs beside howfar."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from howfar.data import read_mask
from howfar.demo import write_dataset

N = 6


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with roads, lit and site, and in maps a map of each image of the site, one pixel off the truth."""
    folder = tmp_path_factory.mktemp("hosts")
    for seed, name in enumerate(("roads", "lit", "site")):
        write_dataset(folder / name, N, seed=seed, shift=0.2 * seed, size=48)
    (folder / "maps").mkdir()
    for file in sorted((folder / "site" / "masks").iterdir()):
        shown = np.roll(read_mask(file), 1, axis=0).astype(np.uint8) * np.uint8(200)
        Image.fromarray(shown).save(folder / "maps" / file.name)
    (folder / "site" / "masks").rename(folder / "true")
    return folder
