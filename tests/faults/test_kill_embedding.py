"""A run that is killed at any moment goes on where it was, and ends with the numbers of an undisturbed one."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from howfar.backbones import load_backbone
from howfar.demo import write_dataset
from howfar.store import Store
from recorded_faults import Recorded

HOWFAR = str(Path(sys.executable).parent / "howfar")
BATCH, WORKERS, IMAGES = 8, 2, 120


def command(folders: list[Path], store: Path) -> list[str]:
    options = f"--batch-size {BATCH} --workers {WORKERS} --no-baselines --bootstrap 50 --permutations 49".split()
    return [HOWFAR, "compare", *map(str, folders), "--store", str(store), "--json", *options]


def stored(store: Path) -> int:
    """Count the images of which every feature of the run is stored: the network's, and the hash that finds copies."""
    kinds = [load_backbone(name) for name in ("efficientnet_lite0", "perceptual_hash")]
    return min(len(Store(store).open(kind.identity, sum(kind.layers))) for kind in kinds)


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


@pytest.mark.parametrize("seed", range(1))
def test_kill_and_run_again(seed, folders, undisturbed, tmp_path, recorded):
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
    recorded(
        "SIGKILL", "embed, by a network", 1, "what was stored is not embedded again, and the numbers are the undisturbed ones"
    )


COUNTED = """
import sys
import howfar
from howfar.pipeline import pair_measurement as pairs

measure = pairs.measure
def counted(*given):
    counted.pairs += 1
    return measure(*given)
counted.pairs, pairs.measure = 0, counted
primary, *secondaries = sys.argv[2:]
found = howfar.compare(primary, secondaries, out=sys.argv[1] or None, permutations=99, progress=False)
print(counted.pairs, [(one.name, one.relative, one.relative_ci, one.p_value, one.rivals) for one in found.datasets])
"""


def test_kill_among_the_distances_and_run_again(tmp_path: Path, recorded: Recorded) -> None:
    names = [str(tmp_path / f"set{k}.npy") for k in range(6)]
    for k, name in enumerate(names):
        np.save(name, np.random.default_rng(k).normal(k / 5, 1.0, size=(400 + k, 24)).astype(np.float32))
    run, given = tmp_path / "run", [sys.executable, "-c", COUNTED]
    process = subprocess.Popen([*given, str(run), *names], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while len(list(run.glob(".pairs/*.npz"))) < 2 and process.poll() is None:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = len(list(run.glob(".pairs/*.npz")))
    assert before >= 2
    again, undisturbed = (
        subprocess.run([*given, out, *names], capture_output=True, text=True, check=True).stdout for out in (str(run), "")
    )
    count, _, numbers = again.partition(" ")
    assert int(count) == 5 - before
    assert numbers == undisturbed.partition(" ")[2]
    assert (run / "report.html").is_file()
    assert not (run / ".pairs").exists()
    recorded(
        "SIGKILL",
        "distances of pairs",
        1,
        "pairs that were done are not measured again, and the numbers are the undisturbed ones",
    )
