"""What holds of every strategy, and of the candidates that it chooses from."""

import importlib.util
import json
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from howfar import registry
from howfar.errors import InputError, UnknownNameError
from howfar.protocols import Strategy
from howfar.selection import every, evidence, named
from howfar.selection.candidates import Candidates
from howfar.selection.random_and_ranked import CLASSES, NEAR
from howfar.testing.strategy_suite import StrategyTests

NAMES = tuple(registry.OURS["strategies"])
for _name in NAMES:
    _suite = f"Test{_name.title().replace('_', '')}"
    globals()[_suite] = type(_suite, (StrategyTests,), {"strategy": registry.load("strategies", _name), "__module__": __name__})


@pytest.mark.parametrize("name", NAMES)
def test_the_registry_knows_a_strategy_by_its_own_name(name: str) -> None:
    assert registry.load("strategies", name).name == name


QUICK = settings(max_examples=25, deadline=None, derandomize=True)
# Whether the first picks, labelled, and then more are the same as all at once: where nothing but the order decides.
GOES_ON = {"far", "near", "random", "kcenter", "herding", "uncertainty", "flip_disagreement", "foreground"}
GOES_ON |= {"foreground_random", "objects", "share_quantiles", "ridge_response"}


@st.composite
def pools(draw: st.DrawFn) -> tuple[dict[str, Any], np.ndarray[Any, Any], int]:
    """Columns of few values, so that ties and copies are common; a mask; and a k that it allows."""
    count = draw(st.integers(1, 24))
    eighths = st.integers(0, 8).map(lambda x: x / 8)
    column = st.lists(eighths, min_size=count, max_size=count).map(np.array)
    columns: dict[str, Any] = {
        "distance": draw(column),
        "features": np.stack([draw(column), draw(column)], axis=1),
        "uncertainty": draw(column),
        "flip_agreement": draw(column),
        "predicted_foreground": draw(column),
        "regions": np.stack([np.stack([draw(column) for _ in range(2)], axis=1) for _ in range(3)], axis=2),
        "foreground_entropy": draw(column),
        "background_entropy": draw(column),
        "ridge_response": draw(column),
        "name": [f"{place:02}" for place in draw(st.permutations(range(count)))],
    }
    labelled = np.array(draw(st.lists(st.booleans(), min_size=count, max_size=count)), dtype=np.bool_)
    labelled[draw(st.integers(0, count - 1))] = False
    return columns, labelled, draw(st.integers(1, int((~labelled).sum())))


def picks(strategy: Strategy, columns: dict[str, Any], k: int, labelled: Any) -> list[int]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return strategy.pick(columns, k, np.random.default_rng(3), labelled).tolist()


@QUICK
@given(pools(), st.randoms(use_true_random=False))
def test_picks_are_different_and_do_not_depend_on_the_order_of_rows(pool: Any, random: Any) -> None:
    columns, labelled, k = pool
    order = list(range(len(labelled)))
    random.shuffle(order)
    moved = {name: np.asarray(values)[order] for name, values in columns.items()}
    for strategy in every():
        found = picks(strategy, columns, k, labelled)
        assert len(found) == len(set(found)) == k, strategy.name
        assert not labelled[found].any(), strategy.name
        assert [order[place] for place in picks(strategy, moved, k, labelled[order])] == found, strategy.name


@QUICK
@given(pools())
def test_fewer_are_the_first_of_more_and_with_its_picks_labelled_it_goes_on(pool: Any) -> None:
    columns, labelled, k = pool
    for strategy in (one for one in every() if one.nested):
        most = picks(strategy, columns, int((~labelled).sum()), labelled)
        assert picks(strategy, columns, k, labelled) == most[:k], strategy.name
        known = labelled.copy()
        known[most[: k - 1]] = True
        # Other labels in far's band, and among the ranks of shares, may stand for its picks.
        alone = strategy.name in ("far", "share_quantiles") and labelled.any()
        if strategy.name in GOES_ON and not alone:
            assert picks(strategy, columns, 1, known) == [most[k - 1]], strategy.name


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
    ("strategy", "columns", "message"),
    [
        ("near", {}, r"columns must hold distance, which the strategy near needs, got \[\]"),
        ("near", {"knn": [1.0], "name": ["a"]}, r"hold distance, which the strategy near needs, got \['knn', 'name'\]"),
        ("near", {"distance": []}, "a row an image"),
        ("near", {"distance": [0.1, 0.2], "name": ["a"]}, "columns must all have one row an image"),
        ("near", {"distance": 0.1}, "columns must each have one row an image"),
        ("near", {"distance": ["x", "y"]}, "column distance must be numeric"),
        ("near", {"distance": [[0.1], [0.2]]}, r"column distance must have shape \(2,\), got \(2, 1\)"),
        ("near", {"distance": [0.1, 0.2], "name": [["a"], ["b"]]}, "column name must have shape"),
        ("foreground", {"predicted_foreground": [0.1, 1.5]}, "predicted_foreground must lie between 0 and 1, got 1.5"),
        ("share_quantiles", {"predicted_foreground": [-0.1, 0.2]}, "predicted_foreground must lie between 0 and 1, got -0.1"),
        ("foreground_random", {"predicted_foreground": [-0.1, 0.2]}, "predicted_foreground must lie between 0 and 1"),
        ("stratified_entropy", {name: [-1.0, 0.0] for name in CLASSES}, "column foreground_entropy must be at least 0"),
        *(("objects", {"regions": np.full(shape, 1e200)}, "column regions must") for shape in ((3, 4), (3, 0, 4), (3, 1, 1))),
    ],
)
def test_columns_and_values_are_refused_in_one_line(strategy: str, columns: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        named(strategy).pick(columns, 1, np.random.default_rng(0))
    assert "\n" not in str(caught.value)
