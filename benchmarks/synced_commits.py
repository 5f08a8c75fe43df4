"""Measure what it costs that a batch is on the disk, synced, before it counts as stored: `howfar embed` with fsync and without.

Commands with and without take turns. The seconds that the calls of fsync take are summed over the worker threads, of which one
computes while another waits.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from record import leave, parser, spread

from runners import photographs

COMMAND = """
import json, os, sys, time
synced, spent = os.fsync, []
def fsync(file):
    begun = time.perf_counter()
    if sys.argv[1] == "synced":
        synced(file)
    spent.append(time.perf_counter() - begun)
os.fsync = fsync
import howfar
howfar.embed(sys.argv[2], sys.argv[3], sys.argv[4], progress=False)
print(json.dumps({"calls": len(spent), "seconds": sum(spent)}))
"""
MODES = ("synced", "not synced")


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--images", type=int, default=2000)
    options.add_argument("--size", type=int, nargs=2, default=(320, 240), metavar=("WIDTH", "HEIGHT"))
    options.add_argument("--backbone", default="efficientnet_lite0")
    options.add_argument("--repeats", type=int, default=5)
    arguments = options.parse_args()
    seconds: dict[str, list[float]] = {mode: [] for mode in MODES}
    calls: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as scratch:
        images = photographs(Path(scratch) / "images", arguments.images, tuple(arguments.size))
        embedded(images, arguments.backbone, MODES[0], Path(scratch) / "warm")  # the network is exported
        for repeat in range(arguments.repeats):
            for mode in MODES:
                took, counted = embedded(images, arguments.backbone, mode, Path(scratch) / f"{mode}-{repeat}")
                seconds[mode].append(took)
                calls += [counted] if mode == MODES[0] else []
    found = {mode: spread(values) for mode, values in seconds.items()}
    results = {
        "images": arguments.images,
        "size": list(arguments.size),
        "backbone": arguments.backbone,
        "seconds": found,
        "calls of fsync": calls[0]["calls"],
        "seconds in them": spread([each["seconds"] for each in calls]),
        "synced over not synced": found[MODES[0]]["median"] / found[MODES[1]]["median"],
    }
    leave("synced_commits", results, arguments.json)


def embedded(images: Path, backbone: str, mode: str, store: Path) -> tuple[float, dict[str, float]]:
    """Embed in a process of its own, by the clock, and count its calls of fsync."""
    begun = time.perf_counter()
    command = [sys.executable, "-c", COMMAND, mode, str(images), backbone, str(store)]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return time.perf_counter() - begun, found


if __name__ == "__main__":
    main()
