"""Bound the mean of a bounded quantity from very few random values by betting, without any assumption on how they spread.

To test that the mean of m values in [0, 1] is μ, a gambler bets on each sampled value y at odds that are fair under μ:
capital is multiplied by 1 + b (y − μ). With a fixed b the mean capital over simple random samples is at most 1 (by Maclaurin's
inequality also without replacement), so capital of 1 / α is reached with a chance of at most α (Markov), and μ is refuted
there. Capital is the mean over a row of bets b, so that none has to be guessed; the order of the values does not matter.
Source: Waudby-Smith & Ramdas, "Estimating means of bounded random variables by betting", J. R. Stat. Soc. B 86 (2024),
https://arxiv.org/abs/2010.09686.
"""

from __future__ import annotations

import numpy as np

from howfar.arrays import Float64Array

SHARES_STAKED = np.array([0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.99, 1.0])
"""Shares of the capital that are staked: capital falls by this share where the value is the worst possible."""
_BISECTIONS = 40


def betting_interval(values: Float64Array, population: int | None, level: float) -> tuple[float, float]:
    """Bound the mean of `population` values in [0, 1] from a simple random sample of them; None where that number is unknown.

    Each end is refuted with a chance of at most (1 − level) / 2, for every population and sample size; what was seen is exact.

    Examples
    --------
    >>> low, high = betting_interval(np.array([0.9, 0.8, 1.0, 0.9]), 500, 0.9)
    >>> round(low, 2), high
    (0.35, 1.0)
    """
    low = lower_bound(values, (1.0 - level) / 2.0)
    high = 1.0 - lower_bound(1.0 - values, (1.0 - level) / 2.0)
    if population is None:
        return low, high
    seen, unseen = float(values.sum()), population - len(values)
    return max(low, seen / population), min(high, (seen + unseen) / population)


def lower_bound(values: Float64Array, alpha: float) -> float:
    """Find the largest mean that is refuted with all smaller ones, by capital of 1 / α; 0 where none is.

    Capital falls as μ grows, for each bet, so that the refuted means are an interval from 0.
    """
    inside, outside = 0.0, 1.0
    for _ in range(_BISECTIONS):
        middle = (inside + outside) / 2.0
        capital = np.prod(1.0 + np.outer(SHARES_STAKED / middle, values - middle), axis=1).mean()
        inside, outside = (middle, outside) if capital >= 1.0 / alpha else (inside, middle)
    return inside
