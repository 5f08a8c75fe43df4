"""A small run with masks, predictions and hostile names, made once; and a browser."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import howfar
from explore_names import FORMULA, HOSTILE, SITES
from howfar.demo import write_dataset
from howfar.results import Comparison, Relation


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, predictions and the run folder run/ of two secondary datasets, related to performance."""
    folder = tmp_path_factory.mktemp("explored")
    for seed, (name, count) in enumerate({"roads": 12, SITES[0]: 14, SITES[1]: 10}.items()):
        write_dataset(folder / name, count, seed=seed, shift=0.4 * seed, size=40)
    images = sorted((folder / SITES[0] / "images").iterdir())
    for old, new in zip(images, (HOSTILE, FORMULA), strict=False):
        mask = folder / SITES[0] / "masks" / f"{old.stem}.png"
        Image.open(old).save(old.with_name(new))
        mask.rename(mask.with_name(f"{Path(new).stem}.png"))
        old.unlink()
    evaluations = [_evaluated(folder, name) for name in ("roads", *SITES)]
    comparison = howfar.compare(
        folder / "roads",
        [folder / name for name in SITES],
        backbone="colour_moments",
        baselines=False,
        bootstrap=0,
        permutations=0,
        store=folder / "store",
        progress=False,
    )
    comparison.save(folder / "run")
    howfar.relate(comparison, performance=evaluations, bootstrap=0).save(folder / "run")
    return folder


def _evaluated(folder: Path, name: str) -> Any:
    """Evaluate predictions that are the masks, weaker and a pixel aside."""
    maps = folder / "maps" / name
    maps.mkdir(parents=True)
    for place, mask in enumerate(sorted((folder / name / "masks").iterdir())):
        values = np.roll(np.asarray(Image.open(mask).convert("L")), place % 3, axis=1)
        Image.fromarray((values * 0.8).astype(np.uint8)).save(maps / mask.name)
    return howfar.evaluate(folder / name, predictions=maps)


@pytest.fixture(scope="session")
def comparison(made: Path) -> Comparison:
    return Comparison.load(made / "run")


@pytest.fixture(scope="session")
def relation(made: Path) -> Relation:
    return Relation.load(made / "run")


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    """A copy of the run folder that a test may write to."""
    return Path(shutil.copytree(made / "run", tmp_path / "run"))
