"""Fit a logistic regression by scikit-learn's Newton method, for the demo's crack detector."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from howfar.errors import InputError

Array = NDArray[np.float64]

TOLERANCE = 1e-8
"""Largest entry of the gradient, as a share of the number of rows, at which the fit has converged."""


def fit_logistic(x: Array, y: NDArray[np.bool_], ridge: float = 1.0) -> Array:
    """Fit P(y | x) = 1 / (1 + exp(-(w₀ + w·x))) by Newton's method, which is iteratively reweighted least squares.

    It minimises Σ log(1 + exp(-±(w₀ + w·x))) + ridge/2 · |w|² over the rows, the sign + where y is true.

    Rows (n, q) and labels (n,) give coefficients (1 + q,), the intercept first, which is not penalised. Labels that are all
    equal raise `InputError`; `ridge` is above 0.

    Examples
    --------
    >>> w = fit_logistic(np.array([[-1.0], [0.0], [0.0], [1.0]]), np.array([False, True, False, True]))
    >>> round(float(w[1]), 2)
    0.67
    """
    if y.all() or not y.any():
        raise InputError.of("y", "must hold both kinds", bool(y[0]), "give rows of the other kind too")
    # It takes a second to load.
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(C=1.0 / ridge, tol=TOLERANCE, solver="newton-cholesky").fit(x, y)
    return np.append(fitted.intercept_, fitted.coef_[0])
