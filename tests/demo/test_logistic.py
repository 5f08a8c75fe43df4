"""Logistic regression: the minimum of the stated loss, whatever the input."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from howfar.demo.crack_detector import TOLERANCE, fit_logistic
from howfar.errors import InputError


def gradient(x: np.ndarray, y: np.ndarray, w: np.ndarray, ridge: float) -> np.ndarray:
    error = expit(w[0] + x @ w[1:]) - y
    return np.append(error.sum(), x.T @ error + ridge * w[1:])


def loss(x: np.ndarray, y: np.ndarray, w: np.ndarray, ridge: float) -> float:
    margin = w[0] + x @ w[1:]
    return float(np.logaddexp(0.0, np.where(y, -margin, margin)).sum() + 0.5 * ridge * (w[1:] ** 2).sum())


def example(n: int = 400, q: int = 5) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, q))
    return x, rng.random(n) < expit(x @ np.linspace(-2, 2, q) - 2.0)


@pytest.mark.parametrize("ridge", [0.1, 1.0, 100.0])
def test_as_scipy_finds_the_minimum_of_the_stated_loss(ridge: float) -> None:
    x, y = example()
    found = minimize(lambda w: loss(x, y, w, ridge), np.zeros(6), jac=lambda w: gradient(x, y, w, ridge), method="BFGS")
    np.testing.assert_allclose(fit_logistic(x, y, ridge), found.x, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("ridge", [0.1, 1.0, 100.0])
def test_ends_where_the_gradient_is_zero(ridge: float) -> None:
    x, y = example()
    assert np.abs(gradient(x, y, fit_logistic(x, y, ridge), ridge)).max() <= TOLERANCE * len(x)


def test_rows_on_which_whole_newton_steps_never_settle() -> None:
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
