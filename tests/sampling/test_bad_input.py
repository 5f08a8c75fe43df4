"""What sampling is given is checked: whole numbers of images, seeds, levels, samples, groups and sizes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from howfar.errors import InputError
from howfar.sampling import Sample, Until, cross_fitted_mean, draw, folds, mean, ods, order, ratio, sequence

PROXY = np.linspace(0, 1, 40)
SAMPLE = draw(PROXY, 8)
VALUES = PROXY[SAMPLE.indices]
ODD: Any = [None, "3", [], {}, float("nan")]


@pytest.mark.parametrize("k", [*ODD, 2.5, True, float("inf"), 0, -1])
def test_k_is_a_whole_number(k: Any) -> None:
    for call in (lambda: draw(PROXY, k), lambda: order(k), lambda: folds(SAMPLE, parts=k)):
        with pytest.raises(InputError, match=r"^(k|m|parts) must"):
            call()


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


FOLDS, HALF = folds(SAMPLE), np.full(40, 0.5)
COUNTS, NAN = np.arange(8.0), float("nan")


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: draw(PROXY, 8, groups=["a"] * 39 + [None]), "groups must be names of one kind"),
        (lambda: draw(PROXY, 8, sizes=["a"] * 40), "sizes must be numbers"),
        (lambda: draw(PROXY, 8, sizes=[0.0] * 40), "sizes must be numbers of 0 or more, not all 0"),
        (lambda: draw(PROXY, 8, sizes=[1e308] * 40), "sizes must be at most 1e+100"),
        (lambda: draw(PROXY, 8, sizes=[1.0]), "sizes must have 40 values"),
        (lambda: draw([0.5, 60.0], 1), "proxy must lie in [0, 1], got 60.0"),
        (lambda: draw([], 1), "proxy must be one row"),
        (lambda: draw(["good"], 1), "proxy must be numbers"),
        (lambda: draw([0.5, np.inf], 1), "proxy must be finite"),
        (lambda: draw([0.5, 0.6], 1, groups=["a"]), "groups must name 2 groups"),
        (lambda: Sample(np.array([0, 0]), np.ones(2), np.zeros(2, int)), "sample must name each image once"),
        (lambda: Sample(np.array([0, 1]), np.ones(1), np.zeros(2, int)), "sample must give an index"),
        (lambda: Sample(np.array([0, 1]), np.array([0.0, 1.0]), np.zeros(2, int)), "sample must have probabilities above 0"),
        (lambda: Sample(np.array([0, 1]), np.array([0.5, 1.0]), np.zeros(2, int)), "sample must have one probability"),
        (lambda: mean([0.5], PROXY, SAMPLE), "values must have 8 values"),
        (lambda: mean([1.5] * 8, PROXY, SAMPLE), "values must lie in [0, 1], got 1.5"),
        (lambda: mean([NAN] * 8, PROXY, SAMPLE), "values must hold at least one that is not NaN"),
        (lambda: mean(VALUES, [0.5] * 5, SAMPLE), "proxy must have the 40 images that the sample was drawn from, got 5"),
        (lambda: mean(VALUES, PROXY, SAMPLE, level=1.0), "level must lie between 0 and 1, got 1.0"),
        (lambda: folds(SAMPLE, parts=1), "parts must be between 2 and the 8"),
        (lambda: folds(SAMPLE, groups=["one"] * 40), "parts must be between 2 and the 1"),
        (lambda: folds(SAMPLE, groups=["one"] * 5), "groups must name 40"),
        (lambda: cross_fitted_mean(VALUES, [PROXY], SAMPLE, FOLDS[:1]), "divided must hold each of the 8"),
        (lambda: cross_fitted_mean(VALUES, [PROXY], SAMPLE, FOLDS), "proxies must be 2"),
        (lambda: ratio(COUNTS, np.ones(8), PROXY, SAMPLE), "numerators must lie between 0 and their denominators"),
        (lambda: ratio(np.zeros(8), np.zeros(8), PROXY, SAMPLE), "denominators must not all be 0"),
        (lambda: ratio([0.0], np.ones(8), PROXY, SAMPLE), "numerators must have 8 values"),
        (lambda: ratio(np.zeros(8), np.ones(8), [0.5] * 7, SAMPLE), "proxy must have the 40 images"),
        (lambda: ratio(np.zeros(8), np.ones(8), [[0.5] * 40] * 3, SAMPLE), "proxy must be (2, m)"),
        (lambda: ods(np.zeros((8, 3)), np.ones((8, 4)), PROXY, SAMPLE), "numerators and denominators must both be"),
        (lambda: ods(np.ones((8, 3)), np.ones((8, 3)), np.ones((2, 40, 4)), SAMPLE), "proxy must be (2, m, 3)"),
        (lambda: sequence([0.5], HALF, [0, 0]), "images must name each image once"),
        (lambda: sequence([0.5], HALF, [0.5]), "images must be one row of positions"),
        (lambda: sequence([0.5, 0.5], HALF, [0]), "values must be at most the 1 images"),
        (lambda: sequence([1.5], HALF, [0, 1]), "values must lie in [0, 1]"),
        (lambda: sequence([0.5], HALF, [0, 1], level=0), "level must lie between 0 and 1"),
        (lambda: sequence([0.5], HALF, [0, 1], until="better"), "until must read like"),
        (lambda: Until.parse("F >= 6"), "until must name a value between 0 and 1"),
        (lambda: Until("about", 0.5), "kind must be"),
    ],
)
def test_bad_input_is_one_clear_line(call: Callable[[], Any], line: str) -> None:
    with pytest.raises(InputError) as caught:
        call()
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)
