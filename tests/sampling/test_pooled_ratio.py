"""Pooled F and its best over thresholds: exact with all labels, intervals that hold, the help of expected counts, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from howfar.errors import InputError
from howfar.sampling import draw, ods, ratio

M = 240


@pytest.fixture(scope="module")
def counts() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Numerators, denominators, the model's expected ones, and predicted F."""
    rng = np.random.default_rng(1)
    sizes = rng.gamma(2.0, 400.0, M)
    f = rng.beta(4, 4, M)
    guessed = np.clip(f + rng.normal(0, 0.08, M), 0, 1)
    expected = np.stack([guessed * sizes, sizes * rng.uniform(0.9, 1.1, M)])
    return f * sizes, sizes, expected, guessed


def test_all_labels_give_the_exact_ratio(counts: tuple[np.ndarray, ...]) -> None:
    above, below, expected, _ = counts
    sample = draw(np.full(M, 0.5), M)
    estimate = ratio(above[sample.indices], below[sample.indices], expected, sample)
    assert estimate.value == pytest.approx(above.sum() / below.sum())
    assert estimate.low == estimate.high == estimate.value


def test_intervals_hold_and_expected_counts_narrow_them(counts: tuple[np.ndarray, ...]) -> None:
    above, below, expected, guessed = counts
    truth, widths = above.sum() / below.sum(), {}
    for name, proxy in (("expected", expected), ("predicted", guessed), ("constant", np.full(M, 0.5))):
        found = []
        for seed in range(120):
            sample = draw(guessed, 16, seed=seed)
            found.append(ratio(above[sample.indices], below[sample.indices], proxy, sample))
        assert np.mean([one.low <= truth <= one.high for one in found]) >= 0.84
        assert np.mean([one.value for one in found]) == pytest.approx(truth, abs=0.01)
        widths[name] = np.mean([one.half_width for one in found])
    assert widths["expected"] < 0.8 * widths["constant"]


def test_the_best_threshold_is_found_with_the_true_maximum(counts: tuple[np.ndarray, ...]) -> None:
    above, below, expected, guessed = counts
    factors = np.array([0.3, 0.8, 0.6])
    at = above[:, None] * factors, np.repeat(below[:, None], 3, axis=1)
    sample = draw(guessed, 24)
    parts = tuple(part[sample.indices] for part in at)
    estimate, best = ods(*parts, np.stack([expected[0][:, None] * factors, np.repeat(expected[1][:, None], 3, axis=1)]), sample)
    assert best == 1
    assert estimate == ratio(parts[0][:, 1], parts[1][:, 1], expected * np.array([[0.8], [1.0]]), sample)
    whole = draw(guessed, M)
    exact, best = ods(*(part[whole.indices] for part in at), guessed, whole)
    assert (exact.value, best) == (pytest.approx(0.8 * above.sum() / below.sum()), 1)


def test_a_threshold_without_anything_predicted_or_true_has_no_ratio() -> None:
    sample = draw(np.full(9, 0.5), 4)
    above, below = np.zeros((4, 3)), np.array([[9.0, 4.0, 0.0], [5.0, 0.0, 0.0], [3.0, 1.0, 0.0], [2.0, 0.0, 0.0]])
    above[0, 1] = 2.0
    estimate, best = ods(above, below, np.zeros((2, 9, 3)), sample)
    assert best == 1
    assert estimate == ratio(above[:, 1], below[:, 1], np.zeros((2, 9)), sample)


def test_one_label_says_nothing_and_few_say_something() -> None:
    assert ratio([3.0], [4.0], np.full(9, 0.5), draw(np.full(9, 0.5), 1)).low == 0.0
    sample = draw(np.full(40, 0.5), 3)
    estimate = ratio([3.0, 2.0, 4.0], [8.0, 6.0, 9.0], np.full(40, 0.5), sample)
    assert 0.0 <= estimate.low < estimate.value < estimate.high <= 1.0


def test_units_of_counts_do_not_matter(counts: tuple[np.ndarray, ...]) -> None:
    above, below, expected, guessed = counts
    sample = draw(guessed, 16)
    own = above[sample.indices], below[sample.indices]
    one = ratio(*own, expected, sample)
    thousand = ratio(own[0] * 1000, own[1] * 1000, expected * 1000, sample)
    np.testing.assert_allclose(vars(one)["low"], vars(thousand)["low"], rtol=1e-9)


@pytest.mark.parametrize(
    ("numerators", "denominators", "proxy", "line"),
    [
        ([1.0, 2.0], [1.0, 1.0], [0.5] * 6, "numerators must lie between 0 and their denominators"),
        ([-1.0, 0.0], [1.0, 1.0], [0.5] * 6, "numerators must lie between 0 and their denominators"),
        ([np.nan, 0.0], [1.0, 1.0], [0.5] * 6, "numerators must lie between 0 and their denominators"),
        ([0.0, 0.0], [0.0, 0.0], [0.5] * 6, "denominators must not all be 0"),
        ([0.0], [1.0, 1.0], [0.5] * 6, "numerators must hold 2 numbers"),
        ([0.0, 0.0], [1.0, 1.0], [0.5] * 7, "proxy must have the 6 images"),
        ([0.0, 0.0], [1.0, 1.0], [[0.5] * 6] * 3, "proxy must be (2, m)"),
    ],
)
def test_bad_input_is_one_clear_line(numerators: list[float], denominators: list[float], proxy: list[float], line: str) -> None:
    with pytest.raises(InputError) as caught:
        ratio(numerators, denominators, proxy, draw([0.5] * 6, 2))
    assert str(caught.value).startswith(line)


def test_thresholds_must_fit() -> None:
    sample = draw([0.5] * 6, 2)
    with pytest.raises(InputError, match="must both be"):
        ods(np.zeros((2, 3)), np.ones((2, 4)), [0.5] * 6, sample)
    with pytest.raises(InputError, match="one a threshold"):
        ods(np.ones((2, 3)), np.ones((2, 3)), np.ones((2, 6, 4)), sample)
