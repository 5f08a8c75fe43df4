"""What sampling is given is checked: whole numbers of images, seeds, levels, samples, groups and sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from howfar.errors import InputError
from howfar.sampling import Sample, draw, folds, mean, ods, order, ratio, sequence

PROXY = np.linspace(0, 1, 40)
SAMPLE = draw(PROXY, 8)
VALUES = PROXY[SAMPLE.indices]
ODD: Any = [None, "3", [], {}, float("nan")]


@pytest.mark.parametrize("k", [*ODD, 2.5, True, float("inf"), 0, -1])
def test_k_is_a_whole_number(k: Any) -> None:
    for call in (lambda: draw(PROXY, k), lambda: order(k), lambda: folds(SAMPLE, parts=k)):
        with pytest.raises(InputError, match=r"^(k|m|parts) must"):
            call()


@pytest.mark.parametrize("seed", [-1, "a", 1.5, {}])
def test_seeds_are_checked(seed: Any) -> None:
    for call in (lambda: draw(PROXY, 8, seed=seed), lambda: order(5, seed=seed), lambda: folds(SAMPLE, seed=seed)):
        with pytest.raises(InputError, match=r"^seed must"):
            call()


@pytest.mark.parametrize("level", ODD)
def test_levels_are_numbers(level: Any) -> None:
    with pytest.raises(InputError, match=r"^level must"):
        mean(VALUES, PROXY, SAMPLE, level=level)


@pytest.mark.parametrize("sample", [None, 5, "a", (1, 2, 3)])
def test_a_sample_is_a_sample(sample: Any) -> None:
    calls: list[Callable[[], Any]] = [
        lambda: mean(VALUES, PROXY, sample),
        lambda: ratio(VALUES, VALUES, PROXY, sample),
        lambda: ods(VALUES[:, None], VALUES[:, None], PROXY, sample),
        lambda: folds(sample),
    ]
    for call in calls:
        with pytest.raises(InputError, match=r"^sample must"):
            call()


def test_a_sample_may_be_made_of_lists_and_not_of_other_things() -> None:
    assert Sample([3, 0], [0.5, 0.5], [0, 0]).population == 4  # type: ignore[arg-type]  # what people write
    for parts in ([None] * 3, ["a", "b", "c"], [[0.5, 1], [0.5, 0.5], [0, 0]], [[0, 1], [np.nan, 0.5], [0, 0]]):
        with pytest.raises(InputError, match=r"^sample must"):
            Sample(*parts)  # type: ignore[arg-type]  # bad on purpose


@pytest.mark.parametrize("groups", [[None] * 40, ["a"] * 39 + [None]])
def test_groups_are_of_one_kind(groups: Any) -> None:
    with pytest.raises(InputError, match=r"^groups must"):
        draw(PROXY, 8, groups=groups)


@pytest.mark.parametrize("sizes", [[None] * 40, [np.nan] * 40, [1e308] * 40, [0.0] * 40])
def test_sizes_are_finite(sizes: Any) -> None:
    with pytest.raises(InputError, match=r"^sizes must"):
        draw(PROXY, 8, sizes=sizes)


@pytest.mark.parametrize("until", [5, [], {}])
def test_a_rule_that_is_no_text_is_refused(until: Any) -> None:
    with pytest.raises(InputError, match=r"^until must"):
        sequence([0.5], PROXY, order(40), until=until)
