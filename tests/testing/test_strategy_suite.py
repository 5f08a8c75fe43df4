"""The shipped suite notices the faults that it is there for."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from howfar.selection.by_column import NEAR
from howfar.selection.diversity import KMEANSPP
from howfar.selection.random_draws import STRATIFIED
from howfar.selection.strategy import Candidates, FunctionStrategy
from howfar.testing import StrategyTests

counter = itertools.count()


class Odd:
    """A near strategy with one thing wrong: some of what it says, or `pick`."""

    def __init__(self, pick: Callable[..., Any] | None = None, **says: Any) -> None:
        self.name, self.needs, self.nested = "odd", ("distance",), True
        self.reason: Callable[[Mapping[str, float]], Any] = lambda values: "near"
        vars(self).update(says)
        self._pick = pick

    def pick(self, columns: Any, k: int, rng: Any, labelled: Any = None) -> Any:
        if self._pick is None:
            return NEAR.pick(columns, k, rng, labelled)
        return self._pick(columns, k, rng, labelled)


def of(strategy: Any, **claims: Any) -> StrategyTests:
    return type("Suite", (StrategyTests,), {"strategy": strategy, **claims})()


def with_rule(rule: Callable[[Candidates, int, np.random.Generator], Any], nested: bool = True) -> FunctionStrategy:
    return replace(NEAR, rule=rule, nested=nested)


def by_rows(columns: Any, k: int, rng: Any, labelled: Any) -> Any:
    """Names are of no account."""
    return NEAR.pick({"distance": np.round(columns["distance"])}, k, rng, labelled)


def in_place(columns: Any, k: int, rng: Any, labelled: Any) -> Any:
    columns["distance"] *= 2.0
    return NEAR.pick(columns, k, rng, labelled)


def fills_up(columns: Any, k: int, rng: Any, labelled: Any) -> Any:
    filled = np.nan_to_num(np.asarray(columns["distance"], dtype=np.float64))
    return NEAR.pick({**columns, "distance": filled}, k, rng, labelled)


def forgets_labels(columns: Any, k: int, rng: Any, labelled: Any) -> Any:
    Candidates.of("odd", columns, ("distance",), labelled)
    return NEAR.pick(columns, k, rng)


def clips(columns: Any, k: Any, rng: Any, labelled: Any) -> Any:
    return NEAR.pick(columns, min(max(int(k), 1), 5), rng, labelled)


def more_columns(columns: Any, k: int, rng: Any, labelled: Any) -> Any:
    return NEAR.pick({**columns, "distance": np.asarray(next(iter(columns.values())), dtype=object) != ""}, k, rng, labelled)


FAULTS: list[tuple[Any, str, tuple[Any, ...]]] = [
    (Odd(name="two words"), "test_what_it_says_of_itself", ()),
    (Odd(needs=["distance"]), "test_what_it_says_of_itself", ()),
    (Odd(nested=None), "test_what_it_says_of_itself", ()),
    (Odd(reason=lambda values: ""), "test_what_it_says_of_itself", ()),
    (Odd(reason=lambda values: "two\nlines"), "test_what_it_says_of_itself", ()),
    (Odd(lambda *given: NEAR.pick(*given).tolist()), "test_picks", (3,)),
    (Odd(lambda *given: NEAR.pick(*given).astype(np.int8)), "test_picks", (3,)),
    (Odd(lambda *given: NEAR.pick(*given)[:1]), "test_picks", (3,)),
    (Odd(lambda *given: NEAR.pick(*given) * 0), "test_picks", (3,)),
    (Odd(lambda *given: NEAR.pick(*given) + 1), "test_picks", (40,)),
    (Odd(forgets_labels), "test_labelled_images_are_never_picked", (12,)),
    (with_rule(lambda pool, k, rng: (pool.free + next(counter))[:k] % len(pool)), "test_again", ()),
    (Odd(lambda columns, k, rng, labelled: NEAR.pick(columns, k, rng, labelled)[::-1]), "test_nested", ()),
    (replace(STRATIFIED, nested=True), "test_nested", ()),
    (Odd(by_rows), "test_order_of_rows", ()),
    (with_rule(lambda pool, k, rng: np.searchsorted(np.sort(pool["distance"]), pool["distance"][:k])), "test_equal_images", ()),
    (
        with_rule(lambda pool, k, rng: np.argsort(pool["distance"], kind="stable")[np.arange(k) // 2 * 2]),
        "test_pairs_of_equal_images",
        (),
    ),
    (Odd(fills_up), "test_an_image_without_a_value_is_not_picked", ()),
]


@pytest.mark.parametrize(("strategy", "test", "arguments"), FAULTS, ids=[f"{i}-{one[1]}" for i, one in enumerate(FAULTS)])
def test_a_fault_is_noticed(strategy: Any, test: str, arguments: tuple[Any, ...]) -> None:
    getattr(of(NEAR), test)(*arguments)
    with pytest.raises(AssertionError):
        getattr(of(strategy), test)(*arguments)


@pytest.mark.parametrize(
    ("test", "arguments"),
    [
        ("test_what_is_no_count_is_refused", (0,)),
        ("test_what_is_no_count_is_refused", (1.5,)),
        ("test_more_than_are_left_is_refused", ()),
    ],
)
def test_a_count_that_is_let_pass_is_noticed(test: str, arguments: tuple[Any, ...]) -> None:
    getattr(of(NEAR), test)(*arguments)
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        getattr(of(Odd(clips)), test)(*arguments)


def test_a_missing_column_that_is_let_pass_is_noticed() -> None:
    of(NEAR).test_a_missing_column_is_named()
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        of(Odd(more_columns)).test_a_missing_column_is_named()


def test_a_line_that_does_not_name_the_strategy_is_noticed() -> None:
    with pytest.raises(AssertionError, match="say which strategy needs it"):
        of(Odd(name="another")).test_a_missing_column_is_named()


def test_writing_into_columns_is_noticed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        of(Odd(in_place)).test_columns_are_left_alone()


def test_other_columns_that_count_are_noticed() -> None:
    def counting(columns: Any, k: int, rng: Any, labelled: Any) -> Any:
        sign = 1 if len(columns) == 2 else -1
        return NEAR.pick({**columns, "distance": sign * np.asarray(columns["distance"])}, k, rng, labelled)

    with pytest.raises(AssertionError):
        of(Odd(counting)).test_other_columns_do_not_count()


def test_number_types_that_count_are_noticed() -> None:
    def sized(columns: Any, k: int, rng: Any, labelled: Any) -> Any:
        size = np.asarray(columns["distance"]).dtype.itemsize
        return NEAR.pick({**columns, "distance": np.asarray(columns["distance"]) * (1 if size == 8 else -1)}, k, rng, labelled)

    with pytest.raises(AssertionError):
        of(Odd(sized)).test_number_types()


def test_a_seed_that_is_let_pass_is_noticed() -> None:
    seeded = Odd(lambda columns, k, rng, labelled: NEAR.pick(columns, k, np.random.default_rng(rng), labelled))
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        of(seeded).test_what_is_no_generator_is_refused()


def test_what_is_not_claimed_is_not_asked_for() -> None:
    of(STRATIFIED).test_nested()
    of(Odd(by_rows), by_name=False).test_order_of_rows()
    of(KMEANSPP).test_nested()
