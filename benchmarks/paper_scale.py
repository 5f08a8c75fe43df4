"""The size of the paper's scene study: one primary dataset against 364 others of 5,000 images each, and all pairs of the 365.

The embeddings are made, seeded, and lie on disk (5.6 GB at the full size). Both jobs run in processes of their own: time, and
peak memory above what the imports take. Of all pairs a share is measured, and the whole is estimated from it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from record import leave, parser

COMMON = """
import json, sys, time
from pathlib import Path
from howfar.testing.memory import peak_mib
import howfar
{imports}
files = sorted(Path(sys.argv[1]).glob("*.npy"))[: int(sys.argv[2])]
before, begin = peak_mib(), time.perf_counter()
{job}
print(json.dumps({{"seconds": time.perf_counter() - begin, "mib": peak_mib() - before, "pairs": pairs, "said": said}}))
"""
ONE = """
found = howfar.compare(str(files[0]), list(map(str, files[1:])), bootstrap=int(sys.argv[3]), permutations=0, rivals=False)
pairs, said = len(found.datasets), {one.name: one.relative for one in found.datasets[:3]}
"""
ALL = """
found = howfar.matrix(list(map(str, files)), progress=False)
pairs, said = len(found.pairs), {}
"""


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--sets", type=int, default=365)
    options.add_argument("--images", type=int, default=5_000)
    options.add_argument("--dimensions", type=int, default=768)
    options.add_argument("--bootstrap", type=int, default=1_000)
    options.add_argument("--share", type=float, default=0.1, help="of all pairs that is measured")
    options.add_argument("--folder", type=Path, help="keep the made embeddings there; else they are deleted at the end")
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        place = arguments.folder or Path(scratch)
        made(place, arguments.sets, arguments.images, arguments.dimensions)
        one = timed(ONE, place, arguments.sets, arguments.bootstrap)
        # k (k − 1) / 2 pairs of so many sets are about that share of all.
        some = max(2, round(arguments.sets * arguments.share**0.5))
        every = timed(ALL, place, some, 0)
    total = arguments.sets * (arguments.sets - 1) // 2
    estimate = {"pairs": total, "hours": every["seconds"] / every["pairs"] * total / 3600}
    shape = {name: getattr(arguments, name) for name in ("sets", "images", "dimensions", "bootstrap")}
    leave(
        "paper_scale",
        {**shape, "one against all": one, "pairs": {"sets": some, **every}, "all pairs": estimate},
        arguments.json,
    )


def made(folder: Path, sets: int, images: int, dimensions: int) -> None:
    """Sets of one falling spectrum, each with a centre and a width of its own; those that are there already are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.normal(size=(dimensions, dimensions)))[0] * np.arange(1, dimensions + 1)[:, None] ** -0.5
    for place in range(sets):
        path = folder / f"set{place:03d}.npy"
        if not path.is_file():
            own = np.random.default_rng([1, place])
            centre, width = own.normal(size=dimensions), own.uniform(0.7, 1.3)
            rows = (width * own.normal(size=(images, dimensions)) + 0.5 * centre) @ axes
            np.save(path, rows.astype(np.float32))


def timed(job: str, folder: Path, sets: int, bootstrap: int) -> dict[str, Any]:
    # What is loaded when it is first needed is no part of the work's memory.
    imports = (
        "from howfar.distances import kernel\nimport pyarrow, scipy.stats, torch\nfrom howfar.studies import distance, matrix"
    )
    script = COMMON.format(imports=imports, job=job)
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder), str(sets), str(bootstrap)], capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    main()
