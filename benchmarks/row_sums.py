"""Compare howfar's sums of the distances of every row of S from all rows of P with those of other libraries.

Two random datasets of so many rows in 25 dimensions; all on the same cores. The C peer (row_sums.c) is there where gcc is, and
faiss where it is installed (pip install 'howfar[bench]'). They take turns, by the clock and in CPU seconds. The error is from
float64, on some of the rows; beside it stands the error for a tight cluster far from the origin. With --device cuda howfar and
torch.cdist are measured there too.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from record import leave, parser, spread
from scipy.spatial.distance import cdist
from sklearn.metrics import pairwise_distances_chunked

from howfar.cpu_cores import numeric_threads
from howfar.distances.pairwise_distances import gpu, row_sums

Sums = Callable[[NDArray[np.float32], NDArray[np.float32]], NDArray[np.float64]]
BLOCK = 1000
CHECKED = 100


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--rows", type=int, default=20_000)
    options.add_argument("--dimensions", type=int, default=25)
    options.add_argument("--repeats", type=int, default=5)
    options.add_argument("--device", default="cpu", help="cuda or cuda:1: the sums are taken there too")
    arguments = options.parse_args()
    place = gpu(arguments.device)
    torch.set_num_threads(numeric_threads())
    rng = np.random.default_rng(0)
    s, p = (rng.normal(size=(arguments.rows, arguments.dimensions)).astype(np.float32) for _ in range(2))
    far = (s + np.float32(1000)), (p + np.float32(1000))
    found = {}
    with c_loop() as by_c:
        there = {} if place is None else on_device(str(place))
        contestants = {"howfar": row_sums, **PEERS, **by_c, **by_faiss(), **there}
        timed = in_turns({name: partial(sums, s, p) for name, sums in contestants.items()}, arguments.repeats)
        for name, sums in contestants.items():
            seconds, of_cores = timed[name]
            found[name] = {
                "seconds": seconds,
                "of all cores": of_cores,
                "error": error(sums(s, p), s, p),
                "error of a tight cluster far away": error(sums(*far), *far),
            }
    for one in found.values():
        one["times howfar's"] = one["seconds"]["median"] / found["howfar"]["seconds"]["median"]
    pairs = arguments.rows**2 / found["howfar"]["seconds"]["median"]
    peers = {name: metadata.version(name) for name in ("scikit-learn", *(["faiss-cpu"] if by_faiss() else []))}
    results = {
        "threads": numeric_threads(),
        "pairs": arguments.rows**2,
        "pairs a second": pairs,
        "peers": peers,
        "by": found,
    }
    if place is not None:
        results["gpu"] = torch.cuda.get_device_name(place)
    leave("row_sums", results, arguments.json)


def in_turns(jobs: Mapping[str, Callable[[], Any]], repeats: int) -> dict[str, tuple[dict[str, float], dict[str, float]]]:
    """Run all jobs in turn, once unmeasured, and return the spread of seconds by the clock and of all cores."""
    clock, cores = ({name: list[float]() for name in jobs} for _ in range(2))
    for turn in range(repeats + 1):
        for name, job in jobs.items():
            begin, of_cores = time.perf_counter(), time.process_time()
            job()
            if turn:
                clock[name].append(time.perf_counter() - begin)
                cores[name].append(time.process_time() - of_cores)
    return {name: (spread(clock[name]), spread(cores[name])) for name in jobs}


def error(found: NDArray[np.float64], s: NDArray[np.float32], p: NDArray[np.float32]) -> float:
    """Compute the largest relative error of some rows' sums."""
    wanted = cdist(s[:CHECKED].astype(np.float64), p.astype(np.float64)).sum(axis=1)
    return float(np.abs(found[:CHECKED] / wanted - 1).max())


def blocks(s: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    for start in range(0, len(s), BLOCK):
        yield s[start : start + BLOCK]


def by_scipy(s: NDArray[np.float32], p: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.concatenate([cdist(block, p).sum(axis=1) for block in blocks(s)])


def by_sklearn(s: NDArray[np.float32], p: NDArray[np.float32]) -> NDArray[np.float64]:
    reduced = pairwise_distances_chunked(
        s, p, reduce_func=lambda d, _: d.sum(axis=1, dtype=np.float64), n_jobs=numeric_threads()
    )
    return np.concatenate(list(reduced))


def by_torch(s: NDArray[np.float32], p: NDArray[np.float32], device: str = "cpu") -> NDArray[np.float64]:
    with torch.inference_mode():
        of_s, of_p = torch.from_numpy(s).to(device), torch.from_numpy(p).to(device)
        sums = [torch.cdist(block, of_p).sum(dim=1, dtype=torch.float64) for block in of_s.split(BLOCK)]
        return torch.cat(sums).cpu().numpy()


PEERS: dict[str, Sums] = {"scipy cdist": by_scipy, "scikit-learn chunked": by_sklearn, "torch.cdist": by_torch}


def on_device(device: str) -> dict[str, Sums]:
    """Compute the sums on a GPU, including the transfer of rows and sums."""
    return {
        f"howfar on {device}": lambda s, p: row_sums(s, p, device=device),
        f"torch.cdist on {device}": lambda s, p: by_torch(s, p, device),
    }


def by_faiss() -> dict[str, Sums]:
    """Compute the sums by faiss, where it is installed."""
    try:
        import faiss
    except ImportError:
        return {}
    faiss.omp_set_num_threads(numeric_threads())

    def sums(s: NDArray[np.float32], p: NDArray[np.float32]) -> NDArray[np.float64]:
        squared = (faiss.pairwise_distances(block, p) for block in blocks(s))
        return np.concatenate([np.sqrt(np.maximum(d, 0, out=d), out=d).sum(axis=1, dtype=np.float64) for d in squared])

    return {"faiss": sums}


@contextmanager
def c_loop() -> Iterator[dict[str, Sums]]:
    """Compute the sums by a loop in C, where there is a compiler; rows are centred at P's mean, as howfar's are."""
    if shutil.which("gcc") is None:
        yield {}
        return
    with tempfile.TemporaryDirectory() as scratch:
        library = Path(scratch) / "row_sums.so"
        flags = ["-O3", "-march=native", "-ffast-math", "-fopenmp", "-shared", "-fPIC"]
        subprocess.run(["gcc", *flags, "-o", library, Path(__file__).with_suffix(".c"), "-lm"], check=True)
        function = ctypes.CDLL(str(library)).row_sums
        single, double = (np.ctypeslib.ndpointer(kind, flags="C") for kind in (np.float32, np.float64))
        function.argtypes = [single, single, double, ctypes.c_long, ctypes.c_long, ctypes.c_int]
        function.restype = None

        def sums(s: NDArray[np.float32], p: NDArray[np.float32]) -> NDArray[np.float64]:
            centre = p.mean(axis=0, dtype=np.float64)
            a, b = (s - centre).astype(np.float32), np.ascontiguousarray((p - centre).astype(np.float32).T)
            a = np.pad(a, ((0, -len(a) % 4), (0, 0)))
            out = np.empty(len(a))
            function(a, b, out, len(a), len(p), a.shape[1])
            return out[: len(s)]

        yield {"C": sums}


if __name__ == "__main__":
    main()
