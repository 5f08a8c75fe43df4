"""What distances are given is checked: every refusal is one line that names the argument."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from howfar.distances import energy, kid, knn, leave_one_out, mahalanobis, mmd, self_distance, sliced_wasserstein
from howfar.distances.bit_agreement import agreement, best_match, usual_agreement
from howfar.distances.dataset_distances import identity_margin
from howfar.distances.mahalanobis import leave_one_out_residual, subspace_residual
from howfar.distances.mmd import median_distance
from howfar.distances.pairwise import distance_blocks, quadratic_forms, row_sums
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


@pytest.mark.parametrize(("u", "v"), [((3, 2), (4, 2)), ((2, 2), (3, 2)), ((2, 2), (4, 3)), ((2,), (4, 1))])
def test_weights_that_do_not_fit(u: tuple[int, ...], v: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="u and v"):
        quadratic_forms(np.zeros((2, 3)), np.ones((4, 3)), np.ones(u), np.ones(v))


@pytest.mark.parametrize("bad", [[], [np.nan], [np.inf], [-1.0]])
def test_distances_of_identities(bad: list[float]) -> None:
    with pytest.raises(InputError, match="others must be one or more distances of at least 0"):
        identity_margin([1.0], bad)
    with pytest.raises(InputError, match="own must be one or more distances of at least 0"):
        identity_margin(bad, [1.0])


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: leave_one_out(ONE), "at least two images"),
        (lambda: self_distance(ONE), "at least two images"),
        (lambda: kid(ONE, TWO), "at least two images"),
        (lambda: kid(TWO, ONE), "at least two images"),
        (lambda: mmd(ONE, TWO, unbiased=True), "at least two images"),
        (lambda: median_distance(ONE), "at least two rows"),
        (lambda: mahalanobis(ONE, ONE), "two different images"),
        (lambda: mahalanobis([[0.0, 0.0]], [[0.1, 0.2]] * 7), "two different images"),
        (lambda: mmd(TWO, THREE, pairs_per_tile=0), "pairs_per_tile"),
        (lambda: kid(TWO, THREE, pairs_per_tile=0), "pairs_per_tile"),
        (lambda: list(distance_blocks(ONE, TWO, 0)), "pairs_per_tile"),
        (lambda: knn(ONE, THREE), "pass k = 3"),
        (lambda: knn(ONE, TWO, 1, statistic="median"), "'mean' or 'kth'"),
        (lambda: sliced_wasserstein(ONE, TWO, projections=0), "projections must be"),
        (lambda: energy(ONE, [[1.0, 2.0]]), "same number of columns"),
        (lambda: best_match([[0.5, 1.0]], [[1.0, 1.0]]), "a must be rows of signs"),
        (lambda: best_match([[1, 1]], [[1, 1, 1]]), "b must have as many bits as a, 2, got 3"),
        (lambda: agreement([[1, 1]], [[1, 1], [1, 1]]), r"b must have the shape of a, \(1, 2\)"),
        (lambda: usual_agreement([[1, 1]], [[1]]), "b must have as many bits as a, 2"),
        (lambda: usual_agreement([[1, 1]], [[1, 1]], [[1, 1], [1, 1]]), "flipped must have the shape of a"),
        (lambda: subspace_residual(np.ones((4, 5)), np.zeros(3), np.ones((4, 2))), "shapes"),
        (lambda: leave_one_out_residual([1.0], np.ones((80, 2))), "one row of 80"),
    ],
)
def test_refused(call: Callable[[], object], line: str) -> None:
    with pytest.raises(InputError, match=line):
        call()
