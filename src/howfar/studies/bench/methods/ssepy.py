"""Estimate a mean score from a sample stratified by prediction, with the difference estimator, as the package ssepy does.

Source: Fogliato, Patil, Akpinar & Monfort, "Precise model benchmarking with only a few observations" (EMNLP 2024),
https://arxiv.org/abs/2410.05222. Strata are by k-means there, here of equal size, one for every 4 labels.
"""

import numpy as np
from scipy.special import ndtri

from howfar.arrays import Float64Array
from howfar.studies.bench.run_methods import Ask


def certificate(proxy: Float64Array, k: int, ask: Ask, seed: int) -> tuple[float, float, float]:
    """Add the strata's mean differences from the predictions to the mean prediction, with a normal interval."""
    rng, parts = np.random.default_rng(seed), max(1, k // 4)
    value, variance = float(proxy.mean()), 0.0
    strata, labels = np.array_split(np.argsort(proxy, kind="stable"), parts), np.array_split(np.arange(k), parts)
    for stratum, count in zip(strata, map(len, labels), strict=True):
        chosen, share = rng.choice(stratum, count, replace=False), len(stratum) / len(proxy)
        apart = ask(chosen) - proxy[chosen]
        value += share * float(apart.mean())
        variance += share**2 * (1 - count / len(stratum)) * float(apart.var(ddof=1)) / count
    half = float(ndtri(0.95) * np.sqrt(variance))
    return value, value - half, value + half
