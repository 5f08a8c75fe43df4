"""The definitions of the counts written out threshold by threshold, independent of the package."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

Array = NDArray[Any]


@dataclass(frozen=True)
class Brute:
    """One image's counts, (100,) each, by a loop over the thresholds."""

    predicted: Array
    hits_predicted: Array
    hits_true: Array
    true: int


def brute_force(prediction: Array, mask: Array, tolerance: float = 0.0) -> Brute:
    truth = mask if mask.dtype == bool else mask > 127
    p = prediction / 255 if prediction.dtype == np.uint8 else prediction
    near_true = within(truth, tolerance)
    rows = []
    for t in [i / 100 for i in range(100)]:
        positive = p > t
        rows.append((positive.sum(), (positive & near_true).sum(), (truth & within(positive, tolerance)).sum()))
    predicted, hits_predicted, hits_true = np.array(rows).T
    return Brute(predicted, hits_predicted, hits_true, int(truth.sum()))


def within(where: Array, tolerance: float) -> Array:
    """Pixels whose Euclidean distance from a pixel of `where` is at most the tolerance."""
    if not where.any():
        return np.zeros_like(where)
    near: Array = distance_transform_edt(~where) <= tolerance
    return near


@pytest.fixture
def brute() -> Callable[..., Brute]:
    return brute_force


def random_pairs(count: int, seed: int, largest: int = 40) -> Iterator[tuple[Array, Array]]:
    """8-bit maps and masks of random sizes and kinds, blank ones among them."""
    rng = np.random.default_rng(seed)
    for k in range(count):
        height, width = rng.integers(1, largest + 1, size=2)
        mask = rng.random((height, width)) < rng.choice([0.0, 0.02, 0.1, 0.5, 1.0])
        values = rng.integers(0, 256, (height, width))
        if k % 3 == 0:
            values = np.where(mask, np.maximum(values, rng.integers(0, 256, (height, width))), values // 2)
        if k % 5 == 0:
            values = np.where(rng.random((height, width)) < 0.9, 0, values)
        yield values.astype(np.uint8), mask if k % 2 else np.where(mask, rng.integers(128, 256), 127).astype(np.uint8)


@pytest.fixture
def pairs() -> Callable[..., Iterator[tuple[Array, Array]]]:
    return random_pairs


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
