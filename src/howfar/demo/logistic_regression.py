"""Fit a logistic regression by Newton's method, for the demo's crack detector."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from howfar.errors import InputError

Array = NDArray[np.float64]

TOLERANCE = 1e-8
"""Largest entry of the gradient, as a share of the number of rows, at which the fit has converged."""

_MOST_STEPS = 100


def fit_logistic(x: Array, y: NDArray[np.bool_], ridge: float = 1.0) -> Array:
    """Fit P(y | x) = 1 / (1 + exp(-(w₀ + w·x))) by Newton's method, which is iteratively reweighted least squares.

    It minimises Σ log(1 + exp(-±(w₀ + w·x))) + ridge/2 · |w|² over the rows, the sign + where y is true. A step that does not
    lower this loss is halved until it does, so the method converges from zero for every input.

    Rows (n, q) and labels (n,) give coefficients (1 + q,), the intercept first, which is not penalised. Labels that are all
    equal raise `InputError`.

    Examples
    --------
    >>> w = fit_logistic(np.array([[-1.0], [0.0], [0.0], [1.0]]), np.array([False, True, False, True]))
    >>> round(float(w[1]), 2)
    0.67
    """
    if y.all() or not y.any():
        raise InputError.of("y", "must hold both kinds", bool(y[0]), "give rows of the other kind too")
    rows = np.column_stack([np.ones(len(x)), x])
    penalty = np.full(rows.shape[1], float(ridge))
    penalty[0] = 0.0
    w = np.zeros(rows.shape[1])
    for _ in range(_MOST_STEPS):
        p = expit(rows @ w)
        gradient = rows.T @ (p - y) + penalty * w
        if np.abs(gradient).max() <= TOLERANCE * len(rows):
            return w
        curvature = rows.T @ (rows * (p * (1.0 - p))[:, None]) + np.diag(penalty)
        w = _descend(rows, y, penalty, w, np.linalg.solve(curvature, gradient))
    raise RuntimeError(f"the fit has not converged in {_MOST_STEPS} steps")


def _descend(rows: Array, y: NDArray[np.bool_], penalty: Array, w: Array, step: Array) -> Array:
    """Take the step, or the half, a quarter … of it that lowers the loss."""
    loss = _loss(rows, y, penalty, w)
    share = 1.0
    # Near the minimum a step gains less than rounding: the slack accepts the whole step then.
    slack = 1e-12 * abs(loss)
    while share > 1e-6 and _loss(rows, y, penalty, w - share * step) > loss + slack:
        share /= 2
    return w - share * step


def _loss(rows: Array, y: NDArray[np.bool_], penalty: Array, w: Array) -> float:
    margin = rows @ w
    return float(np.logaddexp(0.0, np.where(y, -margin, margin)).sum() + 0.5 * (penalty * w**2).sum())
