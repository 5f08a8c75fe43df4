"""Measure time and memory at the size of the paper's scene study: one dataset against 364 others, and all pairs of the 365.

The embeddings are made, seeded, and lie on disk (5.6 GB at the full size). Both jobs run in processes of their own: time by the
clock and of all cores, peak memory above what the imports take and altogether. Of all pairs a share is measured, killed half
way and run again; what all would take is estimated from the share.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from record import leave, parser

# As the command line does. What is loaded when it is first needed is no part of the work's memory or time.
COMMON = """
import json, sys, time
from pathlib import Path
from howfar.cpu_cores import wait_briefly
wait_briefly()
import pyarrow, scipy.stats
import howfar
from importlib import import_module
from howfar.studies import compare_datasets as distance
matrix = import_module("howfar.studies.distance_matrix")
from howfar.memory import peak_mib
files = list(map(str, sorted(Path(sys.argv[1]).glob("set*.npy"))[: int(sys.argv[2])]))
before, begin, of_cores = peak_mib(), time.perf_counter(), time.process_time()
print("begun", flush=True)
{job}
found = {{"seconds": time.perf_counter() - begin, "of all cores": time.process_time() - of_cores, **found}}
print(json.dumps({{**found, "mib": peak_mib() - before, "mib with imports": peak_mib()}}))
"""
ONE = """
said = howfar.compare(files[0], files[1:], bootstrap=int(sys.argv[3]), permutations=0, rivals=False)
found = {"pairs": len(said.datasets), "said": {one.name: one.relative for one in said.datasets[:3]}}
"""
ALL = """
between = matrix.between
def counted(*given):
    counted.pairs += 1
    return between(*given)
counted.pairs, matrix.between = 0, counted
said = howfar.matrix(files, out=sys.argv[3], progress=False)
found = {"pairs": len(said.pairs), "measured": counted.pairs}
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
        one = finished(begun(ONE, place, arguments.sets, str(arguments.bootstrap)))
        # k (k − 1) / 2 pairs of so many sets are about that share of all.
        some = max(2, round(arguments.sets * arguments.share**0.5))
        every = killed_and_resumed(place, some, Path(scratch) / "matrix")
    total = arguments.sets * (arguments.sets - 1) // 2
    estimate = {"pairs": total, "hours": every["seconds a pair"] * total / 3600}
    shape = {name: getattr(arguments, name) for name in ("sets", "images", "dimensions", "bootstrap")}
    one["seconds a pair"] = one["seconds"] / one["pairs"]
    found = {"one against all": one, "share of all pairs": every, "all pairs": estimate}
    leave("paper_scale", shape | found, arguments.json)


def made(folder: Path, sets: int, images: int, dimensions: int) -> None:
    """Make datasets of one falling spectrum, each with its own centre and width; existing ones are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.normal(size=(dimensions, dimensions)))[0] * np.arange(1, dimensions + 1)[:, None] ** -0.5
    for place in range(sets):
        path = folder / f"set{place:03d}.npy"
        if not path.is_file():
            own = np.random.default_rng([1, place])
            centre, width = own.normal(size=dimensions), own.uniform(0.7, 1.3)
            rows = (width * own.normal(size=(images, dimensions)) + 0.5 * centre) @ axes
            part = path.with_name(f"part-{path.name}")
            np.save(part, rows.astype(np.float32))
            part.rename(path)


def killed_and_resumed(folder: Path, sets: int, out: Path) -> dict[str, Any]:
    """Measure all pairs of some datasets, with a kill once half of them are measured, and run again."""
    pairs = sets * (sets - 1) // 2
    process, begin = begun(ALL, folder, sets, str(out)), time.perf_counter()
    while process.poll() is None and kept(out) < pairs // 2:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    first = time.perf_counter() - begin
    process.communicate()
    before = kept(out) if process.returncode else pairs
    again = finished(begun(ALL, folder, sets, str(out)))
    return {
        "sets": sets,
        "finished before the kill": process.returncode == 0,
        "kept at the kill": before,
        "seconds before the kill": first,
        "run again": again,
        "none measured twice": before + again["measured"] == again["pairs"],
        "seconds a pair": (first + again["seconds"]) / again["pairs"],
    }


def kept(out: Path) -> int:
    """Count the pairs in the journal."""
    journal = out / "pairs.jsonl"
    return journal.read_bytes().count(b"\n") if journal.is_file() else 0


def begun(job: str, folder: Path, sets: int, *more: str) -> subprocess.Popen[str]:
    """Start a job in a process of its own, and wait until it has loaded what it needs."""
    command = [sys.executable, "-c", COMMON.format(job=job), str(folder), str(sets), *more]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    if process.stdout is None or process.stdout.readline() != "begun\n":
        raise SystemExit(f"the job did not begin: {process.wait()}")
    return process


def finished(process: subprocess.Popen[str]) -> dict[str, Any]:
    text, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"the job failed: {process.returncode}")
    found: dict[str, Any] = json.loads(text)
    return found


if __name__ == "__main__":
    main()
