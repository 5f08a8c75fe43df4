"""Kill a run with SIGKILL at random moments while it embeds, run it again, and compare with an undisturbed one."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from record import leave, parser

from howfar.backbones import load_backbone
from howfar.demo import write_dataset
from howfar.store import Store

# The command, with a line written for each batch as soon as the network has run on it, before it is stored.
JOB = """
import os, sys
from howfar.backbones.torch_backbone import TorchBackbone
from howfar.cli.main import run
plain = TorchBackbone.embed
def embed(self, batch):
    rows = plain(self, batch)
    with open(sys.argv[1], "a") as log:
        log.write(f"{len(batch)}\\n")
    return rows
TorchBackbone.embed = embed
sys.exit(run(sys.argv[2:]))
"""


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--images", type=int, default=500)
    options.add_argument("--kills", type=int, default=10)
    options.add_argument("--batch-size", type=int, default=16)
    options.add_argument("--workers", type=int, default=2)
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folders = [Path(scratch) / "roads", Path(scratch) / "site"]
        write_dataset(folders[0], arguments.images // 2, seed=1)
        write_dataset(folders[1], arguments.images - arguments.images // 2, seed=2, shift=0.7, kind="texture")
        sizes = ["--batch-size", str(arguments.batch_size), "--workers", str(arguments.workers)]
        job = ["compare", *map(str, folders), "--json", *sizes, "--no-baselines", "--permutations", "99"]
        whole = numbers(run(job, Path(scratch) / "whole").stdout)
        kills = [kill(job, Path(scratch) / str(seed), whole, seed, arguments.images) for seed in range(arguments.kills)]
    results = {
        "images": arguments.images,
        "batches in flight": f"{arguments.workers} of {arguments.batch_size}",
        "kills": kills,
        "all equal to the undisturbed run": all(one["same numbers"] for one in kills),
        "most images embedded twice": max(one["embedded twice"] for one in kills),
    }
    leave("resume", results, arguments.json)


def kill(job: list[str], store: Path, whole: dict[str, Any], seed: int, images: int) -> dict[str, Any]:
    rng = random.Random(seed)
    share, delay = rng.uniform(0.0, 0.95), rng.uniform(0.0, 0.3)
    log = store.with_suffix(".log")
    process = subprocess.Popen(command(job, store), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and embedded(log) < share * images:
        time.sleep(0.002)
    time.sleep(delay)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = stored(store)
    again = run(job, store)
    return {
        "killed at": f"{share:.0%} of the images and {delay:.2f} s",
        "finished before the kill": process.returncode == 0,
        "stored at the kill": before,
        "reused": int(re.findall(r"from store=(\d+)", again.stderr)[-1]),
        "embedded twice": embedded(log) - stored(store),
        "same numbers": numbers(again.stdout) == whole,
    }


def embedded(log: Path) -> int:
    return sum(int(line) for line in log.read_text(encoding="utf-8").split()) if log.is_file() else 0


def command(job: list[str], store: Path) -> list[str]:
    return [sys.executable, "-c", JOB, str(store.with_suffix(".log")), *job, "--store", str(store)]


def run(job: list[str], store: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(job, store), capture_output=True, text=True, check=True)


def stored(store: Path) -> int:
    return len(Store(store).open(load_backbone("efficientnet_lite0").identity, 1280))


def numbers(text: str) -> dict[str, Any]:
    document = json.loads(text)
    return {"primary": document["primary"], "datasets": document["datasets"]}


if __name__ == "__main__":
    main()
