"""Fit estimators of performance that are linear in columns: mean, line, difference of confidences, ridge regression."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from howfar.arrays import Float64Array
from howfar.relation.label_free_columns import Columns, column, rows
from howfar.relation.labelled_images import Labelled

PENALTIES = tuple(float(10.0**power) for power in np.arange(2.0, -4.5, -0.5))
_CONSTANT = 1e-10


@dataclass(frozen=True)
class Linear:
    """Predict intercept + Σ slope · (column − centre), clipped to [0, 1]; `penalty` is the ridge's, or None."""

    name: str
    needs: tuple[str, ...]
    intercept: float
    centre: tuple[float, ...] = ()
    slope: tuple[float, ...] = ()
    penalty: float | None = None

    def predict(self, columns: Columns) -> Float64Array:
        """Estimate performance, (m,); NaN for an image that lacks a column."""
        # Column by column, not by a matrix product: an image's estimate must not depend on which others are asked for.
        total = np.full(rows(columns), self.intercept)
        for name, centre, slope in zip(self.needs, self.centre, self.slope, strict=True):
            total = total + slope * (column(columns, name) - centre)
        return np.asarray(np.clip(total, 0.0, 1.0), dtype=np.float64)

    def to_dict(self) -> dict[str, Any]:
        """Return the fit as JSON values."""
        values = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}
        return {"form": "linear", "estimator": values.pop("name"), **values}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Linear:
        """Rebuild a fit from the values of `to_dict`."""
        return cls(
            name=str(document["estimator"]),
            needs=tuple(str(name) for name in document["needs"]),
            intercept=float(document["intercept"]),
            centre=tuple(float(value) for value in document["centre"]),
            slope=tuple(float(value) for value in document["slope"]),
            penalty=None if document["penalty"] is None else float(document["penalty"]),
        )


def mean(name: str, needs: tuple[str, ...], labelled: Labelled) -> Linear:
    """Predict the mean of the labelled sets' mean performances, whatever the image."""
    return Linear(name, needs, float(labelled.weights() @ labelled.performance))


def difference(name: str, needs: tuple[str, ...], labelled: Labelled) -> Linear:
    """Predict the labelled sets' mean performance less the drop of the column below its mean over them: a slope of 1.

    Source: difference of confidences, Guillory, Shankar, Ebrahimi, Darrell & Schmidt, "Predicting with confidence on unseen
    distributions" (ICCV 2021), https://doi.org/10.1109/ICCV48922.2021.00117. The paper states it for a whole set and its
    accuracy, which is (before clipping) the mean over a set's images of these predictions.
    """
    w, (x,) = labelled.weights(), _columns(labelled, needs).T
    return Linear(name, needs, float(w @ labelled.performance), (float(w @ x),), (1.0,))


def line(name: str, needs: tuple[str, ...], labelled: Labelled) -> Linear:
    """Fit a least-squares line of performance on a column, each set weighing alike; of slope 0 where the column is constant."""
    centre, scale, gram, slope = _moments(labelled, needs)
    fitted = slope / np.where(gram.diagonal() > 0, gram.diagonal(), 1.0)
    return _linear(name, needs, labelled, centre, fitted / scale, None)


def ridge(name: str, needs: tuple[str, ...], labelled: Labelled) -> Linear:
    """Fit ridge regression on standardised columns, each set weighing alike, its penalty chosen by leaving one set out.

    Minimises Σ w (performance − a − b·z)² + λ |b|² with Σ w = 1 and z the columns less their weighted mean, over their weighted
    deviation; a is not penalised, constant columns get b = 0. λ is the one of 13 from 100 to 0.0001 (half decades) whose
    predictions of left-out sets have the smallest squared error, sets alike, ties to the largest; with one set, of left-out
    folds of it. Source: Hoerl & Kennard, "Ridge regression: biased estimation for nonorthogonal problems" (Technometrics 12,
    1970).
    """
    errors = np.zeros(len(PENALTIES))
    for rest, left_out in labelled.splits():
        centre, slopes = _path(rest, needs)
        inside = labelled.take(left_out)
        intercept = float(rest.weights() @ rest.performance)
        predictions = np.clip(intercept + (_columns(inside, needs) - centre) @ slopes, 0.0, 1.0)
        errors += ((predictions - inside.performance[:, None]) ** 2).mean(axis=0)
    best = int(np.argmin(errors))
    centre, slopes = _path(labelled, needs)
    return _linear(name, needs, labelled, centre, slopes[:, best], PENALTIES[best])


def _path(labelled: Labelled, needs: tuple[str, ...]) -> tuple[Float64Array, Float64Array]:
    """Compute the columns' centre, and slopes at each penalty, (columns, penalties), from one eigendecomposition."""
    centre, scale, gram, target = _moments(labelled, needs)
    values, vectors = np.linalg.eigh(gram)
    shrunk = (vectors.T @ target)[:, None] / (np.maximum(values, 0.0)[:, None] + np.array(PENALTIES))
    return centre, (vectors @ shrunk) / scale[:, None]


def _moments(labelled: Labelled, needs: tuple[str, ...]) -> tuple[Float64Array, Float64Array, Float64Array, Float64Array]:
    """Compute weighted centre and scale of the columns, and their correlations with each other and with performance."""
    w, x = labelled.weights(), _columns(labelled, needs)
    centre = w @ x
    away = x - centre
    spread = np.sqrt(w @ away**2)
    constant = spread <= _CONSTANT * np.abs(x).max(axis=0)
    scale = np.where(constant, 1.0, spread)
    z = np.where(constant, 0.0, away / scale)
    return centre, scale, (z.T * w) @ z, (z.T * w) @ (labelled.performance - w @ labelled.performance)


def _columns(labelled: Labelled, needs: tuple[str, ...]) -> Float64Array:
    return np.stack([column(labelled.columns, name) for name in needs], axis=1)


def _linear(
    name: str, needs: tuple[str, ...], labelled: Labelled, centre: Float64Array, slope: Float64Array, penalty: float | None
) -> Linear:
    intercept = float(labelled.weights() @ labelled.performance)
    return Linear(name, needs, intercept, tuple(centre.tolist()), tuple(slope.tolist()), penalty)
