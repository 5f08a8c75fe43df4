"""Compare time and peak memory of scoring maps at 100 thresholds with loops over thresholds and with torchmetrics.

The maps are crack-like: thin curves, blurred, with noise and gaps. All programs score the same maps in one run, on one thread,
in turn; their results must be equal, or the run fails.
"""

from __future__ import annotations

import os
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from importlib import metadata
from typing import Any

import numpy as np
from record import leave, parser, spread
from scipy.ndimage import distance_transform_edt, gaussian_filter

from howfar.metrics import THRESHOLDS, f, f_per_image, ods
from howfar.metrics.segmentation import score

Pair = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]
Found = tuple[float, float, np.ndarray[Any, Any]]


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--maps", type=int, default=200)
    options.add_argument("--size", type=int, default=448)
    options.add_argument("--repeats", type=int, default=5)
    options.add_argument("--tolerance-maps", type=int, default=10, help="maps of the comparison with a tolerance of 2 pixels")
    arguments = options.parse_args()
    if "OMP_NUM_THREADS" not in os.environ:
        # Libraries read it when they are loaded, so it must be set before this process begins.
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "OMP_NUM_THREADS": "1"})
    pairs = list(crack_like(arguments.maps, arguments.size))
    ways = {
        "howfar": howfar,
        "loop over thresholds": loop,
        "loop with count_nonzero": tuned_loop,
        "torchmetrics curve": torchmetrics_curve,
    }
    some = pairs[: arguments.tolerance_maps]
    tolerant = {"howfar": lambda maps: howfar(maps, 2.0), "loop over thresholds": loop_within}
    results = {
        "maps": {"count": len(pairs), "size": [arguments.size] * 2, "dtype": "uint8", "thresholds": len(THRESHOLDS)},
        "threads": int(os.environ["OMP_NUM_THREADS"]),
        "seconds": compare(ways, pairs, arguments.repeats),
        f"seconds within 2 pixels, {len(some)} maps": compare(tolerant, some, min(arguments.repeats, 3)),
        "peak memory": memory([max(arguments.maps // 4, 1), arguments.maps], arguments.size),
        "torchmetrics": metadata.version("torchmetrics"),
    }
    leave("scores", results, arguments.json)


def compare(ways: dict[str, Callable[[list[Pair]], Found]], pairs: list[Pair], repeats: int) -> dict[str, Any]:
    """Time each program, compare its time with the first, and check that all results are equal."""
    wanted = next(iter(ways.values()))(pairs)
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for repeat in range(repeats + 1):
        for name, way in ways.items():
            started = time.perf_counter()
            found = way(pairs)
            if repeat:
                taken[name].append(time.perf_counter() - started)
            if found[:2] != wanted[:2] or not np.array_equal(found[2], wanted[2], equal_nan=True):
                raise SystemExit(f"{name} found {found[:2]}, not {wanted[:2]}, or another F of an image or threshold")
    seconds = {name: spread(values) for name, values in taken.items()}
    ours = seconds[next(iter(ways))]["median"]
    ratios = {f"{name} / howfar": round(one["median"] / ours, 1) for name, one in seconds.items() if name != "howfar"}
    return {**seconds, **ratios, "equal": True}


def howfar(pairs: list[Pair], tolerance: float = 0.0) -> Found:
    """Compute ODS, its threshold, and F of each image at each threshold, with pooled F in the last row."""
    counts = score((p for p, _ in pairs), (mask for _, mask in pairs), tolerance).counts
    return (*ods(counts), np.vstack([f_per_image(counts), f(counts)]))


def loop(pairs: list[Pair]) -> Found:
    """Score by a plain loop: for each map and threshold compare, intersect, sum."""
    counts = np.zeros((len(pairs), 100, 4), dtype=np.int64)
    for k, (values, mask) in enumerate(pairs):
        p = values / 255
        for i, t in enumerate(THRESHOLDS):
            positive = p > t
            hits = np.logical_and(positive, mask).sum()
            counts[k, i] = positive.sum(), hits, hits, mask.sum()
    return found(counts)


def tuned_loop(pairs: list[Pair]) -> Found:
    """Score by a faster loop in numpy: 8-bit thresholds, and counts rather than sums."""
    counts = np.zeros((len(pairs), 100, 4), dtype=np.int64)
    # p > t for p = value/255 is value >= this, by the same comparison of floats.
    lowest = [int(np.argmax(np.append(np.arange(256) / 255, np.inf) > t)) for t in THRESHOLDS]
    for k, (values, mask) in enumerate(pairs):
        true = np.count_nonzero(mask)
        for i, least in enumerate(lowest):
            positive = values >= least
            hits = np.count_nonzero(positive & mask)
            counts[k, i] = np.count_nonzero(positive), hits, hits, true
    return found(counts)


def loop_within(pairs: list[Pair], tolerance: float = 2.0) -> Found:
    """Score by a plain loop with a tolerance: for each map and threshold a distance transform."""
    counts = np.zeros((len(pairs), 100, 4), dtype=np.int64)
    for k, (values, mask) in enumerate(pairs):
        p = values / 255
        # With nothing to be near to, the transform is undefined.
        near = distance_transform_edt(~mask) <= tolerance if mask.any() else mask
        for i, t in enumerate(THRESHOLDS):
            positive = p > t
            if positive.any():
                reached = mask & (distance_transform_edt(~positive) <= tolerance)
                counts[k, i, :3] = positive.sum(), np.logical_and(positive, near).sum(), reached.sum()
            counts[k, i, 3] = mask.sum()
    return found(counts)


def torchmetrics_curve(pairs: list[Pair]) -> Found:
    """Score by torchmetrics' binned precision-recall curve, an update a map; p >= t one step of float32 higher is p > t."""
    import torch
    from torchmetrics.classification import BinaryPrecisionRecallCurve

    torch.set_num_threads(1)
    above = np.nextafter(THRESHOLDS.astype(np.float32), np.float32(2))
    curve = BinaryPrecisionRecallCurve(thresholds=torch.from_numpy(above), validate_args=False)
    counts = np.zeros((len(pairs), 100, 4), dtype=np.int64)
    for k, (values, mask) in enumerate(pairs):
        curve.reset()
        curve.update(torch.from_numpy(values) / 255, torch.from_numpy(mask).long())
        fp, tp, fn = (curve.confmat[:, truth, predicted].numpy() for truth, predicted in ((0, 1), (1, 1), (1, 0)))
        counts[k] = np.stack([tp + fp, tp, tp, tp + fn], axis=1)
    return found(counts)


def found(counts: np.ndarray[Any, Any]) -> Found:
    """Compute the scores of (maps, thresholds, [predicted, hits among them, true pixels hit, true pixels])."""
    counts = np.concatenate([counts, counts.sum(axis=0, keepdims=True)]).astype(np.float64)
    predicted, hits, reached, true = np.moveaxis(counts, 2, 0)
    with np.errstate(invalid="ignore"):
        exact = hits == reached
        above = 2 * np.where(exact, hits, hits * reached)
        values = np.nan_to_num(above / np.where(exact, predicted + true, hits * true + reached * predicted))
    values = np.where(true > 0, values, np.nan)
    best = int(np.argmax(values[-1]))
    return float(values[-1, best]), float(THRESHOLDS[best]), values


def memory(counts: list[int], size: int) -> dict[str, Any]:
    """Measure the peak memory of arrays while maps are scored as they are made, in MiB, and that of all maps together."""
    rows = {}
    for count in counts:
        tracemalloc.start()
        score(*apart(crack_like(count, size)))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        rows[f"{count} maps"] = {
            "peak MiB": round(peak / 2**20, 1),
            "maps and masks MiB": round(2 * count * size**2 / 2**20, 1),
        }
    return rows


def apart(pairs: Iterator[Pair]) -> tuple[Iterator[Any], Iterator[Any]]:
    """Split a stream of pairs into one of maps and one of masks, which are read in turn."""
    waiting: list[Any] = []

    def maps() -> Iterator[Any]:
        for values, mask in pairs:
            waiting.append(mask)
            yield values

    def masks() -> Iterator[Any]:
        while waiting:
            yield waiting.pop()

    return maps(), masks()


def crack_like(count: int, size: int) -> Iterator[Pair]:
    """Make maps and masks of a thin curve each, every tenth without one."""
    for seed in range(count):
        rng = np.random.default_rng(seed)
        mask = np.zeros((size, size), dtype=bool)
        if seed % 10:
            across = np.clip(np.cumsum(rng.integers(-1, 2, size)) + size // 2, 2, size - 3)
            for thick in range(-2, 3):
                mask[np.arange(size), across + thick] = True
        seen = gaussian_filter(np.where(rng.random((size, size)) < 0.8, mask, 0.0), 1.5) + 0.1 * rng.random((size, size)) ** 8
        yield (255 * np.clip(seen, 0, 1)).astype(np.uint8), mask


if __name__ == "__main__":
    main()
