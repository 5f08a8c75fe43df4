"""Compare howfar's dataset distances with a few lines of NumPy each, on float32 features such as a store holds.

Both take the same two random datasets, in turns, so that a busy machine slows both; compared are CPU seconds of the process.
The error is against the same quantity in float64, of three pairs of datasets: one that differs, the same 100 deviations from
the origin, and two samples of one distribution, where the terms of a distance all but cancel.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from record import leave, parser, spread

from howfar.distances import energy, frechet, kid, mind, mmd, sliced_wasserstein
from howfar.distances.sliced_wasserstein import _directions

Features = NDArray[Any]
Distance = Callable[[Features, Features], float]
LINES = 256
MIND_LINES = 1000


def numpy_frechet(s: Features, p: Features) -> float:
    cov_s, cov_p, apart = np.cov(s.T), np.cov(p.T), s.mean(axis=0) - p.mean(axis=0)
    values, axes = np.linalg.eigh(cov_s)
    root = (axes * np.sqrt(values.clip(0))) @ axes.T
    cross = np.sqrt(np.linalg.eigvalsh(root @ cov_p @ root).clip(0)).sum()
    return float(apart @ apart + np.trace(cov_s) + np.trace(cov_p) - 2 * cross)


def numpy_kid(s: Features, p: Features) -> float:
    ss, pp, sp = ((a @ b.T / a.shape[1] + 1) ** 3 for a, b in ((s, s), (p, p), (s, p)))
    own = [(k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)) for k in (ss, pp)]
    return float(own[0] + own[1] - 2 * sp.mean())


def distances(a: Features, b: Features) -> Features:
    squared = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1) - 2 * (a @ b.T)
    return np.sqrt(np.maximum(squared, 0))


def numpy_energy(s: Features, p: Features) -> float:
    return float(2 * distances(s, p).mean() - distances(s, s).mean() - distances(p, p).mean())


def numpy_mmd(s: Features, p: Features) -> float:
    ss, pp, sp = distances(s, s), distances(p, p), distances(s, p)
    pairs = [ss[np.triu_indices(len(s), 1)], pp[np.triu_indices(len(p), 1)], sp.ravel()]
    width = np.median(np.concatenate(pairs))
    own_s, own_p, both = (np.exp(-(d**2) / (2 * width**2)).mean() for d in (ss, pp, sp))
    return float(own_s + own_p - 2 * both)


def numpy_slices(s: Features, p: Features, count: int) -> float:
    lines = _directions(count, s.shape[1], np.random.default_rng(0)).astype(s.dtype)
    along_s, along_p = np.sort(s @ lines, axis=0), np.sort(p @ lines, axis=0)
    return float(np.mean((along_s - along_p) ** 2))


def numpy_sliced_wasserstein(s: Features, p: Features) -> float:
    return float(np.sqrt(numpy_slices(s, p, LINES)))


def numpy_mind(s: Features, p: Features) -> float:
    return 3 * s.shape[1] * numpy_slices(s, p, MIND_LINES)


COMPARED: dict[str, tuple[Distance, Distance]] = {
    "frechet": (frechet, numpy_frechet),
    "kid": (kid, numpy_kid),
    "energy": (energy, numpy_energy),
    "mmd": (mmd, numpy_mmd),
    "sliced_wasserstein": (sliced_wasserstein, numpy_sliced_wasserstein),
    "mind": (mind, numpy_mind),
}


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--images", type=int, default=5000)
    options.add_argument("--features", type=int, default=1280)
    options.add_argument("--repeats", type=int, default=3)
    arguments = options.parse_args()
    size = arguments.images, arguments.features
    rng = np.random.default_rng(0)
    p, alike = (rng.normal(size=size).astype(np.float32) for _ in range(2))
    s = rng.normal(0.05, 1.1, size=size).astype(np.float32)
    pairs = {"different": (s, p), "far from the origin": (s + np.float32(100), p + np.float32(100)), "alike": (alike, p)}
    found = {}
    for name, (ours, peer) in COMPARED.items():
        seconds = in_turns({"howfar": ours, "numpy": peer}, s, p, arguments.repeats)
        medians = {who: times["median"] for who, times in seconds.items()}
        errors = {kind: judged(ours, peer, *pair, name) for kind, pair in pairs.items()}
        found[name] = {"seconds": seconds, "times numpy's": medians["howfar"] / medians["numpy"], "pairs": errors}
    leave("rivals", {"images": arguments.images, "features": arguments.features, "by": found}, arguments.json)


def in_turns(by: dict[str, Distance], s: Features, p: Features, repeats: int) -> dict[str, dict[str, float]]:
    """Take CPU seconds of each, one after the other, `repeats` times after a first time that does not count."""
    times: dict[str, list[float]] = {who: [] for who in by}
    for turn in range(repeats + 1):
        for who, distance in by.items():
            begin = time.process_time()
            distance(s, p)
            if turn:
                times[who].append(time.process_time() - begin)
    return {who: spread(seconds) for who, seconds in times.items()}


def judged(ours: Distance, peer: Distance, s: Features, p: Features, name: str) -> dict[str, float | None]:
    """Compare both values with float64's, taken about P's mean where the distance does not depend on the origin."""
    centre = 0.0 if name == "kid" else p.mean(axis=0, dtype=np.float64)
    wanted = peer(s - np.float64(centre), p - np.float64(centre))
    values = {"howfar": ours(s, p), "numpy": peer(s, p)}
    return {"float64": wanted} | {f"error of {who}": abs(value / wanted - 1) for who, value in values.items()}


if __name__ == "__main__":
    main()
