"""Compare what howfar computes by hand with scikit-learn's functions for the same: nearest images, and shrinkage.

Nearest images: the five nearest rows of P to each row of S, both random, whose deviation along component i is 1/i, as in
projected features; peers take turns. The error is against float64 differences, on some of the rows. Beside it stand the error
of both sets moved 1,000 from the origin, and how far copies lie from themselves there. "brute, mended" is scikit-learn's search
by matrix products about P's mean for 3 more neighbours than asked for, whose distances are computed again by differences.

Shrinkage: Ledoit and Wolf's, of some images of more and more features, and peak memory of the whole fit.

Seconds are those of the processor, of all threads together, so that other programs on the machine count little.
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from importlib import metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray
from record import leave, parser, spread
from scipy.spatial import KDTree
from scipy.spatial.distance import cdist
from sklearn.covariance import LedoitWolf, ledoit_wolf_shrinkage
from sklearn.neighbors import NearestNeighbors

from howfar.cpu_cores import numeric_threads
from howfar.distances.knn import knn
from howfar.distances.mahalanobis import Fitted, _ledoit_wolf

Rows = NDArray[np.float64]
K = 5
EXTRA = 3
CHECKED = 200
FAR = 1000.0
IMAGES = 200


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--rows", type=int, nargs="+", default=[2_000, 10_000], help="rows of 25 components")
    options.add_argument(
        "--long", type=int, nargs=2, default=[500, 5_000], help="rows, and their features without a projection"
    )
    options.add_argument("--features", type=int, nargs="+", default=[25, 2_000, 10_000])
    options.add_argument("--wide", type=int, default=5_000, help="features of the fit whose memory is measured")
    options.add_argument("--repeats", type=int, default=3)
    arguments = options.parse_args()
    results = {
        "nearest images": [
            nearest(*shape, arguments.repeats) for shape in [*((m, 25) for m in arguments.rows), arguments.long]
        ],
        "shrinkage": {str(z): shrinkage(z, arguments.repeats) for z in arguments.features},
        "memory of a fit": memory(arguments.wide),
        "peers": {"scikit-learn": metadata.version("scikit-learn")},
        "threads": numeric_threads(),
    }
    leave("by_hand", results, arguments.json)


def by_sklearn(s: Rows, p: Rows, algorithm: str) -> Rows:
    search = NearestNeighbors(n_neighbors=K, algorithm=algorithm, n_jobs=numeric_threads()).fit(p)
    return np.asarray(search.kneighbors(s)[0].mean(axis=1))


def mended(s: Rows, p: Rows) -> Rows:
    centre = p.mean(axis=0)
    search = NearestNeighbors(n_neighbors=K + EXTRA, algorithm="brute").fit(p - centre)
    difference = s[:, None] - p[search.kneighbors(s - centre, return_distance=False)]
    return np.asarray(np.sort(np.sqrt(np.einsum("ijk,ijk->ij", difference, difference)), axis=1)[:, :K].mean(axis=1))


def by_scipy(s: Rows, p: Rows) -> Rows:
    return np.asarray(KDTree(p).query(s, K, workers=numeric_threads())[0].mean(axis=1))


SEARCHES: dict[str, Callable[[Rows, Rows], Rows]] = {
    "howfar": lambda s, p: knn(s, p, K),
    "scikit-learn, brute": partial(by_sklearn, algorithm="brute"),
    "scikit-learn, brute, mended": mended,
    "scikit-learn, kd_tree": partial(by_sklearn, algorithm="kd_tree"),
    "scipy, KDTree": by_scipy,
}


def nearest(rows: int, features: int, repeats: int) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    s, p = (rng.normal(size=(rows, features)) / np.arange(1, features + 1) for _ in range(2))
    times: dict[str, list[float]] = {name: [] for name in SEARCHES}
    for turn in range(repeats + 1):
        for name, search in SEARCHES.items():
            begin = time.process_time()
            search(s, p)
            # The first turn compiles.
            times[name] += [time.process_time() - begin] if turn else []
    found = {name: {"CPU seconds": spread(times[name]), **errors(search, s, p)} for name, search in SEARCHES.items()}
    for one in found.values():
        one["times howfar's"] = one["CPU seconds"]["median"] / found["howfar"]["CPU seconds"]["median"]
    return {"rows": rows, "features": features, "by": found}


def errors(search: Callable[[Rows, Rows], Rows], s: Rows, p: Rows) -> dict[str, Any]:
    part = s[:CHECKED]
    copies = np.repeat(p[: CHECKED // K], K, axis=0) + FAR
    return {
        "error": error(search(part, p), part, p),
        "error far away": error(search(part + FAR, p + FAR), part + FAR, p + FAR),
        "copies far away": float(search(copies, copies).max()),
    }


def error(found: Rows, s: Rows, p: Rows) -> float:
    """Compute the largest relative error of the mean distances."""
    wanted = np.sort(cdist(s, p), axis=1)[:, :K].mean(axis=1)
    return float(np.abs(found / wanted - 1).max())


def shrinkage(z: int, repeats: int) -> dict[str, Any]:
    x = np.random.default_rng(0).normal(size=(IMAGES, z))
    x -= x.mean(axis=0)
    ours, found = timed(lambda: _ledoit_wolf(x), repeats)
    theirs, wanted = timed(lambda: ledoit_wolf_shrinkage(x, assume_centered=True), repeats)
    return {"howfar, CPU seconds": spread(ours), "scikit-learn, CPU seconds": spread(theirs), "difference": abs(found - wanted)}


def memory(z: int) -> dict[str, float]:
    x = np.random.default_rng(0).normal(size=(IMAGES, z))
    return {
        "features": z,
        "howfar, MiB": peak(lambda: Fitted.on(x)),
        "scikit-learn, MiB": peak(lambda: LedoitWolf(store_precision=False).fit(x)),
    }


def timed(work: Callable[[], Any], repeats: int) -> tuple[list[float], Any]:
    times = []
    for _ in range(repeats):
        begin = time.process_time()
        result = work()
        times.append(time.process_time() - begin)
    return times, result


def peak(work: Callable[[], object]) -> float:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] / (1 << 20)
    finally:
        tracemalloc.stop()


if __name__ == "__main__":
    main()
