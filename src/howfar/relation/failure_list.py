"""List the images on which a model probably fails, at a nominal error rate, by conformal p-values."""

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from howfar.arrays import Float64Array, as_row
from howfar.errors import InputError
from howfar.relation.calibrated_estimator import Calibrated
from howfar.relation.labelled_images import Mask
from howfar.results.relation_result import Failures
from howfar.significance.hypothesis_tests import select

_ROUNDING = 1e-9


def list_failures(
    calibration_estimates: ArrayLike, calibration_performance: ArrayLike, estimates: ArrayLike, tau: float, error_rate: float
) -> tuple[Float64Array, Mask]:
    """Compute conformal p-values of "this image does not fail", and select probable failures at an error rate.

    p_j = (1 + #{i: performance_i ≥ τ and estimate_i ≤ estimate_j}) / (n + 1) over all n calibration images, failing ones
    counted in n: small where few images that did well were estimated as low as this one. The list is what Benjamini and
    Hochberg select, with p = 1 for an image that is itself estimated at τ or above: where nearly all calibration images fail a
    list of everything would be right often enough, and tell nothing. A larger p only makes the list shorter. For images
    exchangeable with the calibration images the share of listed ones that do not fail is at most `error_rate` on average over
    lists, an empty list counting as 0: where failures are rare, most lists are empty and the others may be wrong more often.
    Source: Jin & Candès, "Selection by prediction with conformal p-values", JMLR 24 (2023), https://arxiv.org/abs/2210.01408,
    with the clipped score and without its random ties: those count against listing.

    Calibration estimates (n,) come from a fit that did not see these images. An image without an estimate (NaN) has a p-value
    of NaN, and is never listed. Returns (m,) p-values, before any is set to 1, and (m,) bool. Raises `InputError` for
    calibration of different lengths or not finite, estimates that are not one row, a τ that is not finite, or an error rate
    outside (0, 1).

    Examples
    --------
    >>> p, listed = list_failures([0.1, 0.2, 0.3, 0.8], [0.0, 0.1, 0.6, 0.9], [0.15, 0.3, 0.9], tau=0.5, error_rate=0.6)
    >>> p.tolist(), listed.tolist()
    ([0.2, 0.4, 0.6], [True, True, False])
    """
    calibration = as_row(calibration_estimates, "calibration_estimates")
    truth = as_row(calibration_performance, "calibration_performance", length=len(calibration))
    predicted = as_row(estimates, "estimates", undefined=True)
    if not np.isfinite(tau):
        raise InputError.of("tau", "must be a finite number", tau)
    passing = np.sort(calibration[truth >= tau])
    # Estimates that are equal but for rounding are ties.
    as_low = np.searchsorted(passing, predicted + _ROUNDING, side="right")
    p_values = np.where(np.isnan(predicted), np.nan, (1 + as_low) / (len(calibration) + 1))
    return p_values, select(np.where(predicted >= tau - _ROUNDING, 1.0, p_values), error_rate)


def trusted_below(estimates: ArrayLike, performance: ArrayLike, sets: ArrayLike, tau: float, error_rate: float) -> float:
    """Find the highest estimate up to which failure lists met the error rate on left-out labelled sets.

    `estimates`, `performance` and `sets` (n,) are of labelled images, estimated by fits that did not see their set. On each of
    K sets it is the largest estimate c such that among its images estimated at c or below at most the share `error_rate` does
    not fail, just below the set's lowest estimate where there is no such image. Of the K values the ⌊(K + 1) · error_rate⌋-th
    smallest is returned, at least the smallest: that of the worst set with fewer than nine at 0.2.

    Examples
    --------
    >>> trusted_below([0.1, 0.2, 0.4, 0.1, 0.3], [0.0, 0.1, 0.9, 0.2, 0.8], ["a", "a", "a", "b", "b"], 0.5, 0.2)
    0.1
    """
    predicted, truth = np.asarray(estimates, dtype=np.float64), np.asarray(performance, dtype=np.float64)
    of, cuts = np.asarray(sets).astype(np.str_), []
    for name in np.unique(of):
        order = np.argsort(predicted[of == name], kind="stable")
        passing = np.cumsum(truth[of == name][order] >= tau)
        values = predicted[of == name][order]
        # A cut takes all images of one estimate, or none.
        ends = np.append(np.diff(values) > _ROUNDING, True)
        right = np.flatnonzero(ends & (passing <= error_rate * np.arange(1, len(order) + 1) + _ROUNDING))
        cuts.append(float(values[right[-1]]) if len(right) else float(np.nextafter(values[0], -np.inf)))
    return sorted(cuts)[max(int((len(cuts) + 1) * error_rate + _ROUNDING) - 1, 0)]


def failures(
    calibrated: Calibrated,
    estimates: ArrayLike,
    dataset: str,
    *,
    tau: float,
    error_rate: float,
    performance: ArrayLike | None = None,
) -> tuple[Failures, Float64Array, Mask]:
    """List the probable failures of a set, and measure the list's precision if the set has labels.

    Of the images that `list_failures` selects, those are listed whose estimate is not above `trusted_below`: a new set need not
    be exchangeable with the labelled images, and this is how far the estimates could be trusted on whole sets left out. With
    fewer than two of them that is not known, and nothing is cut.

    For a labelled set, `calibrated` comes from the others. `performance` is NaN for an image without one, which no measured
    share counts. Returns the record, (m,) p-values and (m,) bool "listed". Errors are those of `list_failures`, or performances
    that are not as many as estimates.
    """
    known = calibrated.tried()
    p_values, listed = list_failures(*known[:2], estimates, tau, error_rate)
    if len(set(known[2].tolist())) > 1:
        listed &= np.asarray(estimates, dtype=np.float64) <= trusted_below(*known, tau, error_rate) + _ROUNDING
    record = Failures(dataset, float(tau), float(error_rate), calibrated.name, len(p_values), int(np.count_nonzero(listed)))
    truth = np.full(listed.shape, np.nan) if performance is None else np.asarray(performance, dtype=np.float64)
    if truth.shape != listed.shape:
        raise InputError.of("performance", f"must be one row of {len(listed)} values, one an image", truth.shape)
    labelled = ~np.isnan(truth)
    if not labelled.any():
        return record, p_values, listed
    failing, checked = labelled & (truth < tau), int(np.count_nonzero(listed & labelled))
    right = int(np.count_nonzero(listed & failing))
    error = (checked - right) / checked if checked else None
    measured = replace(record, measured_error=error, failing=int(np.count_nonzero(failing)), found=right)
    return measured, p_values, listed
