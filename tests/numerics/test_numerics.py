"""howfar's numbers against themselves, computed in another way: differences stay within what benchmarks/numerics.py states."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
HERE = ("repeated", "float64 features", "rows in another order", "small blocks")
PROCESSES = ("in another process", "two threads", "no special units")


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("numerics", ROOT / "benchmarks" / "numerics.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules.setdefault("numerics", importlib.util.module_from_spec(spec))
    spec.loader.exec_module(module)
    return module


numerics = _script()


def check(way: str) -> None:
    found = numerics.differences(way)
    wrong = {name: value for name, value in found.items() if value is not None and value > numerics.tolerance(way, name)}
    assert not wrong
    assert len(found) == len(numerics.OF_IMAGES) + len(numerics.OF_DATASETS) + len(numerics.OF_SCORES) + 1


@pytest.mark.parametrize("way", HERE)
def test_numbers_do_not_depend_on(way: str) -> None:
    check(way)


@pytest.mark.parametrize("way", PROCESSES)
def test_numbers_of_another_process_do_not_depend_on(way: str) -> None:
    check(way)


def test_every_way_is_tested_and_has_a_tolerance() -> None:
    assert {*HERE, *PROCESSES} == set(numerics.WAYS) == set(numerics.COMPUTED) == set(numerics.TOLERANCE)


def test_a_difference_is_seen() -> None:
    """A comparison that could not fail would show nothing."""
    usual = numerics.usual()
    assert all(np.isfinite(value).all() for value in usual.values())
    for name, value in usual.items():
        moved = value.copy()
        moved[0] = moved[0] + 0.02 * numerics.ON_A_SCALE.get(name.partition("/")[2], max(abs(moved[0]), 1e-9))
        assert numerics.apart(name.partition("/")[2], moved, value) > 0.01
    assert numerics.apart("ods", np.array([np.nan]), np.array([1.0])) == float("inf")


def test_the_published_table_is_within_the_tolerances() -> None:
    record = json.loads((ROOT / "benchmarks" / "results" / "numerics.json").read_text(encoding="utf-8"))["results"]
    assert record["ways"] == list(numerics.WAYS)
    for name, row in record["worst"].items():
        for way, value in row.items():
            assert value is None or value <= numerics.tolerance(way, name), (name, way)
