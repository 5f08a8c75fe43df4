"""A factory of results of the study of identity from seeded random features, with no backbone behind them."""

from collections.abc import Mapping
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image

from howfar.arrays import ArrayRows
from howfar.data import Dataset, Item
from howfar.paper import person_identity as study
from howfar.paper.person_identity import FromReferences, VariationSets, compared, described, from_references
from howfar.results import Features
from howfar.results.distance_studies import UNCHANGED, Identity

PATTERN = r"(?P<person>.+)_v(?P<view>\d+)_l(?P<light>\d+)"
LIGHTS = (1, 2, 3)


def make(
    folder: Path,
    *,
    persons: tuple[str, ...] = ("1", "2"),
    views: int = 3,
    apart: Mapping[str, float] = {"lite0": 3.0, "pixels": 0.3},
    perturbations: tuple[str, ...] = ("blur",),
    single: bool = False,
) -> Identity:
    """Make a result: persons lie `apart` by each backbone, blur halves that; single sets hold one image a person and view."""
    lights = LIGHTS[:1] if single else LIGHTS
    names = [f"{person}_v{view}_l{light}" for person, view, light in product(persons, range(1, views + 1), lights)]
    files = [folder / f"{name}.png" for name in names]
    for number, file in enumerate(files[:-1]):  # one is not there
        Image.new("RGB", (20, 40), (10 + number % 200, 90, 160)).save(file)
    table = described(Dataset("people", tuple(map(Item, names, files))), PATTERN, (), ())
    sets = compared(table, (), None, 0)
    settings = study.IdentitySettings(
        dataset="people", backbones=tuple(apart), pattern=PATTERN, perturbations=perturbations, components=4, bootstrap=50
    )
    identity = {"backbone": "random"}
    paths = tuple(map(str, files))
    features = Features("people", ArrayRows(np.zeros((len(names), 1))), tuple(names), paths, tuple(names), (1,), identity)
    measured = {
        (backbone, change, variation): _measured(
            sets[variation], list(table["person"]), far * (1 if change == UNCHANGED else 0.5)
        )
        for backbone, far in apart.items()
        for change in (UNCHANGED, *perturbations)
        for variation in sets
    }
    return study._result(settings, table, sets, features, measured)


def _measured(sets: VariationSets, persons: list[str], apart: float) -> FromReferences:
    rng = np.random.default_rng(0)
    centres = {person: apart * rng.normal(size=6) for person in dict.fromkeys(persons)}
    rows = np.array([centres[person] + rng.normal(size=6) for person in persons])
    return from_references(rows, sets, 4, "pair")
