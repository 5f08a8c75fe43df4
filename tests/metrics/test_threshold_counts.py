"""The counts at 100 thresholds, as loops over them and as scikit-learn; masks grown by a distance, as scipy's."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt, maximum_filter
from sklearn.metrics import average_precision_score, f1_score, jaccard_score, precision_score, recall_score

from howfar.errors import InputError
from howfar.metrics import (
    THRESHOLDS,
    Counts,
    average_precision,
    count,
    f,
    iou_per_image,
    ods,
    precision_recall,
    stack,
    threshold_index,
)
from howfar.metrics.probability_maps import as_levels, as_map, as_mask
from howfar.metrics.threshold_counts import as_tolerance, disc_maximum


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("tolerance", [(), (0.5,), (1.0,), (2.0,), (2.5,), (5.0,)], ids=str)
def test_counts_as_a_loop_over_the_thresholds_and_a_distance_transform(dtype, tolerance, brute, pairs):
    for values, mask in pairs(12 if tolerance else 60, seed=1 + len(tolerance)):
        prediction = values if dtype is np.uint8 else values.astype(dtype) / dtype(255)
        found, wanted = count(prediction, mask, *tolerance), brute(prediction, mask, *tolerance)
        np.testing.assert_array_equal(found.predicted, [wanted.predicted])
        np.testing.assert_array_equal(found.hits_predicted, [wanted.hits_predicted])
        np.testing.assert_array_equal(found.hits_true, [wanted.hits_true])
        assert (found.true.tolist(), found.pixels.tolist()) == ([wanted.true], [mask.size])


def test_ties_go_to_the_lowest_threshold() -> None:
    values = np.array([[255, 255, 0, 0]], dtype=np.uint8)
    assert ods(count(values, [[True, False, False, False]])) == (2 / 3, 0.0)
    # One F from different counts: 2·2/(2·2 + 2 + 0) below, 2·1/(2·1 + 0 + 1) above.
    steps = count([[0.905, 0.205, 0.205, 0.205]], [[True, True, False, False]])
    assert f(steps)[[0, 20, 21, 90, 91]].tolist() == [2 / 3] * 4 + [0.0]
    assert ods(steps) == (2 / 3, 0.0)
    # Not the lowest of all thresholds, but of those that share the best.
    assert ods(count([[0.905, 0.905, 0.205]], [[True, False, False]])) == (2 / 3, 0.21)


def test_equal_f_within_a_tolerance_is_a_tie_whatever_the_counts() -> None:
    """P = 1/6, R = 1 below and P = 1/4, R = 1/3 above are one F, 2/7, though 2PR/(P + R) rounds up above."""
    low, high = (6, 1, 3), (4, 1, 1)
    naive = [2 * (hits / predicted) * (found / 3) / (hits / predicted + found / 3) for predicted, hits, found in (low, high)]
    assert naive[0] < naive[1]
    rows = [np.repeat(pair, 50)[None] for pair in zip(low, high, strict=True)]
    assert ods(Counts(*rows, np.array([3]), np.array([99]))) == (2 / 7, 0.0)


def test_as_scikit_learn(pairs: Callable[..., Any]) -> None:
    images = [(values, mask if mask.dtype == bool else mask > 127) for values, mask in pairs(40, seed=5)]
    counts = stack(count(values, mask) for values, mask in images)
    p = np.concatenate([values.ravel() for values, _ in images]) / 255
    y = np.concatenate([mask.ravel() for _, mask in images])
    precision, recall = precision_recall(counts)
    iou = iou_per_image(counts.total())[0]
    for i in (0, 1, 20, 50, 80, 99):
        predicted = p > THRESHOLDS[i]
        assert f(counts)[i] == pytest.approx(f1_score(y, predicted), rel=1e-14)
        assert precision[i] == pytest.approx(precision_score(y, predicted), rel=1e-14)
        assert recall[i] == pytest.approx(recall_score(y, predicted), rel=1e-14)
        assert iou[i] == pytest.approx(jaccard_score(y, predicted), rel=1e-14)


def test_average_precision_as_scikit_learn_where_each_value_has_a_threshold(rng: np.random.Generator) -> None:
    """Values between the thresholds, none of them 0 on a true pixel: then both sum over the same steps."""
    for _ in range(20):
        mask = rng.random((20, 20)) < 0.2
        p = (rng.integers(0, 100, (20, 20)) + 0.5) / 100
        p = np.where(mask, p**0.5, p)
        p = (np.floor(100 * p) + 0.5) / 100
        assert average_precision(count(p, mask)) == pytest.approx(average_precision_score(mask.ravel(), p.ravel()), rel=1e-12)


@pytest.mark.parametrize(("threshold", "index"), [(0.0, 0), (0.29, 29), (0.57, 57), (0.58, 58), (0.99, 99), (0.1 + 0.2, 30)])
def test_the_index_of_a_threshold(threshold: float, index: int) -> None:
    assert threshold_index(threshold) == index


def test_a_map_that_is_counted_in_pieces_is_counted_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    prediction, mask = rng.integers(0, 256, (37, 11), dtype=np.uint8), rng.random((37, 11)) < 0.3
    whole = count(prediction, mask)
    monkeypatch.setattr("howfar.metrics.probability_maps._AT_ONCE", 40)
    pieces = count(prediction, mask)
    np.testing.assert_array_equal(pieces.predicted, whole.predicted)
    np.testing.assert_array_equal(pieces.hits_predicted, whole.hits_predicted)


@pytest.mark.parametrize("radius", [0.0, 0.5, 1.0, 1.4, 2**0.5, 1.5, 2.0, 5**0.5, 3.0, 5.0, 7.3, 40.0, 1e6])
@pytest.mark.parametrize("shape", [(23, 31), (1, 40), (40, 1), (1, 1), (2, 9)])
def test_a_mask_grows_by_the_distance(radius: float, shape: tuple[int, int], rng: np.random.Generator) -> None:
    for density in (0.01, 0.1, 1.0):
        mask = rng.random(shape) < density
        mask[rng.integers(shape[0]), rng.integers(shape[1])] = True
        np.testing.assert_array_equal(disc_maximum(mask, radius), distance_transform_edt(~mask) <= radius)


@pytest.mark.parametrize("radius", [1.0, 2.0, 3.7, 10.0])
def test_grey_values_as_a_filter_over_the_disc(radius: float, rng: np.random.Generator) -> None:
    reach = int(radius)
    dy, dx = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    for shape in ((23, 31), (3, 50)):
        values = rng.integers(0, 256, shape).astype(np.uint8)
        wanted = maximum_filter(values, footprint=np.hypot(dx, dy) <= radius, mode="constant", cval=0)
        np.testing.assert_array_equal(disc_maximum(values, radius), wanted)


SHAPES = r"^prediction and mask must have one shape, got \(\(2, 3\), \(3, 2\)\): bring the prediction to the mask's size$"


@pytest.mark.parametrize(
    ("call", "wrong", "line"),
    [
        (threshold_index, [-0.01, 1.0, 0.555, float("nan"), 57], r"^threshold must be one of 0.00, 0.01 … 0.99, got"),
        (as_tolerance, [-1, float("nan"), float("inf"), "two", None], r"^tolerance must be a "),
        (lambda mask: count(np.zeros((2, 3)), mask), [np.zeros((3, 2), dtype=bool)], SHAPES),
        (stack, [[]], "at least one image, got none"),
        (lambda far: count(np.ones((2, 3)), np.ones((2, 3), bool), far), [4], "longer side of each map, here 3"),
    ],
)
def test_bad_input_is_refused(call: Callable[[Any], Any], wrong: list[Any], line: str) -> None:
    for value in wrong:
        with pytest.raises(InputError, match=line):
            call(value)


BYTES = np.arange(256, dtype=np.uint8).reshape(16, 16)


def test_whole_numbers_decide_as_the_quotients_do() -> None:
    """All 256 values and 100 thresholds: p = value/255 > t = i/100 in float64, in rationals, and in levels."""
    levels, lowest = as_levels(BYTES)
    for i in range(100):
        by_level = (levels >= lowest[i]).ravel().tolist()
        assert by_level == [value * 100 > 255 * i for value in range(256)]
        assert by_level == [value / 255 > i / 100 for value in range(256)]
        assert by_level == (np.arange(256) / 255 > THRESHOLDS[i]).tolist()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_are_compared_in_their_own_precision(dtype: type, rng: np.random.Generator) -> None:
    """Random values, the thresholds themselves and their neighbours on either side, at all 100 thresholds."""
    exact = THRESHOLDS.astype(dtype)
    near = [exact, np.nextafter(exact, dtype(2)), np.maximum(np.nextafter(exact, dtype(-1)), dtype(0))]
    p = np.concatenate([rng.random(5000).astype(dtype), *near, np.array([0, 1], dtype=dtype)])[None]
    levels, lowest = as_levels(p)
    for i in range(100):
        np.testing.assert_array_equal(levels >= lowest[i], p > exact[i])


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ([[0.5, float("nan")]], r"^prediction must lie in \[0, 1\], got nan: mend the model's output$"),
        ([[0.5, 3.25]], r"got 3\.25: divide 8-bit values by 255, or pass them as uint8$"),
        ([[-2.5, 8.0]], r"got -2\.5: apply a sigmoid to logits$"),
        (np.zeros((2, 2), dtype=np.int64), r"uint8, or floating in \[0, 1\], got 'int64': pass map.astype\(np.uint8\)"),
        (np.zeros((2, 2, 1)), r"two axes \(height, width\) and at least one pixel, got \(2, 2, 1\)$"),
        ([[0.1, 0.2], [0.3]], "rows of one length"),
        (np.array([[0, 1]], dtype=np.uint8), r"^mask must be bool, .* got \[0, 1\]: pass mask.astype\(bool\)$"),
        (np.array([[0, 1]]), "^mask .*got 'int64': pass mask > 0"),
        (np.zeros((2, 2, 3), dtype=bool), r"^mask must have two axes \(height, width\).*got \(2, 2, 3\)$"),
    ],
)
def test_what_is_no_map_or_mask_is_refused(given: Any, line: str) -> None:
    with pytest.raises(InputError, match=line):
        as_mask(given) if line.startswith("^mask") else as_map(given)


def test_masks() -> None:
    assert as_mask(np.array([[0, 127, 128, 255]], dtype=np.uint8)).tolist() == [[False, False, True, True]]
    kept = np.array([[True, False]])
    assert as_mask(kept) is kept
    assert as_mask(np.zeros((2, 2), dtype=np.uint8)).tolist() == [[False, False]] * 2
