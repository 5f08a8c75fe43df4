"""Compare time and peak memory of an exact joint PCA by howfar, from a store on disk, with scikit-learn in memory.

Wide: few images of very long features, the Gram route; long: still longer features, by howfar alone. Tall: many images of
short features, the covariance route, for the first secondary and for a further one against the same P. Every job runs in a
process of its own; memory is the peak above what the interpreter with its imports takes. The error is that of all distances
between P and S in the projected space, against float64. scikit-learn's default solver depends on the shape: the record says
which it was.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
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
from howfar.testing.peak_memory import peak_mib
import numpy as np
from scipy.spatial.distance import cdist
from howfar.store import Store
{imports}
store = Store(sys.argv[1]).open({{"name": "made"}}, int(sys.argv[2]))
n, m = int(sys.argv[3]), int(sys.argv[4])
p, s = (store.select([str(k) for k in range(*ends)]) for ends in ((0, n), (n, n + m)))
before, started = peak_mib(), time.process_time()
{job}
print(json.dumps({{"seconds": seconds, "cpu": time.process_time() - started, "mib": peak_mib() - before, "solver": solver}}))
np.save(sys.argv[5], cdist(found[1][:200], found[0]))
"""
HOWFAR = """
begin = time.perf_counter()
projector = Projector(p)
pair = next(projector.project([s]))
seconds, solver, found = time.perf_counter() - begin, "exact", (pair.primary, pair.secondary)
"""
FURTHER = """
projector = Projector(p)
next(projector.project([store.select([str(k) for k in range(n + m, n + 2 * m)])]))
begin, started = time.perf_counter(), time.process_time()
pair = next(projector.project([s]))
seconds, solver, found = time.perf_counter() - begin, "exact", (pair.primary, pair.secondary)
"""
DOUBLE = "gram.SINGLE_FROM = moments.SINGLE_FROM = 1 << 62\n" + HOWFAR
SKLEARN = """
both = np.concatenate([p.rows(0, n), s.rows(0, m)])
begin, started = time.perf_counter(), time.process_time()
pca = PCA({kept}, svd_solver={solver!r})
scores = pca.fit_transform(both)
seconds, solver, found = time.perf_counter() - begin, pca._fit_svd_solver, (scores[:n], scores[n:])
"""
HOW = "from howfar.projection.projector import Projector\nfrom howfar.projection import gram, moments"
SCI = "from sklearn.decomposition import PCA"


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--wide", type=int, nargs=2, default=(760, 1_000_000), metavar=("ROWS", "COLUMNS"))
    options.add_argument("--tall", type=int, nargs=2, default=(20_000, 768), metavar=("ROWS", "COLUMNS"))
    options.add_argument("--repeats", type=int, default=3)
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
    with tempfile.TemporaryDirectory(dir=arguments.folder) as scratch:
        place = Path(scratch) if arguments.folder is None else arguments.folder
        wide = measured(place / "wide", *arguments.wide, arguments.repeats, Path(scratch), full=arguments.full)
        tall = measured(place / "tall", *arguments.tall, arguments.repeats, Path(scratch), further=True)
        found = {"wide": wide, "tall": tall}
        if arguments.long:
            found["long"] = measured(Path(scratch) / "long", *arguments.long, arguments.repeats, Path(scratch), peers=False)
    peers = {"scikit-learn": metadata.version("scikit-learn")}
    leave("joint_pca", {"components": KEPT, "peers": peers, **found}, arguments.json)


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
    jobs = {"howfar": (HOW, HOWFAR, repeats), "float64": (HOW, DOUBLE, 1)}
    if further:
        jobs["howfar, a further secondary"] = (HOW, FURTHER, repeats)
    if peers:
        jobs["scikit-learn, default"] = (SCI, SKLEARN.format(kept=KEPT, solver="auto"), repeats)
    if full:
        jobs["scikit-learn, full"] = (SCI, SKLEARN.format(kept=KEPT, solver="full"), 1)
    found = {}
    for place, (name, (imports, job, count)) in enumerate(jobs.items()):
        found[name] = timed(imports, job, sizes, count, scratch / f"{place}.npy")
    exact = np.load(scratch / "1.npy")
    for place, name in enumerate(jobs):
        distances = np.load(scratch / f"{place}.npy")
        found[name]["largest error of a distance"] = float(np.abs(distances / exact - 1).max())
        found[name]["times howfar's"] = found[name]["seconds"]["median"] / found["howfar"]["seconds"]["median"]
    return {"P": n, "S": m, "q": columns, "by": found}


def timed(imports: str, job: str, sizes: list[str], repeats: int, out: Path) -> dict[str, Any]:
    script = COMMON.format(imports=imports, job=job)
    said: list[Mapping[str, Any]] = []
    for _ in range(repeats):
        done = subprocess.run([sys.executable, "-c", script, *sizes, str(out)], capture_output=True, text=True, check=True)
        said.append(json.loads(done.stdout))
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
