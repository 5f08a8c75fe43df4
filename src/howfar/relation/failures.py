"""Which images probably fail: a list at a stated error rate, by conformal p-values."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from howfar.arrays import Float64Array
from howfar.errors import InputError
from howfar.relation.estimate import Calibrated
from howfar.relation.image_columns import Mask
from howfar.results.relation import Failures
from howfar.significance.conformal import select

_ROUNDING = 1e-9


def list_failures(
    calibration_estimates: ArrayLike,
    calibration_performance: ArrayLike,
    estimates: ArrayLike,
    tau: float,
    error_rate: float,
) -> tuple[Float64Array, Mask]:
    """p-values of "this image does not fail", and which images to list as failing at an error rate.

    p_j = (1 + #{i: performance_i ≥ τ and estimate_i ≤ estimate_j}) / (n + 1) over all n calibration images, failing ones
    counted in n: small where few images that did well were estimated as low as this one. Listed are those that Benjamini and
    Hochberg select, with p = 1 for an image that is itself estimated at τ or above: where nearly all calibration images fail
    a list of everything would be right often enough, and tell nothing. A larger p only makes the list shorter. For images
    exchangeable with the calibration images the share of listed ones that do not fail is at most `error_rate` on average over
    lists, an empty list counting as 0: where failures are rare, most lists are empty and the others may be wrong more often.
    Source: Jin & Candès, "Selection by prediction with conformal p-values", JMLR 24 (2023),
    https://arxiv.org/abs/2210.01408, with the clipped score and without its random ties: those count against listing.

    Parameters
    ----------
    calibration_estimates
        (n,) estimates of labelled images by a fit that did not see them.
    calibration_performance
        (n,) their performances.
    estimates
        (m,) estimates of the images to judge; NaN where there is none: p-value NaN, never listed.
    tau
        Performance below which an image counts as failed.
    error_rate
        Allowed share of listed images that do not fail, between 0 and 1.

    Returns
    -------
    tuple of ndarray
        (m,) p-values, before any is set to 1, and (m,) bool.

    Raises
    ------
    InputError
        Calibration of different lengths or not finite, estimates that are not one row, a τ that is not finite, or an error
        rate outside (0, 1).

    Examples
    --------
    >>> p, listed = list_failures([0.1, 0.2, 0.3, 0.8], [0.0, 0.1, 0.6, 0.9], [0.15, 0.3, 0.9], tau=0.5, error_rate=0.6)
    >>> p.tolist(), listed.tolist()
    ([0.2, 0.4, 0.6], [True, True, False])
    """
    known = np.asarray(calibration_estimates, dtype=np.float64)
    truth = np.asarray(calibration_performance, dtype=np.float64)
    asked = np.asarray(estimates, dtype=np.float64)
    if known.ndim != 1 or known.shape != truth.shape:
        raise InputError.of("calibration_performance", f"must be one row, as long as the {known.shape} estimates", truth.shape)
    if not (np.isfinite(known).all() and np.isfinite(truth).all()):
        raise InputError.of("calibration_estimates and calibration_performance", "must be finite", "NaN or infinity")
    if asked.ndim != 1:
        raise InputError.of("estimates", "must be one row of numbers", asked.shape)
    if not np.isfinite(tau):
        raise InputError.of("tau", "must be a finite number", tau)
    passing = np.sort(known[truth >= tau])
    # Estimates that are equal but for rounding are ties.
    as_low = np.searchsorted(passing, asked + _ROUNDING, side="right")
    p_values = np.where(np.isnan(asked), np.nan, (1 + as_low) / (len(known) + 1))
    return p_values, select(np.where(asked >= tau - _ROUNDING, 1.0, p_values), error_rate)


def failures(
    calibrated: Calibrated,
    estimates: ArrayLike,
    dataset: str,
    *,
    tau: float,
    error_rate: float,
    performance: ArrayLike | None = None,
) -> tuple[Failures, Float64Array, Mask]:
    """The failure list of a set and, where the set has labels, how right it is.

    Parameters
    ----------
    calibrated
        The estimator: for an unlabelled set from all labelled ones, for a labelled set from the others.
    estimates
        (m,) its estimates of the set's images, NaN where there is none.
    dataset
        The set's name.
    tau
        Performance below which an image counts as failed.
    error_rate
        Allowed share of listed images that do not fail, between 0 and 1.
    performance
        (m,) performances where known; NaN for an image without one, which no measured share counts.

    Returns
    -------
    tuple
        The record, (m,) p-values and (m,) bool "listed".

    Raises
    ------
    InputError
        As `list_failures`; or performances that are not as many as estimates.
    """
    p_values, listed = list_failures(calibrated.estimates, calibrated.performance, estimates, tau, error_rate)
    record = Failures(dataset, float(tau), float(error_rate), calibrated.name, len(p_values), int(np.count_nonzero(listed)))
    if performance is None:
        return record, p_values, listed
    truth = np.asarray(performance, dtype=np.float64)
    if truth.shape != listed.shape:
        raise InputError.of("performance", f"must be one row of {len(listed)} values, one an image", truth.shape)
    labelled = ~np.isnan(truth)
    if not labelled.any():
        return record, p_values, listed
    failing, checked = labelled & (truth < tau), int(np.count_nonzero(listed & labelled))
    found = int(np.count_nonzero(listed & failing))
    measured = Failures(
        *(record.dataset, record.tau, record.error_rate, record.estimator, record.n, record.listed),
        measured_error=(checked - found) / checked if checked else None,
        failing=int(np.count_nonzero(failing)),
        found=found,
    )
    return measured, p_values, listed
