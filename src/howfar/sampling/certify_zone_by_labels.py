"""Find and certify the largest part of a site (a zone) in which at most a share α of the images scores below a limit τ.

Nested zones P_1 ⊂ P_2 ⊂ … are tested in this order, and the first that fails ends the search: tests in a fixed order need no
correction (Maurer, Hothorn & Lehmacher, 1995; "Learn then Test": Angelopoulos, Bates, Candès, Jordan & Lei, 2021,
https://arxiv.org/abs/2110.01052). One random order of the whole site serves all of them. A test reads the first n images of its
zone in that order, a simple random sample of the zone, and is exact: if more than α M of its M images score below τ, so few of
them are in the sample with a chance of at most 1 − level (hypergeometric). A larger zone shares most of these images with the
one before, so that it costs n (M' − M) / M' further labels on average instead of n.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar.arrays import check_level
from howfar.errors import InputError
from howfar.results.certificate_result import Zone, ZoneTest
from howfar.sampling.design import as_count, as_rng, as_shares, filled

_ZONES = 20
_MOST_ALLOWED = 3
_SPREAD, _BIASES, _FUTURES = 0.15, (-0.15, 0.0, 0.15), 40
"""A plan is chosen to do well if predictions err by this spread, and by each of these biases, in so many draws of each."""


Ladder: TypeAlias = dict[int, NDArray[np.int64]]
"""From a zone's number of images, smallest first, to the ranks of those that its test reads."""


@dataclass(frozen=True, eq=False)
class ZonePlan:
    """Hold the zones to test, and the positions of the images to label, (k,) in order."""

    zone: Zone
    images: NDArray[np.int64]


def plan_zone(
    proxy: ArrayLike,
    k: int,
    *,
    at_least: float,
    wrong: float = 0.1,
    level: float = 0.9,
    begin: tuple[int, int] | None = None,
    seed: int | np.random.Generator = 0,
) -> ZonePlan:
    """Choose the zones to test and at most k images to label, from predictions alone.

    `proxy` (m,) is the predicted performance of all images, by which they are ranked; NaN comes last, ties are in random
    order. Zones are twentieths of the site. The size of the first and the number allowed below τ are those with which most
    images would be certified if predictions erred by 0.15, and on average by −0.15, 0 or 0.15 (40 simulated labellings each);
    `begin` fixes both, so that a larger k goes on with an earlier plan. Wrong predictions make the zone small, not its promise
    false. Raises `InputError`: a value outside its range, or a k that is too small for any test.

    Examples
    --------
    >>> import numpy as np
    >>> from howfar.sampling import plan_zone, zone_tests
    >>> proxy = np.linspace(0, 1, 400)
    >>> plan = plan_zone(proxy, 60, at_least=0.6)
    >>> passed = [test.images for test in zone_tests(plan.zone, proxy[plan.images]) if test.passed]
    >>> 100 < max(passed) < 160 / 0.9
    True
    """
    p, k, rng = as_shares(proxy, "proxy"), as_count(k, "k"), as_rng(seed)
    check_level(level)
    check_level(at_least, "at_least", "")
    check_level(wrong, "wrong", "")
    shuffled = rng.permutation(len(p))
    ranking = shuffled[np.argsort(-np.nan_to_num(p[shuffled], nan=-1.0), kind="stable")]
    order = rng.permutation(len(p))
    sizes = np.unique(np.ceil(np.arange(1, _ZONES + 1) * len(p) / _ZONES).astype(int)).tolist()
    starts = [(size, allowed) for allowed in range(_MOST_ALLOWED) for size in sizes] if begin is None else [begin]
    ladders = {
        (first, allowed): ladder
        for first, allowed in starts
        if (ladder := _ladder(order, [size for size in sizes if size >= first], allowed, k, wrong, level))
    }
    if not ladders:
        fewest = min(fewest_labels(size, allowed, wrong, level) for size, allowed in starts)
        rule = f"must be at least {fewest} for any part of the site to be shown"
        raise InputError.of("k", rule, k, "label more, or raise --wrong")
    if begin is None:
        errors = rng.normal(0.0, _SPREAD, (len(_BIASES), _FUTURES, len(p))) + np.reshape(_BIASES, (-1, 1, 1))
        below = np.asarray((filled(p)[ranking] - errors < at_least).reshape(-1, len(p)))  # (futures, m), best predicted first
        certified = {start: _certified(ladder, start[1], below) for start, ladder in ladders.items()}
        begin = max(certified, key=lambda start: certified[start])
    ladder = ladders[begin]
    ranks = list(dict.fromkeys(rank for read in ladder.values() for rank in read.tolist()))
    place = {rank: position for position, rank in enumerate(ranks)}
    reads = tuple(tuple(place[rank] for rank in read.tolist()) for read in ladder.values())
    zone = Zone(at_least, wrong, k, begin[1], tuple(ranking.tolist()), tuple(ladder), reads)
    return ZonePlan(zone, ranking[np.array(ranks, dtype=np.int64)])


def zone_tests(zone: Zone, values: ArrayLike) -> tuple[ZoneTest, ...]:
    """Test zones in order, by the performance of the first j images of their plan, (j,), until one fails or lacks labels.

    An image without performance (NaN: nothing to find) does not score below τ. The certified zone is the last that passed.
    Raises `InputError`: values outside [0, 1], or more than the plan has images.
    """
    measured = as_shares(values, "values") if np.size(values) else np.zeros(0)
    planned = 1 + max(map(max, zone.reads))
    if len(measured) > planned:
        raise InputError.of("values", f"must be at most the plan's {planned}", len(measured))
    below, tests = measured < zone.at_least, []
    for size, reads in zip(zone.sizes, zone.reads, strict=True):
        places = np.array(reads)
        known = places[places < len(measured)]
        failures = int(below[known].sum())
        passed = False if failures > zone.allowed else None if len(known) < len(places) else True
        tests.append(ZoneTest(size, len(places), failures, zone.allowed, passed))
        if not passed:
            break
    return tuple(tests)


@lru_cache(maxsize=4096)
def fewest_labels(size: int, allowed: int, wrong: float, level: float) -> int:
    """Return the least n ≤ `size` for which `allowed` of n below τ show at `level` that at most `wrong` of all images are."""
    from scipy.stats import hypergeom

    too_many = int(wrong * size + 1e-9) + 1

    def shows(labels: int) -> bool:
        return bool(hypergeom.cdf(allowed, size, too_many, labels) <= 1.0 - level + 1e-12)

    return bisect_left(range(size), True, lo=1, key=shows)


def _ladder(order: NDArray[np.int64], sizes: Sequence[int], allowed: int, k: int, wrong: float, level: float) -> Ladder:
    """Return the zones that k labels can test, from the smallest of `sizes` up; `order` are ranks in random order."""
    ladder: Ladder = {}
    labelled: set[int] = set()
    for size in sizes:
        if int(wrong * size + 1e-9) < allowed:
            return {}
        ranks = order[order < size][: fewest_labels(size, allowed, wrong, level)]
        labelled |= set(ranks.tolist())
        if len(labelled) > k:
            break
        ladder[size] = ranks
    return ladder


def _certified(ladder: Ladder, allowed: int, below: NDArray[np.bool_]) -> float:
    """Return the mean number of images that the tests certify in simulated futures, where the images `below` score less."""
    going, certified = np.ones(len(below), dtype=bool), np.zeros(len(below))
    for size, ranks in ladder.items():
        going &= below[:, ranks].sum(axis=1) <= allowed
        certified[going] = size
    return float(certified.mean())
