"""Estimate a mean score from a simple random sample by PPI++ (prediction-powered inference), with a normal interval.

Source: Angelopoulos, Duchi & Zrnic, "PPI++: efficient prediction-powered inference" (2023), https://arxiv.org/abs/2311.01453,
example 6.1 of a mean.
"""

import numpy as np
from scipy.special import ndtri

from howfar.arrays import Float64Array
from howfar.studies.bench.run_methods import Ask


def certificate(proxy: Float64Array, k: int, ask: Ask, seed: int) -> tuple[float, float, float]:
    """Correct the labels' mean by the difference between the mean prediction of all images and of the sample."""
    chosen = np.random.default_rng(seed).choice(len(proxy), k, replace=False)
    y, p = ask(chosen), proxy[chosen]
    weight = 0.0 if p.var() == 0 else float(np.clip(np.cov(y, p)[0, 1] / ((1 + k / len(proxy)) * proxy.var(ddof=1)), 0, 1))
    value = float(y.mean() + weight * (proxy.mean() - p.mean()))
    variance = (y - weight * p).var(ddof=1) / k + weight**2 * proxy.var(ddof=1) / len(proxy)
    half = float(ndtri(0.95) * np.sqrt(variance))
    return value, value - half, value + half
