"""Choose images to label at random, or by one number each: ranked by it, or drawn with chances that depend on it."""

import warnings
from collections.abc import Iterator, Mapping
from itertools import islice

import numpy as np
from numpy.typing import ArrayLike

from howfar.arrays import Float64Array
from howfar.errors import InputError
from howfar.selection.candidates import Candidates, FunctionStrategy, Mask, Positions, warn_of_fewer

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


LOW, HIGH = 0.6, 1.0
_ROUNDING = 1e-9


def far(
    scaled_distances: ArrayLike, k: int, low: float = LOW, high: float = HIGH, labelled: ArrayLike | None = None
) -> Positions:
    """Choose k images with scaled distances in a band, at evenly spaced ranks within the band (paper, section 4.3).

    Of the B images of the band in order of distance those of rank ⌊uB⌋ are chosen, u = 1/2; 1/4, 3/4; 1/8, 5/8, 3/8, 7/8; …
    (the van der Corput sequence in base 2: bit reversal). So fewer are the first of more, and 1, 3, 7 and 15 are exactly even.
    A rank that is taken already is replaced by the nearest one that is not, of two the farther image.

    Images with labels spend ranks: where the sequence comes to one, or to a place nearer to it than half a step, it goes on
    without a pick. So with the first picks labelled it goes on where it was. Where the band has fewer images left than k, they
    are taken, then the farthest of the others, with a warning.

    `scaled_distances` (m,) are I^dist scaled to 0-1 over the dataset (column ``i_dist_scaled`` of a run); both ends belong to
    the band; `labelled` (m,) masks images that have labels. Returns (k,) positions in the order of their choice; ties of
    distance go by position. Raises `InputError` for distances outside 0-1, a band that is none, or a k that is no number of
    images left.

    Examples
    --------
    >>> distances = [0.0, 0.61, 0.65, 0.7, 0.75, 0.8, 0.9, 1.0]
    >>> far(distances, 1).tolist(), far(distances, 3).tolist()
    ([4], [4, 2, 6])
    """
    pool = Candidates.of("far", {"distance": scaled_distances}, ("distance",), labelled)
    return pool.positions[_far(pool, pool.count(k), low, high)]


def _far(pool: Candidates, k: int, low: float, high: float) -> Positions:
    if not 0.0 <= low <= high <= 1.0:
        raise InputError.of("low and high", "must be a band within 0-1", (low, high), f"pass {LOW} and {HIGH}, the paper's")
    distances = pool["distance"]
    beyond = (distances < -_ROUNDING) | (distances > 1.0 + _ROUNDING)
    if beyond.any():
        received = float(distances[np.argmax(beyond)])
        raise InputError.of("distance", "must be scaled to 0-1 over the dataset", received, "subtract the least, then divide")
    order = np.argsort(distances, kind="stable")
    scaled = distances[order].clip(0.0, 1.0)
    band = order[(scaled >= low) & (scaled <= high)]
    chosen = [band[rank] for rank in islice(_ranks(pool.labelled[band]), k)]
    if len(chosen) < k:
        message = (
            f"images without labels at a scaled distance of {low:g} to {high:g}: {len(chosen)}, fewer than the {k} asked for; "
            "the farthest of the others are taken too"
        )
        warnings.warn(message, UserWarning, stacklevel=3)
        within = np.zeros(len(pool), dtype=np.bool_)
        within[band] = True
        others = pool.free[~within[pool.free]]
        chosen.extend(others[np.argsort(-distances[others], kind="stable")])
    return np.array(chosen[:k], dtype=np.intp)


def _ranks(labelled: Mask) -> Iterator[int]:
    """Yield the ranks of a band's unlabelled images in order of choice; labelled images use up ranks too."""
    count = len(labelled)
    unspent = np.ones(count, dtype=np.bool_)
    for number in range(1, count + 1):
        level = number.bit_length()
        part = int(f"{number:b}"[::-1], 2)
        rank = part * count >> level
        open_ranks = np.flatnonzero(unspent)
        if not unspent[rank]:
            gaps = np.abs(open_ranks - rank)
            rank = int(open_ranks[gaps == gaps.min()][-1])
        if not labelled[rank]:
            covering = open_ranks[labelled[open_ranks]]
            # |(rank + 1/2) / B − u| < 2^-(level + 1), in whole numbers.
            gaps = np.abs((2 * covering + 1) * 2**level - 2 * count * part)
            if len(gaps) and gaps.min() < count:
                unspent[covering[np.argmin(gaps)]] = False
                continue
            yield rank
        unspent[rank] = False


def _reason(values: Mapping[str, float]) -> str:
    distance = values["distance"]
    if distance < LOW:
        return f"scaled distance {distance:.3f}: too few images lie at {LOW:g} to {HIGH:g}"
    return f"scaled distance {distance:.3f}, at an even rank of those from {LOW:g} to {HIGH:g}"


FAR = FunctionStrategy("far", ("distance",), True, lambda pool, k, rng: _far(pool, k, LOW, HIGH), _reason)


def _ordered(name: str, column: str, why: str, sign: float = 1.0) -> FunctionStrategy:
    """Make the strategy that chooses the images with the lowest values of a column, or with `sign` −1 the highest."""

    def rule(pool: Candidates, k: int, rng: np.random.Generator) -> Positions:
        return pool.free[np.argsort(sign * pool[column][pool.free], kind="stable")[:k]]

    return FunctionStrategy(name, (column,), True, rule, lambda values: why.format(values[column]))


RIDGE = "ridge_response"
# The smallest distances are what `far` has to beat to be right about distance.
NEAR = _ordered("near", "distance", "scaled distance {:.3f}, among the nearest")
# Highest mean over pixels of −p ln p − (1 − p) ln(1 − p): Lewis & Gale, SIGIR 1994, of pixels.
UNCERTAINTY = _ordered("uncertainty", "uncertainty", "mean entropy {:.4f}, among the highest", sign=-1.0)
# Lowest soft Dice of the prediction and that of the mirrored image, mirrored back.
FLIP_DISAGREEMENT = _ordered("flip_disagreement", "flip_agreement", "flip agreement {:.4f}, among the lowest")
# The filter is one of the eigenvalues of the Hessian, after Frangi et al. (MICCAI 1998), Sato et al. (Medical Image Analysis
# 1998) and Lindeberg (IJCV 1998); that images are chosen by it is howfar's own. It needs no model and no map, so it tells
# whether a model's maps are worth more than what any image filter sees.
RIDGE_RESPONSE = _ordered(RIDGE, RIDGE, "ridge response {:.4f}, among the highest", sign=-1.0)
# All N images in order of their share, by the ranks by which `far` goes through its band: systematic sampling of a sorted list
# (Madow & Madow, Annals of Mathematical Statistics 1944), so that images with much foreground, little and none are chosen in
# the proportion in which they occur. An image with labels spends a rank, as in `far`.
SHARE_QUANTILES = FunctionStrategy(
    "share_quantiles",
    (SHARE,),
    True,
    lambda pool, k, rng: far(as_shares(pool), k, low=0.0, high=1.0, labelled=pool.labelled),
    lambda values: f"predicted foreground {100 * values[SHARE]:.2f} %, at an even rank of all",
)
