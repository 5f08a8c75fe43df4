from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from howfar.errors import InputError
from howfar.metrics.probability_maps import THRESHOLDS, as_bytes, as_levels, as_map, as_mask

BYTES = np.arange(256, dtype=np.uint8).reshape(16, 16)


def test_whole_numbers_decide_as_the_quotients_do() -> None:
    """All 256 values and 100 thresholds: p = value/255 > t = i/100 in float64, in rationals, and in levels."""
    levels, lowest = as_levels(BYTES)
    for i in range(100):
        by_level = (levels >= lowest[i]).ravel().tolist()
        assert by_level == [value * 100 > 255 * i for value in range(256)]
        assert by_level == [value / 255 > i / 100 for value in range(256)]
        assert by_level == (np.arange(256) / 255 > THRESHOLDS[i]).tolist()


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble])
def test_a_floating_copy_of_an_8_bit_map_decides_as_the_map(dtype: type) -> None:
    copy = BYTES.astype(dtype) / dtype(255)
    levels, lowest = as_levels(copy)
    by_byte, lowest_byte = as_levels(BYTES)
    for i in range(100):
        np.testing.assert_array_equal(levels >= lowest[i], by_byte >= lowest_byte[i])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_are_compared_in_their_own_precision(dtype: type, rng: np.random.Generator) -> None:
    """Random values, the thresholds themselves and their neighbours on either side, at all 100 thresholds."""
    exact = THRESHOLDS.astype(dtype)
    near = [exact, np.nextafter(exact, dtype(2)), np.maximum(np.nextafter(exact, dtype(-1)), dtype(0))]
    p = np.concatenate([rng.random(5000).astype(dtype), *near, np.array([0, 1], dtype=dtype)])[None]
    levels, lowest = as_levels(p)
    for i in range(100):
        np.testing.assert_array_equal(levels >= lowest[i], p > exact[i])


def test_bytes_of_floats() -> None:
    assert as_bytes(BYTES / 255).tolist() == BYTES.tolist()
    assert as_bytes((BYTES / 255).astype(np.float32)).tolist() == BYTES.tolist()
    assert as_bytes(BYTES) is BYTES


@pytest.mark.parametrize(
    ("prediction", "line"),
    [
        ([[0.5, float("nan")]], r"^prediction must lie in \[0, 1\], got nan: mend the model's output$"),
        ([[0.5, 3.25]], r"got 3\.25: divide 8-bit values by 255, or pass them as uint8$"),
        ([[-2.5, 8.0]], r"got -2\.5: apply a sigmoid to logits$"),
        (np.zeros((2, 2), dtype=np.int64), r"uint8, or floating in \[0, 1\], got 'int64': pass map.astype\(np.uint8\)"),
        (np.zeros((2, 2, 1)), r"two axes \(height, width\) and at least one pixel, got \(2, 2, 1\)$"),
        ([[0.1, 0.2], [0.3]], "rows of one length"),
    ],
)
def test_what_is_no_map_is_refused(prediction: Any, line: str) -> None:
    with pytest.raises(InputError, match=line):
        as_map(prediction)


def test_masks() -> None:
    assert as_mask(np.array([[0, 127, 128, 255]], dtype=np.uint8)).tolist() == [[False, False, True, True]]
    kept = np.array([[True, False]])
    assert as_mask(kept) is kept
    assert as_mask(np.zeros((2, 2), dtype=np.uint8)).tolist() == [[False, False]] * 2


@pytest.mark.parametrize(
    ("mask", "line"),
    [
        (np.array([[0, 1]], dtype=np.uint8), r"^mask must be bool, .* got \[0, 1\]: pass mask.astype\(bool\)$"),
        (np.array([[0, 1]]), "got 'int64': pass mask > 0"),
        (np.zeros((2, 2, 3), dtype=bool), r"^mask must have two axes \(height, width\).*got \(2, 2, 3\)$"),
    ],
)
def test_what_is_no_mask_is_refused(mask: Any, line: str) -> None:
    with pytest.raises(InputError, match=line):
        as_mask(mask)
