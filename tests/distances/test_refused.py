"""What distances are given is checked: every refusal is one line that names the argument."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from howfar.distances import kid, knn, leave_one_out, mahalanobis, mmd, sliced_wasserstein
from howfar.distances.pairwise import row_sums
from howfar.errors import InputError

ONE, TWO, THREE = [[0.0]], [[1.0], [2.0]], [[1.0], [2.0], [3.0]]


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "cuda0", "mps", "", "CUDA"])
def test_an_unknown_device(name: str) -> None:
    with pytest.raises(InputError, match=r"^device must be auto, cpu, cuda or cuda:N, got"):
        row_sums(ONE, TWO, device=name)


@pytest.mark.parametrize("k", [0, -1, 4, 2.0, "5"])
def test_a_number_of_neighbours(k: int) -> None:
    with pytest.raises(InputError, match=r"^k must be"):
        knn(ONE, THREE, k)


@pytest.mark.parametrize("wrong", [-1.0, float("nan"), float("inf"), "oas", None])
def test_a_bandwidth_and_a_shrinkage(wrong: float) -> None:
    with pytest.raises(InputError, match="bandwidth must be"):
        mmd(ONE, TWO, wrong)
    with pytest.raises(InputError, match="shrinkage must be"):
        mahalanobis(ONE, TWO, shrinkage=wrong)


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: leave_one_out(ONE), "at least two images"),
        (lambda: kid(ONE, TWO), "at least two images"),
        (lambda: mahalanobis(ONE, ONE), "two different images"),
        (lambda: kid(TWO, THREE, pairs_per_tile=0), "pairs_per_tile"),
        (lambda: knn(ONE, THREE), "pass k = 3"),
        (lambda: knn(ONE, TWO, 1, statistic="median"), "'mean' or 'kth'"),
        (lambda: sliced_wasserstein(ONE, TWO, projections=0), "projections must be"),
    ],
)
def test_refused(call: Callable[[], object], line: str) -> None:
    with pytest.raises(InputError, match=line):
        call()
