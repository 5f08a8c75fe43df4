"""Compute Kendall's τ_b of bootstrap-resampled images from pair counts that add over datasets.

The counts are a quadratic form in how often each image was drawn: with w the times drawn and S the signs of (x_j − x_i)(y_j −
y_i), concordant less discordant pairs are ½ wᵀ S w, so all resamples share one matrix product. Copies of one image tie in both
quantities, as in a sample that holds it twice. Source: Kendall, "The treatment of ties in ranking problems", Biometrika 33
(1945).
"""

from __future__ import annotations

import numpy as np

from howfar.arrays import Float64Array
from howfar.relation.spearman import tied

_BLOCK = 512


def concordance_sums(x: Float64Array, y: Float64Array, weights: Float64Array) -> Float64Array:
    """Count pairs that differ in x, concordant less discordant pairs, and pairs that differ in y, over the number drawn.

    Divided by the number drawn, the sums of several sets add up with each image counting alike; a single set's τ_b does not
    change by it. `howfar.relation.spearman.correlation` of the sums is τ_b: b / √(a c). Costs m²/2 products a draw, in blocks.

    `x` (m,) is ascending, `y` (m,) finite; `weights` (draws, m) say how often each image was drawn: at least one image a draw,
    fewer than 2²⁴ in all. Returns (draws, 3) float64.
    """
    # Whole numbers below 2^24 are exact in float32, which halves the time of the products.
    single = weights.astype(np.float32)
    agreeing = np.zeros(len(weights))
    for start in range(0, len(x), _BLOCK):
        stop = min(start + _BLOCK, len(x))
        signs = np.sign(y[start:stop] - y[:stop, None]) * (x[start:stop] > x[:stop, None])
        drawn = single[:, :stop] @ signs.astype(np.float32)
        agreeing += np.einsum("db,db->d", drawn.astype(np.float64), weights[:, start:stop])
    sums = np.stack([_differing(x, weights), agreeing, _differing(y, weights)], axis=1)
    sums /= weights.sum(axis=1, keepdims=True)
    return sums


def _differing(values: Float64Array, weights: Float64Array) -> Float64Array:
    """Count the drawn pairs whose values differ: half of (Σ w)² − Σ t², t the copies of each value."""
    copies, _ = tied(values, weights)
    pairs: Float64Array = (weights.sum(axis=1) ** 2 - np.einsum("du,du->d", copies, copies)) / 2.0
    return pairs
