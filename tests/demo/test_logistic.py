"""Logistic regression by Newton's method: the minimum, whatever the input."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from howfar.demo.logistic_regression import TOLERANCE, fit_logistic
from howfar.errors import InputError


def gradient(x: np.ndarray, y: np.ndarray, w: np.ndarray, ridge: float) -> np.ndarray:
    error = expit(w[0] + x @ w[1:]) - y
    return np.append(error.sum(), x.T @ error + ridge * w[1:])


def example(n: int = 400, q: int = 5) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, q))
    return x, rng.random(n) < expit(x @ np.linspace(-2, 2, q) - 2.0)


@pytest.mark.parametrize("ridge", [0.1, 1.0, 100.0])
def test_as_scikit_learn(ridge: float) -> None:
    x, y = example()
    w = fit_logistic(x, y, ridge)
    theirs = LogisticRegression(C=1.0 / ridge, tol=1e-12, max_iter=1000, solver="newton-cholesky").fit(x, y)
    np.testing.assert_allclose(w, np.append(theirs.intercept_, theirs.coef_[0]), rtol=1e-6, atol=1e-8)


def test_ends_where_the_gradient_is_zero() -> None:
    x, y = example()
    assert np.abs(gradient(x, y, fit_logistic(x, y, 1.0), 1.0)).max() <= TOLERANCE * len(x)


def test_steps_that_go_too_far_are_halved() -> None:
    # From zero, whole Newton steps never settle on these rows.
    x = np.array([[-6.0, 8], [-150, -29], [18, -2], [485, 4], [-2, -18], [-40, 28]])
    y = np.arange(6) < 5
    assert np.abs(gradient(x, y, fit_logistic(x, y, 1.0), 1.0)).max() <= TOLERANCE * len(x)


def test_kinds_that_a_line_parts_have_finite_coefficients() -> None:
    x = np.linspace(-1, 1, 20)[:, None]
    w = fit_logistic(x, x[:, 0] > 0)
    assert np.isfinite(w).all()
    assert w[1] > 1.0


@pytest.mark.parametrize("kind", [True, False])
def test_rows_of_one_kind_are_refused(kind: bool) -> None:
    with pytest.raises(InputError, match="both kinds"):
        fit_logistic(np.zeros((3, 1)), np.full(3, kind))
