"""Numbers of a probability map that need no truth, against the pixels themselves."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import entropy as scipy_entropy
from sklearn.metrics import f1_score

from howfar.errors import InputError
from howfar.metrics import ensemble_agreement, flip_agreement, flip_overlap, histogram, signals, soft_dice, soft_f
from howfar.metrics.label_free_signals import class_entropy, foreground_dice, nuclear_norm
from howfar.metrics.probability_maps import above

SIGNALS = ("average_confidence", "foreground_confidence", "mean_probability", "entropy", "nuclear_norm", "predicted_foreground")
MAPS = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=8))


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


def test_the_nuclear_norm_of_one_value_is_that_of_rank_1() -> None:
    """Where all pixels are equal the determinant is 0 exactly: σ₂ = 0 and σ₁ = √(pixels ((1 − p)² + p²))."""
    for v in range(256):
        counts = np.zeros(256, dtype=np.int64)
        counts[v] = 10**12 + 1
        p = v / 255
        assert nuclear_norm(counts) == pytest.approx(math.sqrt(((1 - p) ** 2 + p**2) / 2), rel=1e-14)


@settings(max_examples=80, deadline=None)
@given(MAPS, st.data())
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


def test_ensemble_agreement_is_the_mean_over_pairs(rng: np.random.Generator) -> None:
    a, b, c = rng.integers(0, 256, (3, 5, 7)).astype(np.uint8)
    wanted = (soft_dice(a, b) + soft_dice(a, c) + soft_dice(b, c)) / 3
    assert ensemble_agreement([a, b, c]) == pytest.approx(wanted, rel=1e-15)
    assert ensemble_agreement([a, a, a]) == 1.0


def test_the_parts_are_those_of_the_pixels_and_add_up_to_the_entropy() -> None:
    values = np.random.default_rng(0).integers(0, 256, size=(20, 30)).astype(np.uint8)
    p = values / 255
    inside = np.clip(p, 1e-12, 1 - 1e-12)
    entropies = -inside * np.log(inside) - (1 - inside) * np.log1p(-inside)
    for threshold in (0.0, 0.2, 0.5, 1.0):
        foreground, background = class_entropy(histogram(values), threshold)
        assert foreground == pytest.approx(entropies[p > threshold].sum() / p.size, abs=1e-9)
        assert foreground + background == pytest.approx(signals(histogram(values), 0.5)["entropy"])


@settings(deadline=None)
@given(hnp.arrays(np.uint8, (5, 7)), hnp.arrays(np.uint8, (5, 7)), st.floats(0.0, 0.99))
def test_it_is_the_dice_of_sets_of_pixels(p: np.ndarray, q: np.ndarray, threshold: float) -> None:
    first, second = (set(np.flatnonzero(values / 255 > threshold).tolist()) for values in (p, q))
    found = foreground_dice(p, q, threshold)
    assert np.array_equal(found, foreground_dice(q, p, threshold), equal_nan=True)
    if not first and not second:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(2 * len(first & second) / (len(first) + len(second)))


@given(MAPS, st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_soft_f_is_f_with_expected_counts(values: np.ndarray, hundredth: int) -> None:
    p = values / 255
    b = above(values, hundredth / 100)
    size = p.sum() + b.sum()
    expected = 2 * (p * b).sum() / size if size else 0.0
    assert soft_f(histogram(values), hundredth / 100) == pytest.approx(expected, abs=1e-12)


@given(MAPS, st.integers(0, 99), st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_flip_overlap_is_dice_of_the_two_thresholded_maps(values: np.ndarray, hundredth: int, seed: int) -> None:
    other = np.random.default_rng(seed).permuted(values)
    b, mirrored = above(values, hundredth / 100), above(other, hundredth / 100)[:, ::-1]
    expected = f1_score(b.ravel(), mirrored.ravel(), zero_division=0.0) if b.any() or mirrored.any() else 0.0
    assert flip_overlap(values, other, hundredth / 100) == pytest.approx(expected)
    assert flip_overlap(values, values[:, ::-1], hundredth / 100) == (1.0 if b.any() else 0.0)


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: soft_dice([[0.5, 0.5]], [[0.5], [0.5]]), r"^p and q must have one shape, got \(\(1, 2\), \(2, 1\)\)"),
        (lambda: flip_agreement([[0.5]], [0.5]), r"^of_flipped must have two axes"),
        (lambda: ensemble_agreement([[[0.5]]]), r"^maps must be at least two, got 1$"),
        (lambda: class_entropy(histogram([[0.5]]), 1.5), "threshold must lie"),
        (lambda: soft_f(histogram([[0.1]]), 1.5), r"threshold must lie in \[0, 1\], got 1.5"),
        (lambda: flip_overlap([[0.1]], [[0.1, 0.2]], 0.5), "must have one shape"),
        (lambda: signals(np.ones(255, int), 0.5), r"^histogram must be 256 whole numbers, got 'int64 of shape \(255,\)'$"),
        (lambda: signals(np.zeros(256, int), 0.5), "counts of at least one pixel"),
    ],
)
def test_bad_input_is_refused(call: Callable[[], Any], line: str) -> None:
    with pytest.raises(InputError, match=line):
        call()
