"""Compare howfar's numbers with themselves, computed in another way: what is left is the rounding to allow for.

Each way of computing is compared with the usual one (float32 features, one thread, large blocks, rows in their order) on pairs
of datasets with more features than images and with fewer, which take the two routes of the projection, and in float64 and in
float32, the two routes of the distances. Two threads, and a processor without its special units (AVX and newer), are processes
of their own, whose environment says so.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Values = dict[str, NDArray[np.float64]]
Pair = tuple[NDArray[np.float64], NDArray[np.float64]]

CASES: Final = {
    "more features than images": (150, 120, 30_000, False),
    "fewer features than images": (600, 500, 60, False),
    "many images": (600, 500, 60, True),
}
"""Images of P, images of S, features, and whether distances are computed in float32, as those of many images are."""
OF_IMAGES: Final = ("i_dist", "i_dist_scaled", "knn", "percentile", "p_value")
OF_DATASETS: Final = ("o_dist", "relative", "energy", "p_value", "explained_variance")
OF_SCORES: Final = ("ods", "ois", "ap", "per_image_f")
ON_A_SCALE: Final = {"i_dist_scaled of an image": 1, "percentile of an image": 100, "p_value of an image": 1}
"""Quantities on a scale from 0, and its length: their differences are shares of it."""
RANKS: Final = ("percentile of an image", "p_value of an image")
OTHER_ROUNDING: Final = ("float64 features", "rows in another order", "small blocks", "two threads", "no special units")
RANK: Final = 0.01
"""Tolerance of ranks: two images whose distances are equal but for rounding may change places, one place among 150."""
DRAWN: Final = ("p_value of the dataset",)
"""What is drawn by the numbers of rows, so that another order is another draw."""
PLAIN: Final = {
    "OPENBLAS_CORETYPE": "Prescott",
}
"""The environment of a process whose loops and products of matrices use no special unit; NumPy's own are added."""
WAYS: Final = (
    "repeated", "in another process", "float64 features", "rows in another order", "small blocks", "two threads",
    "no special units",
)  # fmt: skip


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--json", type=Path, metavar="FILE", help="write the record there")
    options.add_argument("--child", type=Path, metavar="FILE", help="only compute, and write the values there")
    arguments = options.parse_args()
    if arguments.child is not None:
        np.savez(arguments.child, **usual())
        return
    _be_of_one_thread()
    from record import leave

    leave("numerics", {"cases": {name: list(sizes) for name, sizes in CASES.items()}, **table()}, arguments.json)


def _be_of_one_thread() -> None:
    """Begin anew with variables that give libraries one thread each, where they are not set, and let howfar see one core.

    What is called usual is computed here, and the columns are what differs from it.
    """
    if any(os.environ.get(name) != value for name, value in ONE_THREAD.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **ONE_THREAD})
    import howfar.cpu_cores

    howfar.cpu_cores.available_cores = lambda: 1


def table() -> dict[str, Any]:
    """Compute every way, and the worst relative difference of each quantity in each of them."""
    by_way = {way: differences(way) for way in WAYS}
    quantities = list(by_way["repeated"])
    worst = {name: {way: by_way[way][name] for way in WAYS} for name in quantities}
    return {"ways": list(WAYS), "tolerance": {**TOLERANCE, "ranks": RANK}, "worst": worst}


def differences(way: str) -> dict[str, float | None]:
    """Compute the worst relative difference of each quantity, over both pairs, between the usual way and another."""
    expected = usual()
    found = COMPUTED[way]()
    names = list(dict.fromkeys(name.partition("/")[2] for name in expected))
    worst: dict[str, float | None] = {}
    for name in names:
        each = [apart(name, found[key], expected[key]) for key in expected if key.partition("/")[2] == name]
        worst[name] = None if way == "rows in another order" and name in DRAWN else max(each)
    return worst


def tolerance(way: str, name: str) -> float:
    """Return the largest difference of a quantity that is let pass."""
    return RANK if name in RANKS and way in OTHER_ROUNDING else TOLERANCE[way]


def apart(name: str, found: NDArray[np.float64], expected: NDArray[np.float64]) -> float:
    """Compute the largest relative difference of two arrays; two zeros, or two undefined values, are equal."""
    if found.shape != expected.shape or (np.isnan(found) != np.isnan(expected)).any():
        return float("inf")
    known = ~np.isnan(expected) & (found != expected)
    size = ON_A_SCALE.get(name) or np.maximum(np.abs(expected[known]), np.abs(found[known]))
    return float((np.abs(found[known] - expected[known]) / size).max(initial=0.0))


def pair(case: str) -> Pair:
    """Draw two datasets beside the origin, with a spread that falls from feature to feature."""
    n, m, q, _ = CASES[case]
    rng = np.random.default_rng(q)
    spread = 1 / np.sqrt(1 + np.arange(q))
    p, s = rng.normal(size=(n, q)) * spread, rng.normal(size=(m, q)) * spread * 1.2 + 0.1
    # Further from the origin float32 values keep so few digits that their sums in float64 are exact.
    return p + 0.3, s + 0.3


@contextmanager
def loops(single: bool) -> Iterator[None]:
    """Compute distances in float32, as is else done from many millions of pairs on."""
    from howfar.distances import pairwise_distances

    usual_limit = pairwise_distances.SINGLE_FROM
    pairwise_distances.SINGLE_FROM = 0 if single else usual_limit
    try:
        yield
    finally:
        pairwise_distances.SINGLE_FROM = usual_limit


def measured(p: NDArray[Any], s: NDArray[Any], memory: str | None = None) -> Values:
    """Measure one pair of datasets by howfar's public functions."""
    import howfar

    quick: dict[str, Any] = {"components": 10, "bootstrap": 20, "permutations": 99, "rivals": False, "progress": False}
    compared = howfar.compare(p, {"s": s}, memory=memory, **quick)
    images = compared.images
    images = images[images["dataset"] == "s"]
    values = {f"{name} of an image": images[name].to_numpy(np.float64) for name in OF_IMAGES}
    values |= {f"{name} of the dataset": np.array([getattr(compared.datasets[0], name)], np.float64) for name in OF_DATASETS}
    return values | {"self_distance": np.array([compared.primary.self_distance])}


def scores(dtype: type[np.floating[Any]] = np.float32, turned: bool = False) -> Values:
    """Score random maps of 12 images."""
    from howfar.metrics.segmentation import score

    rng = np.random.default_rng(1)
    masks = rng.random((12, 48, 64)) < 0.2
    maps = np.clip(0.35 * masks + 0.6 * rng.random(masks.shape), 0, 1).astype(np.float32).astype(dtype)
    order = np.arange(len(maps))[::-1] if turned else np.arange(len(maps))
    found = score(maps[order], masks[order])
    values = {name: np.atleast_1d(np.asarray(getattr(found, name), np.float64)) for name in OF_SCORES}
    return {name: value[::-1] if turned and len(value) > 1 else value for name, value in values.items()}


def collected(measure: Callable[[Pair], Values], scored: Values) -> Values:
    """Join what is measured of each pair and what is scored, named ``pair/quantity``."""
    joined: Values = {}
    for case in CASES:
        with loops(CASES[case][-1]):
            joined |= {f"{case}/{name}": value for name, value in measure(pair(case)).items()}
    return joined | {f"maps/{name}": value for name, value in scored.items()}


@cache
def usual() -> Values:
    """Compute all by float32 features, in one block, rows in their order."""
    return collected(lambda both: measured(*(each.astype(np.float32) for each in both)), scores())


def doubled() -> Values:
    """Compute all by float64 features and maps."""
    return collected(lambda both: measured(*both), scores(np.float64))


def reordered() -> Values:
    """Compute all with the rows of both datasets in another order, and put the images back into theirs."""

    def measure(both: Pair) -> Values:
        rng = np.random.default_rng(2)
        p, s = (each.astype(np.float32) for each in both)
        order = rng.permutation(len(s))
        values = measured(p[rng.permutation(len(p))], s[order])
        back = np.argsort(order)
        return {name: value[back] if len(value) == len(s) else value for name, value in values.items()}

    return collected(measure, scores(turned=True))


def in_blocks() -> Values:
    """Compute all in as small blocks as the lowest limit of memory makes them that is taken."""
    from howfar.errors import InputError

    def measure(both: Pair) -> Values:
        p, s = (each.astype(np.float32) for each in both)
        lowest = 1
        while True:
            try:
                return measured(p, s, memory=f"{lowest}MB")
            except InputError as error:
                lowest = max(lowest + 1, int(str(error).partition("at least ")[2].partition(" MB")[0]))

    return collected(measure, scores())


def numpy_units() -> list[str]:
    """List the special units that NumPy has loops for and this processor has."""
    extensions: Any = np.show_config(mode="dicts")
    return list(extensions["SIMD Extensions"].get("found", []))


def in_child(**environment: str) -> Callable[[], Values]:
    """Compute all the usual way in a process with variables of its own."""

    def compute() -> Values:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "values.npz"
            start = START.format(threads=environment.get("OMP_NUM_THREADS", "1"))
            variables = {**os.environ, **ONE_THREAD, **environment}
            command = [sys.executable, "-c", start, "--child", str(out)]
            subprocess.run(command, check=True, env=variables, cwd=Path(__file__).parent)
            with np.load(out) as read:
                return dict(read)

    return compute


TOLERANCE: Final = {
    "repeated": 1e-13,
    "in another process": 1e-13,
    "float64 features": 1e-6,
    "rows in another order": 1e-6,
    "small blocks": 1e-6,
    "two threads": 1e-6,
    "no special units": 1e-6,
}
"""Largest difference of all but ranks that is let pass; distances of many images are float32."""
ONE_THREAD: Final = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
START: Final = """
import howfar.cpu_cores
howfar.cpu_cores.available_cores = lambda: {threads}  # two threads may share a core: what is compared is the sums' order
import numerics
numerics.main()
"""
COMPUTED: Final[Mapping[str, Callable[[], Values]]] = {
    "repeated": usual.__wrapped__,
    "in another process": in_child(),
    "float64 features": doubled,
    "rows in another order": reordered,
    "small blocks": in_blocks,
    "two threads": in_child(**dict.fromkeys(ONE_THREAD, "2")),
    "no special units": in_child(**PLAIN, NPY_DISABLE_CPU_FEATURES=" ".join(numpy_units())),
}

if __name__ == "__main__":
    main()
