"""What is computed of all pairs of two sets never holds them: 4,000 × 4,000 distances would take 64 MB in float32."""

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from howfar.distances import pairwise_distances
from howfar.distances.knn import knn
from howfar.distances.pairwise_distances import quadratic_forms, row_sums

N = 4000
MIB = 1 << 20


def peak(work: Callable[[], object]) -> float:
    work()
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] / MIB
    finally:
        tracemalloc.stop()


@pytest.fixture
def sets(monkeypatch: pytest.MonkeyPatch) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    monkeypatch.setattr(pairwise_distances, "SINGLE_FROM", 0)
    rng = np.random.default_rng(0)
    return rng.normal(size=(N, 5)), rng.multinomial(N, np.full(N, 1 / N), size=10).T.astype(np.uint8)


def test_forms_sums_and_neighbours(sets: tuple[NDArray[np.float64], NDArray[np.uint8]]) -> None:
    rows, counts = sets
    assert peak(lambda: quadratic_forms(rows, rows, counts, counts)) < 32
    assert peak(lambda: row_sums(rows, rows)) < 16
    assert peak(lambda: knn(rows, rows)) < 16
