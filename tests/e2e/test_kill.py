"""A run that is killed at any moment goes on where it was, and ends with the numbers of an undisturbed one."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from howfar.backbones import load_backbone
from howfar.data.synthetic import write_dataset
from howfar.store import Store

HOWFAR = str(Path(sys.executable).parent / "howfar")
BATCH, WORKERS, IMAGES = 8, 2, 120


def command(folders: list[Path], store: Path) -> list[str]:
    options = [
        "--batch-size",
        str(BATCH),
        "--workers",
        str(WORKERS),
        "--no-baselines",
        "--bootstrap",
        "50",
        "--permutations",
        "49",
    ]
    return [HOWFAR, "compare", *map(str, folders), "--store", str(store), "--json", *options]


def stored(store: Path) -> int:
    backbone = load_backbone("efficientnet_lite0")
    return len(Store(store).open(backbone.identity, 1280))


def numbers(text: str) -> dict[str, object]:
    document = json.loads(text)
    return {"primary": document["primary"], "datasets": document["datasets"]}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    base = tmp_path_factory.mktemp("kill")
    write_dataset(base / "roads", IMAGES - 40, seed=1)
    write_dataset(base / "site", 40, seed=2, shift=0.7, kind="texture")
    return [base / "roads", base / "site"]


@pytest.fixture(scope="module")
def undisturbed(folders: list[Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    done = subprocess.run(command(folders, tmp_path_factory.mktemp("whole")), capture_output=True, text=True, check=True)
    return numbers(done.stdout)


@pytest.mark.parametrize("seed", range(3))
def test_kill_and_run_again(seed: int, folders: list[Path], undisturbed: dict[str, object], tmp_path: Path) -> None:
    store = tmp_path / "store"
    target = random.Random(seed).randrange(1, IMAGES - BATCH * WORKERS)
    process = subprocess.Popen(command(folders, store), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while len(list(store.rglob("shards/*.parquet"))) * BATCH < target and process.poll() is None:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = stored(store)
    assert 0 < before <= IMAGES
    again = subprocess.run(command(folders, store), capture_output=True, text=True, check=True)
    assert numbers(again.stdout) == undisturbed
    assert f"from store={before}" in again.stderr
    assert stored(store) == IMAGES
