"""Residuals: what a projection leaves out, and the yardstick that refitting would give."""

from __future__ import annotations

import numpy as np
import pytest

from howfar.arrays import ArrayRows
from howfar.distances.mahalanobis import leave_one_out_residual, subspace_residual
from howfar.errors import InputError
from howfar.projection import Projector

RNG = np.random.default_rng(0)
P = RNG.normal(size=(80, 30)) * np.linspace(3, 0.3, 30)


def test_residual_and_scores_make_up_the_whole_distance() -> None:
    basis, s = Projector(P, 5).basis(), RNG.normal(1.0, 2.0, size=(40, 30))
    residual = subspace_residual(s, basis.mean, basis.scores(s))
    expected = s - basis.mean - basis.scores(s) @ basis.matrix.T
    np.testing.assert_allclose(residual, np.linalg.norm(expected, axis=1), rtol=1e-10)
    np.testing.assert_array_equal(residual, subspace_residual(ArrayRows(s), basis.mean, basis.scores(s)))


def test_what_differs_only_off_the_subspace_looks_near_and_has_a_large_residual() -> None:
    flat = P.copy()
    flat[:, -1] = 0.0
    far = flat + np.eye(30)[-1] * 50
    basis = Projector(flat, 5).basis()
    np.testing.assert_allclose(basis.scores(far), basis.scores(flat), atol=1e-9)
    assert subspace_residual(far, basis.mean, basis.scores(far)).min() > 49


def test_leaving_one_out_is_near_to_refitting() -> None:
    projector = Projector(P, 5)
    plain = subspace_residual(P, projector.basis().mean, projector.own())
    found = leave_one_out_residual(plain, projector.own())
    refitted = []
    for row in range(len(P)):
        basis = Projector(np.delete(P, row, axis=0), 5).basis()
        refitted.append(subspace_residual(P[row : row + 1], basis.mean, basis.scores(P[row : row + 1]))[0])
    wrong, uncorrected = (abs(one.mean() / np.mean(refitted) - 1) for one in (found, plain))
    assert wrong < 0.05
    assert uncorrected > 2 * wrong
    assert np.corrcoef(found, refitted)[0, 1] > 0.9


def test_a_subspace_that_holds_everything_leaves_nothing() -> None:
    projector = Projector(P[:6], 25)
    scores = projector.own()
    residual = subspace_residual(P[:6], projector.basis().mean, scores)
    assert residual.max() < 1e-6
    assert leave_one_out_residual(residual, scores).max() < 1e-6


def test_shapes_must_fit() -> None:
    with pytest.raises(InputError, match="shapes"):
        subspace_residual(P, np.zeros(3), P[:, :2])
    with pytest.raises(InputError, match="one row of 80"):
        leave_one_out_residual([1.0], P)
