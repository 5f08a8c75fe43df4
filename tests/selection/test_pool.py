"""The pool that a strategy chooses from, and what it refuses; names of strategies, and what the record says of them."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from howfar.errors import InputError, UnknownNameError
from howfar.selection import every, evidence, named
from howfar.selection.by_column import NEAR
from howfar.selection.function_strategy import Candidates
from howfar.selection.random_draws import CLASSES


def test_rows_stand_in_the_order_of_names_and_without_names_in_their_own() -> None:
    columns = {"distance": [3.0, 1.0, 2.0], "features": [[3.0], [1.0], [2.0]]}
    for names, wanted in ((None, [0, 1, 2]), (["b", "c", "a"], [2, 0, 1]), (["b", "a", "a"], [1, 2, 0])):
        given = columns if names is None else {**columns, "name": names}
        pool = Candidates.of("any", given, ("distance", "features"), [True, False, False])
        assert pool.positions.tolist() == wanted
        assert pool["distance"].tolist() == [columns["distance"][place] for place in wanted]
        assert pool["features"].ravel().tolist() == pool["distance"].tolist()
        assert pool.labelled.tolist() == [place == 0 for place in wanted]
        assert pool.positions[pool.free].tolist() == [place for place in wanted if place]


def test_an_image_that_lacks_a_value_is_left_out() -> None:
    pool = Candidates.of("any", {"a": [np.nan, 1.0, 2.0], "b": [1.0, np.inf, 3.0]}, ("a", "b"), [False, False, True])
    assert (len(pool), pool.positions.tolist(), pool.free.tolist()) == (1, [2], [])
    with pytest.raises(
        InputError, match=r"k must be at most 0, as many images as any has left \(1, 1 of them labelled\), got 1"
    ):
        pool.count(1)


def test_names_are_strategies_and_strategies_stay_what_they_are() -> None:
    assert named("near") is NEAR
    assert named(NEAR) is NEAR
    assert [one.name for one in every()] == [
        "far", "near", "random", "stratified", "kcenter", "typiclust", "kmedoids", "probcover", "kmeanspp", "herding",
        "uncertainty", "flip_disagreement", "foreground", "foreground_random", "objects", "stratified_entropy",
        "share_quantiles", "ridge_response",
    ]  # fmt: skip
    with pytest.raises(UnknownNameError, match="did you mean 'kcenter'"):
        named("kcentre")


ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_strategies", ROOT / "docs" / "make_strategies.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_strategy_that_beats_random_in_the_record_is_said_to(maker: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    found = maker.records()
    gains = [row for row in found["bakeoff"]["results"]["gains"] if row["model"] == "near-7"]
    for row in gains:
        row["beats_random"] = True
    monkeypatch.setattr(evidence, "records", lambda: json.loads(maker.taken(found)))
    assert evidence.evidence("near").line.startswith("beats random in the record: 0.064 [")
    assert evidence.summaries()[0].endswith("of 12 strategies near beats it.")
    assert evidence.summaries()[1].endswith("of 5 strategies none beats it, and ridge_response does worse.")
    assert evidence.evidence("far").line.startswith("no record shows that it beats random: -0.023 [")
    assert evidence.evidence("random").line == "what every other is compared with"
    assert evidence.evidence("mine").line.endswith("not measured")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({}, "columns must hold distance, which the strategy near needs, got \\[\\]"),
        ({"knn": [1.0], "name": ["a"]}, "columns must hold distance, which the strategy near needs, got \\['knn', 'name'\\]"),
        ({"distance": []}, "a row an image"),
        ({"distance": [0.1, 0.2], "name": ["a"]}, "columns must all have one row an image"),
        ({"distance": 0.1}, "columns must each have one row an image"),
        ({"distance": ["x", "y"]}, "column distance must be numeric"),
        ({"distance": [[0.1], [0.2]]}, r"column distance must have shape \(2,\), got \(2, 1\)"),
        ({"distance": [0.1, 0.2], "name": [["a"], ["b"]]}, "column name must have shape"),
    ],
)
def test_columns_that_are_refused_in_one_line(columns: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        NEAR.pick(columns, 1, np.random.default_rng(0))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("strategy", "columns", "message"),
    [
        ("foreground", {"predicted_foreground": [0.1, 1.5]}, "predicted_foreground must lie between 0 and 1, got 1.5"),
        ("share_quantiles", {"predicted_foreground": [-0.1, 0.2]}, "predicted_foreground must lie between 0 and 1, got -0.1"),
        ("foreground_random", {"predicted_foreground": [-0.1, 0.2]}, "predicted_foreground must lie between 0 and 1"),
        ("stratified_entropy", {name: [-1.0, 0.0] for name in CLASSES}, "column foreground_entropy must be at least 0"),
        *(("objects", {"regions": np.full(shape, 1e200)}, "column regions must") for shape in ((3, 4), (3, 0, 4), (3, 1, 1))),
    ],
)
def test_values_that_a_strategy_refuses(strategy: str, columns: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        named(strategy).pick(columns, 1, np.random.default_rng(0))
