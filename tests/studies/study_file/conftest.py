"""Small study files on synthetic pictures, by backbones that need no network."""

from collections.abc import Callable
from pathlib import Path

import pytest

from howfar.demo import write_dataset

STUDY = """\
title = "Small roads"

[settings]
seed = 3

[datasets]
roads = { path = "${ROADS:-roads}", limit = 9, stands_for = "P" }
north = { path = "north", stands_for = "S_1" }
south = { path = "south", stands_for = "S_3" }

[backbones]
colours = { backbone = "colour_moments" }
pixels = {}

[studies.components]
primary = "roads"
secondaries = ["north", "south"]
backbones = ["pixels", "colours"]
components = [1, 2, 4]
"""


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for number, name in enumerate(("roads", "north", "south")):
        write_dataset(folder / name, 10, seed=number, size=32)
    return folder


@pytest.fixture(scope="session")
def linked(pictures: Path) -> Callable[[Path], Path]:
    """A function that writes a study file beside links to its datasets, in a folder."""

    def write(folder: Path) -> Path:
        for name in ("roads", "north", "south"):
            (folder / name).symlink_to(pictures / name)
        file = folder / "small-roads.toml"
        file.write_text(STUDY, encoding="utf-8")
        return file

    return write


@pytest.fixture
def study_file(linked: Callable[[Path], Path], tmp_path: Path) -> Path:
    return linked(tmp_path)
