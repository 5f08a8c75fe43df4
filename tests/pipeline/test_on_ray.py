"""Embedding on Ray: the same numbers as here, whatever is killed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

pytest.importorskip("ray", reason="needs howfar[ray]")

import howfar
from howfar.data import parse
from howfar.demo import write_dataset
from howfar.errors import RunnerError
from howfar.runners import RayRunner
from worlds.recording_backbone import RecordingBackbone

IMAGES = 60
BATCH = 4
SCRIPT = """
import sys
from pathlib import Path
import howfar
from worlds.recording_backbone import RecordingBackbone

images, store, diary = sys.argv[1:]
howfar.embed(images, RecordingBackbone(Path(diary), 0.1), store, batch_size=4, workers=2, progress=False, runner="ray")
print("done", flush=True)
"""


@pytest.fixture(scope="module", autouse=True)
def _ended() -> Iterator[None]:
    yield
    import ray

    ray.shutdown()


@pytest.fixture
def places(tmp_path) -> tuple[Path, Path, Path]:
    write_dataset(tmp_path / "roads", IMAGES, seed=0, size=32)
    (tmp_path / "diary").mkdir()
    return tmp_path / "roads", tmp_path / "store", tmp_path / "diary"


def begin(*places: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", SCRIPT, *map(str, places)], stdout=subprocess.PIPE, text=True)


def workers(diary: RecordingBackbone, beside: set[int] | None = None) -> set[int]:
    """The processes that have embedded, as soon as one that is not among `beside` has."""
    while not diary.processes() - (beside or set()):
        time.sleep(0.01)
    return diary.processes()


def stored(store: Path) -> Counter[str]:
    """How often each content lies in a shard."""
    found: Counter[str] = Counter()
    for index in store.glob("*/shards/*.parquet"):
        found.update(pq.read_table(index).column("content").to_pylist())
    return found


def complete(places: tuple[Path, Path, Path]) -> bool:
    """Whether the store holds each content once, with the numbers of a local run."""
    images, store, diary = places
    again, local = (
        howfar.embed(images, RecordingBackbone(diary), where, batch_size=BATCH, progress=False)
        for where in (store, store.parent / "local")
    )
    counts = stored(store)
    return (
        np.array_equal(again.to_array(), local.to_array())
        and set(counts) == set(local.contents)
        and set(counts.values()) == {1}
    )


def test_a_backbone_gives_the_same_bits_there_as_here(tmp_path):
    write_dataset(tmp_path / "roads", 20, seed=0, size=64)
    here = howfar.embed(tmp_path / "roads", "efficientnet_lite0", tmp_path / "here", workers=2, progress=False)
    there = howfar.embed(tmp_path / "roads", "efficientnet_lite0", tmp_path / "there", runner="ray", workers=2, progress=False)
    np.testing.assert_array_equal(there.to_array(), here.to_array())
    assert there.images == here.images


def test_a_killed_worker_costs_its_batch_and_nothing_else(places):
    driver = begin(*places)
    os.kill(workers(RecordingBackbone(places[2])).pop(), signal.SIGKILL)
    assert driver.communicate(timeout=300)[0] == "done\n"
    count = sum(RecordingBackbone(places[2]).counts().values())
    assert complete(places)
    # What was in its hands is embedded once more, and nothing besides.
    assert IMAGES <= count <= IMAGES + BATCH


def test_a_killed_driver_loses_what_was_in_hand_and_goes_on(places):
    driver = begin(*places)
    first = workers(RecordingBackbone(places[2]))
    time.sleep(0.5)
    driver.kill()
    driver.communicate(timeout=60)
    before = sum(RecordingBackbone(places[2]).counts().values())
    assert before < IMAGES
    again = begin(*places)
    workers(RecordingBackbone(places[2]), beside=first)
    assert again.communicate(timeout=300)[0] == "done\n"
    count = sum(RecordingBackbone(places[2]).counts().values())
    assert complete(places)
    assert IMAGES <= count <= IMAGES + 2 * BATCH


def test_what_is_no_error_here_is_none_there(places):
    broken = places[0] / "images" / "0003.jpg"
    broken.write_bytes(b"no image")
    found = howfar.embed(places[0], RecordingBackbone(places[2]), places[1], runner="ray", workers=2, progress=False)
    assert [Path(one.path).name for one in found.skipped] == ["0003.jpg"]
    assert len(found) == IMAGES - 1


def test_compare_on_ray_is_compare_here(demo_folders, tmp_path):
    found = []
    for runner in ("local", "ray"):
        howfar_ = Path(sys.executable).with_name("howfar")
        folders = [str(folder) for folder in demo_folders[:3]]
        options = f"--backbone colour_moments --runner {runner} --workers 2 --store {tmp_path / runner} --json".split()
        run = subprocess.run([howfar_, "compare", *folders, *options], capture_output=True, text=True, timeout=300, check=True)
        found.append(json.loads(run.stdout)["datasets"])
    assert found[0] == found[1]


def test_a_worker_of_an_earlier_run_looks_at_the_store_anew(tmp_path):
    (tmp_path / "diary").mkdir()
    write_dataset(tmp_path / "roads", 8, seed=0, size=32)
    run = partial(howfar.embed, tmp_path / "roads", store=tmp_path / "store", workers=1, progress=False)
    run(backbone=RecordingBackbone(tmp_path / "diary"), runner="ray")
    shutil.rmtree(tmp_path / "store")
    # What that worker remembers of the store is gone; the same command, in the same process, fills it again.
    found = run(backbone=RecordingBackbone(tmp_path / "diary"), runner="ray")
    assert len(found) == 8
    assert len(stored(tmp_path / "store")) == len(set(found.contents))


def test_embeddings_that_a_task_cannot_find_are_one_line(tmp_path):
    """As on a machine that does not see the file."""
    import ray

    for name in ("roads", "site"):
        np.save(tmp_path / f"{name}.npy", np.ones((30, 4), np.float32))
    datasets = [parse(str(tmp_path / f"{name}.npy")) for name in ("roads", "site")]
    (tmp_path / "roads.npy").unlink()
    try:
        with pytest.raises(RunnerError, match=r"could not be begun on the cluster \(.*roads.npy.*same place on every machine$"):
            howfar.compare(*datasets, runner=RayRunner(workers=1), progress=False)
    finally:
        ray.shutdown()
