"""Compare time and peak memory of an exact joint PCA by howfar, from a store on disk, with scikit-learn in memory.

Wide: few images of very long features, the Gram route; long: still longer features, by howfar alone. Tall: many images of
short features, the covariance route, for the first secondary and for a further one against the same P, from disk and from
memory. Every job runs in a process of its own, with as many threads of linear algebra as ``--threads`` says, and the jobs take
turns; they are compared by CPU seconds, which other work on the machine moves least. Memory is the peak above what the
interpreter with its imports takes. The error is that of all distances between P and S in the projected space, against float64.
scikit-learn's default solver depends on the shape: the record says which it was.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from record import leave, parser, spread

from howfar.store import Store

KEPT = 25
SHARE_OF_P = 0.5
ADDED = 20

# What each process runs: it reads the store at argv[1], and prints seconds, peak MiB above the imports, and saves distances.
COMMON = """
import json, sys, time
from pathlib import Path
from howfar.memory import peak_mib
import numpy as np
from scipy.spatial.distance import cdist
from howfar.store import Store
{imports}
store = Store(sys.argv[1]).open({{"name": "made"}}, int(sys.argv[2]))
n, m = int(sys.argv[3]), int(sys.argv[4])
p, s = (store.select([str(k) for k in range(*ends)]) for ends in ((0, n), (n, n + m)))
before = peak_mib()
{job}
print(json.dumps({{"seconds": seconds, "cpu": cpu, "mib": peak_mib() - before, "solver": solver}}))
np.save(sys.argv[5], cdist(found[1][:200], found[0]))
"""
HOWFAR = """
{given}
begin, started = time.perf_counter(), time.process_time()
projector = Projector(p)
{earlier}
pair = next(projector.project([s]))
seconds, cpu = time.perf_counter() - begin, time.process_time() - started
solver, found = "exact", (pair.primary, pair.secondary)
"""
MEMORY = "p, s = p.rows(0, n), s.rows(0, m)"
EARLIER = """
next(projector.project([store.select([str(k) for k in range(n + m, n + 2 * m)])]))
begin, started = time.perf_counter(), time.process_time()
"""
DOUBLE = "gram_and_moments.GRAM_LARGE = gram_and_moments.MOMENTS_LARGE = 1 << 62"
SKLEARN = """
both = np.concatenate([p.rows(0, n), s.rows(0, m)])
begin, started = time.perf_counter(), time.process_time()
pca = PCA({kept}, svd_solver={solver!r})
scores = pca.fit_transform(both)
seconds, cpu = time.perf_counter() - begin, time.process_time() - started
solver, found = pca._fit_svd_solver, (scores[:n], scores[n:])
"""
HOW = "from howfar.projection.projector import Projector\nfrom howfar.projection import gram_and_moments"
SCI = "from sklearn.decomposition import PCA"


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--cases", nargs="+", choices=("tall", "wide"), default=("tall", "wide"), help="which of the two")
    options.add_argument("--wide", type=int, nargs=2, default=(760, 1_000_000), metavar=("ROWS", "COLUMNS"))
    options.add_argument("--tall", type=int, nargs=2, default=(20_000, 768), metavar=("ROWS", "COLUMNS"))
    options.add_argument("--repeats", type=int, default=3, help="of each job of the wide and the long case")
    options.add_argument("--tall-repeats", type=int, default=9, help="of each job of the tall case, which takes a second")
    options.add_argument("--threads", type=int, default=1, help="of linear algebra, for every job alike")
    options.add_argument("--full", action="store_true", help="scikit-learn's full solver on the wide case too, once: minutes")
    options.add_argument(
        "--long",
        type=int,
        nargs=2,
        metavar=("ROWS", "COLUMNS"),
        help="howfar alone on this too, 760 6121472 say: 18.6 GB, deleted after",
    )
    options.add_argument("--folder", type=Path, help="keep the made features there; else they are deleted at the end")
    arguments = options.parse_args()
    # Read by the processes that are started, where each library loads its own linear algebra.
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(arguments.threads))
    with tempfile.TemporaryDirectory(dir=arguments.folder) as scratch:
        place = Path(scratch) if arguments.folder is None else arguments.folder
        found = {}
        if "tall" in arguments.cases:
            found["tall"] = measured(place / "tall", *arguments.tall, arguments.tall_repeats, Path(scratch), further=True)
        if "wide" in arguments.cases:
            found["wide"] = measured(place / "wide", *arguments.wide, arguments.repeats, Path(scratch), full=arguments.full)
        if arguments.long:
            found["long"] = measured(Path(scratch) / "long", *arguments.long, arguments.repeats, Path(scratch), peers=False)
    peers = {"scikit-learn": metadata.version("scikit-learn")}
    leave("joint_pca", {"components": KEPT, "threads": arguments.threads, "peers": peers, **found}, arguments.json)


def measured(
    folder: Path,
    rows: int,
    columns: int,
    repeats: int,
    scratch: Path,
    *,
    full: bool = False,
    further: bool = False,
    peers: bool = True,
) -> dict[str, Any]:
    n = int(rows * SHARE_OF_P)
    m = rows - n
    made(folder, n + 2 * m if further else rows, columns)
    sizes = [str(folder), str(columns), str(n), str(m)]
    jobs = {
        "howfar": (HOW, HOWFAR.format(given="", earlier=""), repeats),
        "float64": (HOW, HOWFAR.format(given=DOUBLE, earlier=""), 1),
    }
    if further:
        jobs["howfar, features in memory"] = (HOW, HOWFAR.format(given=MEMORY, earlier=""), repeats)
        jobs["howfar, a further secondary"] = (HOW, HOWFAR.format(given="", earlier=EARLIER), repeats)
    if peers:
        jobs["scikit-learn, default"] = (SCI, SKLEARN.format(kept=KEPT, solver="auto"), repeats)
    if full:
        jobs["scikit-learn, full"] = (SCI, SKLEARN.format(kept=KEPT, solver="full"), 1)
    said: dict[str, list[dict[str, Any]]] = {name: [] for name in jobs}
    for turn in range(repeats):
        for place, (name, (imports, job, count)) in enumerate(jobs.items()):
            if turn < count:
                said[name].append(run(imports, job, sizes, scratch / f"{place}.npy"))
    exact, found = np.load(scratch / "1.npy"), {name: summary(runs) for name, runs in said.items()}
    for place, name in enumerate(jobs):
        distances = np.load(scratch / f"{place}.npy")
        found[name]["largest error of a distance"] = float(np.abs(distances / exact - 1).max())
        found[name]["times howfar's"] = found[name]["CPU seconds"]["median"] / found["howfar"]["CPU seconds"]["median"]
    return {"P": n, "S": m, "q": columns, "by": found}


def run(imports: str, job: str, sizes: list[str], out: Path) -> dict[str, Any]:
    script = COMMON.format(imports=imports, job=job)
    done = subprocess.run([sys.executable, "-c", script, *sizes, str(out)], capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def summary(said: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "seconds": spread([one["seconds"] for one in said]),
        "CPU seconds": spread([one["cpu"] for one in said]),
        "peak MiB above the imports": max(one["mib"] for one in said),
        "solver": said[0]["solver"],
    }


def made(folder: Path, rows: int, columns: int) -> None:
    """Make features of a falling spectrum with noise, the second half moved a little; existing ones are kept."""
    store = Store(folder).open({"name": "made"}, columns)
    rng = np.random.default_rng(0)
    axes = rng.standard_normal((40, columns), np.float32) * (np.arange(1, 41, dtype=np.float32) ** -0.5)[:, None]
    for start in range(len(store), rows, ADDED):
        count = min(ADDED, rows - start)
        rng = np.random.default_rng([1, start])
        block = rng.standard_normal((count, columns), np.float32)
        for axis, by in zip(axes, rng.standard_normal((40, count), np.float32), strict=True):
            block += by[:, None] * axis
        block += np.float32(0.3 if start >= rows // 2 else 0.0)
        names = [str(k) for k in range(start, start + count)]
        store.add(names, names, block)
    store.pack()


if __name__ == "__main__":
    main()
