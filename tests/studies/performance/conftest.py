"""A small world to relate: synthetic roads with masks, maps that get worse with distance, evaluations, and their run."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image

import howfar
from howfar.demo import write_dataset
from howfar.results import Comparison, Evaluation, Relation
from howfar.studies.evaluate_predictions import evaluate
from howfar.studies.performance.relate_and_estimate import relate
from sites_with_maps import write_maps

SIDE = 48
COUNTS = {"road": 10, "near": 16, "far": 17, "new": 9, "bare": 8}
SHIFT = {"road": 0.0, "near": 0.2, "far": 0.9, "new": 0.5, "bare": 0.6}
BLANK = ("0003", "0011")
TILES = 4
EMBEDDED = {"a": 47, "b": 40, "c": 12}


@dataclass(frozen=True)
class World:
    """Folders of five datasets and of their maps, what the maps are worth, and how far the datasets are.

    `road` is P; `near` has two blank masks; `far` holds tiles named <photo>-<tile>; `new` has maps and no masks; `bare`
    neither.
    """

    folder: Path
    run: Comparison
    evaluations: dict[str, Evaluation]

    def given(self, *names: str) -> list[Evaluation]:
        return [self.evaluations[name] for name in names]

    def drawn(self, name: str) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Maps as p in 0-1 and masks as bool, in the order of the images' names."""
        files = sorted((self.folder / name / "masks").iterdir())
        maps = [np.asarray(Image.open(self.folder / "maps" / name / file.name)) / 255 for file in files]
        return maps, [np.asarray(Image.open(file)) > 127 for file in files]


def _write(folder: Path) -> None:
    rng = np.random.default_rng(5)
    for seed, (name, count) in enumerate(COUNTS.items()):
        place = write_dataset(folder / name, count, seed=seed, shift=SHIFT[name], size=SIDE)
        if name == "near":
            for stem in BLANK:
                Image.new("L", (SIDE, SIDE)).save(place / "masks" / f"{stem}.png")
        if name == "far":
            for part in ("images", "masks"):
                for k, file in enumerate(sorted((place / part).iterdir())):
                    file.rename(file.with_stem(f"p{k // TILES}-{k % TILES}"))
        if name != "bare":
            write_maps(folder, name, 0.9, SHIFT[name], rng)
    for name in ("new", "bare"):
        shutil.rmtree(folder / name / "masks")


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The datasets, evaluated and compared once; tests read it and change copies."""
    folder = tmp_path_factory.mktemp("world")
    _write(folder)
    primary, *others = (folder / name for name in COUNTS)
    run = howfar.compare(
        primary, others, "colour_moments", store=folder / "store", bootstrap=0, permutations=0, baselines=False, progress=False
    )
    evaluations = {
        name: evaluate(folder / name, folder / "maps" / name, flipped=folder / "maps" / f"{name}-flipped", progress=False)
        for name in ("road", "near", "far", "new")
    }
    return World(folder, run, evaluations)


@pytest.fixture(scope="session")
def found(world: World) -> Relation:
    """Related once, P's evaluation among the performances."""
    return relate(world.run, world.given("road", "near", "far", "new"), bootstrap=60)


@pytest.fixture(scope="session")
def embedded() -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    """Embeddings of P and of three sets."""
    rng = np.random.default_rng(0)
    sets = {name: rng.normal(k / 2, 1 + k / 3, size=(m, 10)) for k, (name, m) in enumerate(EMBEDDED.items())}
    return rng.normal(size=(30, 10)), sets


@pytest.fixture(scope="session")
def run(embedded: tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]) -> Comparison:
    """Embeddings in so few components that P's own distance is another in each pair."""
    options: dict[str, Any] = {"bootstrap": 0, "permutations": 0, "baselines": False, "progress": False}
    return howfar.compare(*embedded, components=3, neighbours=3, **options)


@pytest.fixture(scope="session")
def table(run: Comparison) -> pd.DataFrame:
    """Performance of two of the sets, falling with their distance; the rows of a third are left out."""
    noise = 0.05 * np.random.default_rng(1).normal(size=len(run.images))
    rows = run.images[["dataset", "image"]].assign(performance=0.85 - 0.3 * run.images["i_dist_scaled"] + noise)
    return rows[rows["dataset"] != "c"].reset_index(drop=True)
