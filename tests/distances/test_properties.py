"""What holds of every distance, for any features: hypothesis looks for the exception."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from howfar.distances import (
    dataset_to_dataset,
    energy,
    frechet,
    image_to_dataset,
    kid,
    knn,
    mahalanobis,
    mmd,
    sliced_wasserstein,
)

IMAGE: dict[str, Callable[..., Any]] = {
    "i_dist": image_to_dataset,
    "knn": partial(knn, k=2),
    "mahalanobis": mahalanobis,
}
DATASET: dict[str, Callable[..., Any]] = {
    "o_dist": dataset_to_dataset,
    "energy": energy,
    "frechet": frechet,
    "mmd": partial(mmd, bandwidth=3.0),
    "kid": kid,
    "sliced_wasserstein": partial(sliced_wasserstein, projections=20),
}
BOTH = IMAGE | DATASET
TURNABLE = {name: BOTH[name] for name in BOTH if name != "sliced_wasserstein"}
QUICK = settings(max_examples=15, deadline=None, derandomize=True)


def rows(most: int, z: int) -> st.SearchStrategy[np.ndarray]:
    # Sixteenths, so that repeated rows and ties are common and float32 holds them exactly.
    numbers = st.integers(-160, 160).map(lambda k: k / 16)
    return st.integers(3, most).flatmap(lambda n: arrays(np.float64, (n, z), elements=numbers))


@st.composite
def pairs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    z = draw(st.integers(1, 6))
    p = draw(rows(12, z))
    p[0, 0] += 11.0  # Mahalanobis needs a P that varies.
    return draw(rows(9, z)), p


def close(found: Any, wanted: Any, scale: float = 1.0) -> None:
    np.testing.assert_allclose(found, wanted, rtol=1e-7, atol=1e-7 * scale)


@pytest.mark.parametrize("name", TURNABLE)
@QUICK
@given(pair=pairs(), seed=st.integers(0, 99))
def test_turning_both_sets_together(name: str, pair: tuple[np.ndarray, np.ndarray], seed: int) -> None:
    s, p = pair
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(s.shape[1],) * 2))[0]
    close(BOTH[name](s @ turn, p @ turn), BOTH[name](s, p), 1e6 if name == "kid" else 10.0)


@pytest.mark.parametrize("name", ["i_dist", "knn", "o_dist", "energy", "sliced_wasserstein"])
@QUICK
@given(pair=pairs(), power=st.integers(-20, 20))
def test_unit_of_the_features(name: str, pair: tuple[np.ndarray, np.ndarray], power: int) -> None:
    s, p = pair
    close(BOTH[name](s * 2.0**power, p * 2.0**power), 2.0**power * np.asarray(BOTH[name](s, p)), 2.0**power)
