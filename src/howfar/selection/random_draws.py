"""Draw images to label at random: uniformly, or stratified by distance, predicted foreground or entropy."""

import numpy as np

from howfar.arrays import Float64Array
from howfar.errors import InputError
from howfar.selection.candidates import Candidates, FunctionStrategy, Positions, warn_of_fewer

SHARE = "predicted_foreground"


def _random(pool: Candidates, k: int, rng: np.random.Generator) -> Positions:
    # All are shuffled, those with labels too, so that neither k nor what has been labelled since changes the order.
    order = rng.permutation(len(pool))
    return order[~pool.labelled[order]][:k]


def _stratified(pool: Candidates, k: int, rng: np.random.Generator) -> Positions:
    """Draw one image from each of k strata of distance of equal size, the nearest stratum first.

    There are as many strata as there will be labels, and one that holds an image with labels is covered. Where more than k are
    left, those at even ranks are drawn from.
    """
    order = np.argsort(pool["distance"], kind="stable")
    strata = np.array_split(order, k + int(pool.labelled.sum()))
    open_strata = [stratum for stratum in strata if not pool.labelled[stratum].any()]
    drawn_from = (np.arange(k) * len(open_strata) + len(open_strata) // 2) // k
    return np.array([rng.choice(open_strata[which]) for which in drawn_from], dtype=np.intp)


def as_shares(pool: Candidates) -> Float64Array:
    """Return the predicted foreground shares of a pool's images; raises `InputError` where one is outside 0 to 1."""
    shares = pool[SHARE]
    outside = (shares < 0.0) | (shares > 1.0)
    if outside.any():
        received = float(shares[np.argmax(outside)])
        raise InputError.of(f"column {SHARE}", "must lie between 0 and 1", received, "it is a share of the pixels")
    return shares


def _foreground(pool: Candidates, k: int, rng: np.random.Generator) -> Positions:
    """Draw without replacement in proportion to predicted foreground share, by exponential keys E / share.

    The k smallest keys are such a sample: Efraimidis & Spirakis, IPL 2006. Images without predicted foreground follow at
    random.
    """
    shares = as_shares(pool)
    keys = rng.exponential(size=len(pool))
    warn_of_fewer(int((shares[pool.free] > 0.0).sum()), k, "foreground is predicted", "in which there is none")
    with np.errstate(divide="ignore", over="ignore"):
        order = np.lexsort((keys, keys / shares))
    return order[~pool.labelled[order]][:k]


RANDOM = FunctionStrategy("random", (), True, _random, lambda values: "drawn at random")
STRATIFIED = FunctionStrategy(
    "stratified",
    ("distance",),
    False,
    _stratified,
    lambda values: f"scaled distance {values['distance']:.3f}, drawn from its stratum of distance",
)
FOREGROUND = FunctionStrategy(
    "foreground",
    (SHARE,),
    True,
    _foreground,
    lambda values: f"drawn in proportion to its predicted foreground, {100 * values[SHARE]:.2f} %",
)


FOUND = 0.001
"""Predicted share from which on an image counts as having foreground: half of a line across it, 1/500 of its side wide."""


def _foreground_random(pool: Candidates, k: int, rng: np.random.Generator) -> Positions:
    """Draw uniformly among images with a predicted foreground share ≥ 0.001; other images follow, with a warning.

    After Lüth et al., "nnActive" (TMLR 2025, https://openreview.net/forum?id=AJAnmRLJjJ), whose foreground is that of given
    labels. A threshold, since the share is largest where a model takes whole surfaces for foreground, and nearly every map has
    some pixel.
    """
    shares = as_shares(pool)
    order = rng.permutation(len(pool))
    order = order[np.argsort(shares[order] < FOUND, kind="stable")]
    found = int((shares[pool.free] >= FOUND).sum())
    warn_of_fewer(found, k, f"a share of foreground of at least {FOUND:g} is predicted", "below")
    return order[~pool.labelled[order]][:k]


FOREGROUND_RANDOM = FunctionStrategy(
    "foreground_random",
    (SHARE,),
    True,
    _foreground_random,
    lambda values: f"drawn at random among those with foreground; predicted is {100 * values[SHARE]:.2f} %",
)


CLASSES = ("foreground_entropy", "background_entropy")
BETA = 1.0
"""Power of the score: each image's chance is in proportion to entropy^β; 1 is the default of Kirsch et al."""


def _stratified_entropy(pool: Candidates, k: int, rng: np.random.Generator) -> list[int]:
    """Choose alternately for foreground and background c the image with the largest log e_c + ε, ε ~ Gumbel(0, 1/β).

    e_c is the entropy of the pixels predicted as class c over all pixels. The noisy maximum is a draw without replacement in
    proportion to e_c^β: the power acquisition of Kirsch et al., "Stochastic batch acquisition" (TMLR 2023,
    https://arxiv.org/abs/2106.12059).

    That entropies are ranked for each predicted class apart is after ClaSP PE: Lüth et al., "Finally outshining the random
    baseline" (TMLR 2026, https://arxiv.org/abs/2601.13677). It is not that method, and its results do not carry over: whole
    images are chosen, not patches, in one round without a decay of noise.
    """
    noise = rng.gumbel(size=(len(CLASSES), len(pool))) / BETA
    orders = []
    for column, shift in zip(CLASSES, noise, strict=True):
        entropies = pool[column]
        if (entropies < 0.0).any():
            raise InputError.of(f"column {column}", "must be at least 0", float(entropies.min()), "it is an entropy")
        with np.errstate(divide="ignore"):
            orders.append(np.lexsort((-shift, -(np.log(entropies) + shift))))
    taken = pool.labelled.copy()
    chosen: list[int] = []
    while len(chosen) < k:
        order = orders[len(chosen) % len(CLASSES)]
        chosen.append(int(order[~taken[order]][0]))
        taken[chosen[-1]] = True
    return chosen


STRATIFIED_ENTROPY = FunctionStrategy(
    "stratified_entropy",
    CLASSES,
    True,
    _stratified_entropy,
    lambda values: "drawn by entropy: {:.4f} of predicted foreground, {:.4f} of background".format(
        *(values[name] for name in CLASSES)
    ),
)
