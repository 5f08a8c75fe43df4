"""A run is not written among the images of a dataset, where its figures would be measured as images later."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import howfar
from howfar.demo import write_dataset
from howfar.errors import InputError

QUICK = {"backbone": "colour_moments", "baselines": False, "bootstrap": 0, "permutations": 0, "progress": False}


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """A dataset with a folder images/, and one whose images lie in its folder itself."""
    roads, plain = (write_dataset(tmp_path / name, 4, seed=seed, size=32) for seed, name in enumerate(("roads", "made")))
    shutil.copytree(plain / "images", tmp_path / "plain")
    return roads, tmp_path / "plain"


@pytest.mark.parametrize("below", ["", "run", "run/deep"])
def test_the_folder_of_images_is_refused(folders: tuple[Path, Path], below: str) -> None:
    roads, plain = folders
    with pytest.raises(InputError, match=r"^out must not lie among the images of plain, of which"):
        howfar.compare(roads, plain, out=plain / below, **QUICK)
    several = {**QUICK, "backbones": ["colour_moments", "pixels"]}
    del several["backbone"]
    with pytest.raises(InputError, match=r"^out must not lie among the images of plain, of which"):
        howfar.compare_backbones(roads, plain, out=plain / below, **several)
    assert sorted(file.name for file in plain.rglob("*") if file.is_file()) == ["0001.jpg", "0002.jpg", "0003.jpg", "0004.jpg"]


def test_beside_the_images_is_a_place_for_it(folders: tuple[Path, Path]) -> None:
    roads, plain = folders
    run = howfar.compare(roads, plain, out=roads / "run", **QUICK)
    again = howfar.compare(roads, plain, **QUICK)
    assert [dataset.n for dataset in run.datasets] == [dataset.n for dataset in again.datasets]
