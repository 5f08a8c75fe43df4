"""Predict from a site's unlabelled predictions how many labels will measure a model's performance precisely enough."""

from bisect import bisect_left

import numpy as np
from numpy.typing import ArrayLike

from howfar.arrays import Float64Array
from howfar.errors import InputError
from howfar.sampling.certify_zone_by_labels import ZonePlan, zone_tests
from howfar.sampling.design import STRATIFIED_FROM, as_rng, as_shares, draw, filled
from howfar.sampling.estimates import mean
from howfar.sampling.sequential import Until, order, sequence

ERROR = 0.3
"""Performance is assumed to vary about its prediction p by 0.3 √(p (1 − p) + 0.02), as on the sets of four fields."""
_FUTURES, _DRAWS, _MOST, _ZONES = 5, 10, 2000, 40


def labels_for(
    proxy: ArrayLike,
    until: Until | str,
    *,
    level: float = 0.9,
    decisions: ArrayLike | None = None,
    seed: int | np.random.Generator = 0,
) -> int | None:
    """Predict how many labels settle a question, from the predicted performance of a site's images, (m,).

    A half width is that of `howfar.sampling.mean`, which looks once; a level that of `howfar.sampling.sequence`, which looks
    after each label. Performance is simulated about its predictions, or as the mean of so many right or wrong `decisions`,
    1 for a class, (m,) numbers of boxes, each right with the predicted chance; the median of five simulated sites counts. None
    if the predictions leave it open within 2,000 labels. Raises `InputError`: proxies outside [0, 1], a text that is no
    question.

    Examples
    --------
    >>> import numpy as np
    >>> from howfar.sampling import labels_for
    >>> 10 < labels_for(np.linspace(0.2, 0.9, 300), "±0.05") < 60
    True
    """
    rule, rng = until if isinstance(until, Until) else Until.parse(until), as_rng(seed)
    p = filled(as_shares(proxy, "proxy"))
    if len(p) < STRATIFIED_FROM:
        raise InputError.of("proxy", f"must be of at least {STRATIFIED_FROM} images for a plan", len(p), "label them all")
    needed = []
    for _ in range(_FUTURES):
        truth = _simulated(p, decisions, rng)
        if rule.kind == "half width":
            needed.append(_least(truth, p, rule.value, level))
        else:
            images = order(len(p), seed=rng)[:_MOST]
            needed.append(sequence(truth[images], p, images, level=level, until=rule).stop or len(p) + 1)
    middle = sorted(needed)[len(needed) // 2]
    return None if middle > len(p) else middle


def zone_share(
    proxy: ArrayLike, plan: ZonePlan, *, decisions: ArrayLike | None = None, seed: int | np.random.Generator = 0
) -> float:
    """Predict the share of a site that a plan's labels will certify, from the predicted performance of its images, (m,).

    The mean of 40 sites that are simulated as in `labels_for`.

    Examples
    --------
    >>> import numpy as np
    >>> from howfar.sampling import plan_zone, zone_share
    >>> proxy = np.linspace(0, 1, 400)
    >>> 0.2 < zone_share(proxy, plan_zone(proxy, 60, at_least=0.6)) < 0.4
    True
    """
    p, rng = filled(as_shares(proxy, "proxy")), as_rng(seed)
    tests = [zone_tests(plan.zone, _simulated(p, decisions, rng)[plan.images]) for _ in range(_ZONES)]
    return float(np.mean([max((test.images for test in each if test.passed), default=0) for each in tests])) / len(p)


def _simulated(p: Float64Array, decisions: ArrayLike | None, rng: np.random.Generator) -> Float64Array:
    if decisions is not None:
        counts = np.broadcast_to(np.asarray(decisions, dtype=np.int64), p.shape)
        return np.asarray(rng.binomial(counts, p) / counts)
    return np.clip(p + ERROR * np.sqrt(p * (1.0 - p) + 0.02) * rng.normal(size=len(p)), 0.0, 1.0)


def _least(truth: Float64Array, p: Float64Array, half_width: float, level: float) -> int:
    """Find the fewest labels with which the mean half width over some draws is small enough, by bisection."""

    def narrow(labels: int) -> bool:
        samples = [draw(p, labels, seed=seed) for seed in range(_DRAWS)]
        width = np.mean([mean(truth[sample.indices], p, sample, level=level).half_width for sample in samples])
        return bool(width <= half_width)

    return bisect_left(range(len(truth)), True, lo=STRATIFIED_FROM, key=narrow)
