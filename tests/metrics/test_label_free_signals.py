from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import entropy as scipy_entropy

from howfar.errors import InputError
from howfar.metrics import ensemble_agreement, flip_agreement, histogram, signals, soft_dice
from howfar.metrics.label_free_signals import entropy, nuclear_norm

SIGNALS = (
    "average_confidence",
    "foreground_confidence",
    "mean_probability",
    "entropy",
    "nuclear_norm",
    "predicted_foreground",
)
maps = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=8))


def test_each_signal_from_the_pixels(pairs: Callable[..., Any]) -> None:
    for values, _ in pairs(30, seed=21):
        found, p = signals(histogram(values), 0.3), values.ravel() / 255
        matrix = np.stack([1 - p, p], axis=1)
        wanted = {
            "average_confidence": np.maximum(p, 1 - p).mean(),
            "foreground_confidence": (p**2).sum() / p.sum() if p.any() else 0.0,
            "mean_probability": p.mean(),
            "entropy": scipy_entropy(matrix, axis=1).mean(),
            "nuclear_norm": np.linalg.norm(matrix, "nuc") / math.sqrt(2 * len(p)),
            "predicted_foreground": (p > 0.3).mean(),
        }
        assert tuple(found) == SIGNALS
        assert found == pytest.approx(wanted, rel=1e-12)


def test_the_histogram(pairs: Callable[..., Any]) -> None:
    for values, _ in pairs(10, seed=22):
        wanted = [int((values == v).sum()) for v in range(256)]
        assert histogram(values).tolist() == wanted
        assert histogram(values / 255).tolist() == wanted
        assert histogram((values / 255).astype(np.float32)).tolist() == wanted
    assert histogram(values).dtype == np.int64
    assert histogram([[0.4 / 255, 0.6 / 255]])[:2].tolist() == [1, 1]


@settings(max_examples=80, deadline=None)
@given(maps)
def test_the_nuclear_norm_lies_between_a_half_and_one(values: Any) -> None:
    """Up to rounding; so its divisor √(2·pixels) is the largest norm there is."""
    assert 0.5 - 1e-12 <= nuclear_norm(histogram(values)) <= 1.0


def test_the_nuclear_norm_s_bounds_are_reached() -> None:
    assert nuclear_norm(histogram([[0.0, 1.0], [1.0, 0.0]])) == 1.0
    assert nuclear_norm(histogram(np.full((3, 3), 255, np.uint8))) == pytest.approx(math.sqrt(0.5), rel=1e-15)
    half = np.array([[127, 128]], dtype=np.uint8)
    assert nuclear_norm(histogram(half)) == pytest.approx(0.5, abs=0.005)


def test_the_nuclear_norm_of_one_value_is_that_of_rank_1() -> None:
    """Where all pixels are equal the determinant is 0 exactly: σ₂ = 0 and σ₁ = √(pixels ((1 − p)² + p²))."""
    for v in range(256):
        counts = np.zeros(256, dtype=np.int64)
        counts[v] = 10**12 + 1
        p = v / 255
        assert nuclear_norm(counts) == pytest.approx(math.sqrt(((1 - p) ** 2 + p**2) / 2), rel=1e-14)


def test_entropy_s_bounds() -> None:
    assert entropy(histogram([[0.0, 1.0]])) == 0.0
    assert entropy(histogram(np.array([[127, 128]], dtype=np.uint8))) == pytest.approx(math.log(2), rel=1e-4)


def test_a_blank_map_has_no_foreground_confidence() -> None:
    assert signals(histogram(np.zeros((2, 2), dtype=np.uint8)), 0.5) == {
        "average_confidence": 1.0,
        "foreground_confidence": 0.0,
        "mean_probability": 0.0,
        "entropy": 0.0,
        "nuclear_norm": pytest.approx(math.sqrt(0.5)),
        "predicted_foreground": 0.0,
    }


def test_predicted_foreground_counts_as_the_scores_do() -> None:
    counts = histogram(np.arange(256, dtype=np.uint8).reshape(16, 16))
    for i in range(100):
        wanted = sum(v * 100 > 255 * i for v in range(256)) / 256
        assert signals(counts, i / 100)["predicted_foreground"] == wanted


@settings(max_examples=80, deadline=None)
@given(maps)
def test_background_and_foreground_are_alike_to_confidence(values: Any) -> None:
    one, other = (signals(histogram(x), 0.5) for x in (values, 255 - values))
    for name in ("average_confidence", "entropy", "nuclear_norm"):
        assert one[name] == pytest.approx(other[name], rel=1e-12, abs=1e-15)
    assert one["mean_probability"] + other["mean_probability"] == pytest.approx(1.0)


@settings(max_examples=80, deadline=None)
@given(maps, st.data())
def test_soft_dice(p: Any, data: st.DataObject) -> None:
    q = data.draw(hnp.arrays(np.uint8, p.shape))
    a, b = p.astype(int), q.astype(int)
    whole = int((a * a).sum() + (b * b).sum())
    wanted = 2 * int((a * b).sum()) / whole if whole else 1.0
    assert soft_dice(p, q) == soft_dice(q, p) == wanted
    assert 0.0 <= wanted <= 1.0
    assert soft_dice(p, p) == soft_dice(p / 255, p / 255) == 1.0
    assert soft_dice(p / 255, q / 255) == pytest.approx(wanted, rel=1e-12)
    assert soft_dice(p / 255, q) == pytest.approx(wanted, rel=1e-12)


def test_soft_dice_of_large_maps_is_exact() -> None:
    p = np.full((448, 448), 255, dtype=np.uint8)
    q = p.copy()
    q[0, 0] = 254
    n = 448 * 448
    assert soft_dice(p, q) == 2 * (n * 255**2 - 255) / (2 * n * 255**2 - 255**2 + 254**2)


def test_flip_agreement_flips_back(rng: np.random.Generator) -> None:
    values = rng.integers(0, 256, (5, 7)).astype(np.uint8)
    assert flip_agreement(values, np.fliplr(values)) == 1.0
    assert flip_agreement(values, values) == soft_dice(values, np.fliplr(values)) < 1.0


def test_ensemble_agreement_is_the_mean_over_pairs(rng: np.random.Generator) -> None:
    a, b, c = rng.integers(0, 256, (3, 5, 7)).astype(np.uint8)
    wanted = (soft_dice(a, b) + soft_dice(a, c) + soft_dice(b, c)) / 3
    assert ensemble_agreement([a, b, c]) == pytest.approx(wanted, rel=1e-15)
    assert ensemble_agreement([a, a, a]) == 1.0


def test_bad_input_is_refused() -> None:
    with pytest.raises(InputError, match=r"^p and q must have one shape, got \(\(1, 2\), \(2, 1\)\)"):
        soft_dice([[0.5, 0.5]], [[0.5], [0.5]])
    with pytest.raises(InputError, match=r"^q must lie in \[0, 1\], got 3.0"):
        soft_dice([[0.5]], [[3.0]])
    with pytest.raises(InputError, match=r"^of_flipped must have two axes"):
        flip_agreement([[0.5]], [0.5])
    with pytest.raises(InputError, match=r"^maps must be at least two, got 1$"):
        ensemble_agreement([[[0.5]]])
    with pytest.raises(InputError, match=r"^threshold must lie in \[0, 1\], got 1.5"):
        signals(histogram([[0.5]]), 1.5)


@pytest.mark.parametrize(
    ("counts", "line"),
    [
        (np.ones(255, dtype=int), r"^histogram must be 256 whole numbers, got 'int64 of shape \(255,\)'$"),
        (np.ones(256), "must be 256 whole numbers, got 'float64"),
        (np.zeros(256, dtype=int), "counts of at least one pixel"),
        (np.full(256, -1), "counts of at least one pixel"),
    ],
)
def test_what_is_no_histogram_is_refused(counts: Any, line: str) -> None:
    with pytest.raises(InputError, match=line):
        signals(counts, 0.5)
