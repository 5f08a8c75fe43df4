"""The shipped suites notice the faults that they are there for."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from howfar.arrays import as_pair
from howfar.distances import energy, image_to_dataset, kid, mahalanobis
from howfar.selection.by_column import NEAR
from howfar.selection.diversity import KMEANSPP
from howfar.selection.random_draws import STRATIFIED
from howfar.selection.strategy import Candidates, FunctionStrategy
from howfar.testing import DistanceTests, StrategyTests

counter = itertools.count()
PASSED = pytest.fail.Exception
"""Raised where bad input is let pass."""


def noticed(sound: Any, faulty: Any, test: str, arguments: tuple[Any, ...], error: type[BaseException]) -> None:
    getattr(sound, test)(*arguments)
    with pytest.raises(error, match="DID NOT RAISE" if error is PASSED else None):
        getattr(faulty, test)(*arguments)


class Odd:
    """A near strategy with one thing wrong: some of what it says, or `pick`."""

    def __init__(self, pick: Callable[..., Any] | None = None, **says: Any) -> None:
        self.name, self.needs, self.nested = "odd", ("distance",), True
        self.reason: Callable[[Mapping[str, float]], Any] = lambda values: "near"
        vars(self).update(says)
        self._pick = pick

    def pick(self, columns: Any, k: int, rng: Any, labelled: Any = None) -> Any:
        return (self._pick or NEAR.pick)(columns, k, rng, labelled)


def measuring(distance: Callable[[dict[str, Any]], Any]) -> Odd:
    """Pick as near does, by another distance."""
    return Odd(lambda columns, k, rng, labelled: NEAR.pick({**columns, "distance": distance(columns)}, k, rng, labelled))


def strategies(strategy: Any, **claims: Any) -> StrategyTests:
    return type("Suite", (StrategyTests,), {"strategy": strategy, **claims})()


def with_rule(rule: Callable[[Candidates, int, np.random.Generator], Any], nested: bool = True) -> FunctionStrategy:
    return replace(NEAR, rule=rule, nested=nested)


def in_place(columns: Any, k: int, rng: Any, labelled: Any) -> Any:
    columns["distance"] *= 2.0
    return NEAR.pick(columns, k, rng, labelled)


def forgets_labels(columns: Any, k: int, rng: Any, labelled: Any) -> Any:
    Candidates.of("odd", columns, ("distance",), labelled)
    return NEAR.pick(columns, k, rng)


def clips(columns: Any, k: Any, rng: Any, labelled: Any) -> Any:
    return NEAR.pick(columns, min(max(int(k), 1), 5), rng, labelled)


# Names are of no account.
BY_ROWS = Odd(lambda columns, *rest: NEAR.pick({"distance": np.round(columns["distance"])}, *rest))
STRATEGIES: list[tuple[Any, str, tuple[Any, ...], type[BaseException]]] = [
    (Odd(name="two words"), "test_what_it_says_of_itself", (), AssertionError),
    (Odd(needs=["distance"]), "test_what_it_says_of_itself", (), AssertionError),
    (Odd(nested=None), "test_what_it_says_of_itself", (), AssertionError),
    (Odd(reason=lambda values: ""), "test_what_it_says_of_itself", (), AssertionError),
    (Odd(reason=lambda values: "two\nlines"), "test_what_it_says_of_itself", (), AssertionError),
    (Odd(lambda *given: NEAR.pick(*given).tolist()), "test_picks", (3,), AssertionError),
    (Odd(lambda *given: NEAR.pick(*given).astype(np.int8)), "test_picks", (3,), AssertionError),
    (Odd(lambda *given: NEAR.pick(*given)[:1]), "test_picks", (3,), AssertionError),
    (Odd(lambda *given: NEAR.pick(*given) * 0), "test_picks", (3,), AssertionError),
    (Odd(lambda *given: NEAR.pick(*given) + 1), "test_picks", (40,), AssertionError),
    (Odd(forgets_labels), "test_labelled_images_are_never_picked", (12,), AssertionError),
    (with_rule(lambda pool, k, rng: (pool.free + next(counter))[:k] % len(pool)), "test_again", (), AssertionError),
    (Odd(lambda *given: NEAR.pick(*given)[::-1]), "test_nested", (), AssertionError),
    (replace(STRATIFIED, nested=True), "test_nested", (), AssertionError),
    (BY_ROWS, "test_order_of_rows", (), AssertionError),
    (
        with_rule(lambda pool, k, rng: np.searchsorted(np.sort(pool["distance"]), pool["distance"][:k])),
        "test_equal_images",
        (),
        AssertionError,
    ),
    (
        with_rule(lambda pool, k, rng: np.argsort(pool["distance"], kind="stable")[np.arange(k) // 2 * 2]),
        "test_pairs_of_equal_images",
        (),
        AssertionError,
    ),
    (
        measuring(lambda columns: np.nan_to_num(np.asarray(columns["distance"], dtype=np.float64))),
        "test_an_image_without_a_value_is_not_picked",
        (),
        AssertionError,
    ),
    (Odd(clips), "test_what_is_no_count_is_refused", (0,), PASSED),
    (Odd(clips), "test_what_is_no_count_is_refused", (1.5,), PASSED),
    (Odd(clips), "test_more_than_are_left_is_refused", (), PASSED),
    (
        measuring(lambda columns: np.asarray(next(iter(columns.values())), dtype=object) != ""),
        "test_a_missing_column_is_named",
        (),
        PASSED,
    ),
    (Odd(name="another"), "test_a_missing_column_is_named", (), AssertionError),
    (Odd(in_place), "test_columns_are_left_alone", (), ValueError),
    (
        measuring(lambda columns: (1 if len(columns) == 2 else -1) * np.asarray(columns["distance"])),
        "test_other_columns_do_not_count",
        (),
        AssertionError,
    ),
    (
        measuring(lambda columns: np.asarray(columns["distance"]) * (9 - np.asarray(columns["distance"]).dtype.itemsize * 1.2)),
        "test_number_types",
        (),
        AssertionError,
    ),
    (
        Odd(lambda columns, k, rng, labelled: NEAR.pick(columns, k, np.random.default_rng(rng), labelled)),
        "test_what_is_no_generator_is_refused",
        (),
        PASSED,
    ),
]


@pytest.mark.parametrize(
    ("strategy", "test", "arguments", "error"), STRATEGIES, ids=[f"{k}-{row[1]}" for k, row in enumerate(STRATEGIES)]
)
def test_a_fault_of_a_strategy(strategy: Any, test: str, arguments: tuple[Any, ...], error: type[BaseException]) -> None:
    noticed(strategies(NEAR), strategies(strategy), test, arguments, error)


def test_what_a_strategy_does_not_claim_is_not_asked_for() -> None:
    strategies(STRATIFIED).test_nested()
    strategies(BY_ROWS, by_name=False).test_order_of_rows()
    strategies(KMEANSPP).test_nested()


def distances(distance: Callable[..., Any], **claims: Any) -> DistanceTests:
    return type("Suite", (DistanceTests,), {"distance": staticmethod(distance), **claims})()


def unclamped(s: Any, p: Any) -> Any:
    s, p = as_pair(s, p)
    with np.errstate(invalid="ignore"):
        return np.sqrt((s * s).sum(1)[:, None] + (p * p).sum(1) - 2 * s @ p.T).mean(axis=1)


def scaled_by_the_batch(s: Any, p: Any) -> Any:
    found = image_to_dataset(s, p)
    return found / found.max()


def writes_into_its_input(s: Any, p: Any) -> Any:
    s, p = as_pair(s, p)
    s -= p.mean(axis=0)
    return image_to_dataset(s, p)


def without_validation(s: Any, p: Any) -> Any:
    return cdist(np.asarray(s), np.asarray(p)).mean(axis=1)


def random(s: Any, p: Any) -> Any:
    return image_to_dataset(s, p) * np.random.default_rng().uniform(0.9, 1.0)


DISTANCES: list[tuple[Callable[..., Any], str, tuple[Any, ...], type[BaseException]]] = [
    (unclamped, "test_finite_for_degenerate_sets", ("repeated rows",), AssertionError),
    (lambda s, p: cdist(*as_pair(s, p))[:, 0], "test_order_of_rows", (), AssertionError),
    (scaled_by_the_batch, "test_images_do_not_affect_each_other", (), AssertionError),
    (lambda s, p: -image_to_dataset(s, p), "test_finite_and_not_negative", (0.0, np.float64), AssertionError),
    (lambda s, p: -image_to_dataset(s, p), "test_grows_with_distance", (), AssertionError),
    (lambda s, p: image_to_dataset(s, p).astype(np.float32), "test_shape_and_type", (), AssertionError),
    (lambda s, p: image_to_dataset(s, p)[:, None], "test_shape_and_type", (), AssertionError),
    (lambda s, p: image_to_dataset(s, p) + 1.0, "test_equal_images_throughout", (), AssertionError),
    (lambda s, p: image_to_dataset(s, np.asarray(p) * 1.01), "test_translation", (), AssertionError),
    (lambda s, p: image_to_dataset(s, p) * np.asarray(s).itemsize, "test_number_types", (), AssertionError),
    (random, "test_again", (), AssertionError),
    (writes_into_its_input, "test_arrays_are_left_alone", (), ValueError),
    (without_validation, "test_malformed_input_is_refused", ("NaN",), PASSED),
    (without_validation, "test_malformed_input_is_refused", ("infinity",), PASSED),
]


@pytest.mark.parametrize(("distance", "test", "arguments", "error"), DISTANCES)
def test_a_fault_of_a_distance(
    distance: Callable[..., Any], test: str, arguments: tuple[Any, ...], error: type[BaseException]
) -> None:
    noticed(distances(image_to_dataset), distances(distance), test, arguments, error)


@pytest.mark.parametrize(
    ("suite", "test", "arguments", "error"),
    [
        (
            distances(lambda s, p: float(mahalanobis(s, p).mean()), per_image=False, symmetric=True),
            "symmetry",
            (),
            AssertionError,
        ),
        (distances(kid, per_image=False, zero_on_itself=True), "itself", (), AssertionError),
        (distances(lambda s, p: -energy(s, p), per_image=False), "finite_and_not_negative", (0.0, np.float64), AssertionError),
        (distances(image_to_dataset, least_images=(1, 3)), "fewest_images", (), PASSED),
    ],
)
def test_what_a_distance_claims_is_held_to(
    suite: DistanceTests, test: str, arguments: tuple[Any, ...], error: type[BaseException]
) -> None:
    with pytest.raises(error):
        getattr(suite, f"test_{test}")(*arguments)
