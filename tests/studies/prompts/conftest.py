"""A tiny network of random weights, saved in the hub's own format and loaded by the real loading code, and two datasets."""

from pathlib import Path

import pytest

from howfar.demo import write_dataset
from worlds.hub import no_progress_bars, save_sam


@pytest.fixture(scope="session")
def sam_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with no_progress_bars():
        return save_sam(tmp_path_factory.mktemp("sam"))


@pytest.fixture(scope="session")
def roads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("prompted") / "roads", 6, seed=0, size=48)


@pytest.fixture(scope="session")
def walls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("prompted") / "walls", 4, seed=1, size=64, kind="texture", shift=0.5)
