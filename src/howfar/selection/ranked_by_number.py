"""Choose images to label by one number each: distance, uncertainty, mirror disagreement, line-filter response or foreground."""

import warnings
from collections.abc import Iterator, Mapping
from itertools import islice

import numpy as np
from numpy.typing import ArrayLike

from howfar.errors import InputError
from howfar.selection.candidates import Candidates, FunctionStrategy, Mask, Positions
from howfar.selection.random_draws import SHARE, as_shares

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
