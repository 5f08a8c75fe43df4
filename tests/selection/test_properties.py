"""The shipped suite for every strategy, and what holds of each for any columns: hypothesis looks for the exception."""

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from howfar import registry
from howfar.protocols import Strategy
from howfar.selection import every
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
