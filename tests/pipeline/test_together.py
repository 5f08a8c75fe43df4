"""Several processes that embed the same images into one store: nothing is lost, and nothing is done twice."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL.Image import Image

import howfar
from howfar.data.synthetic import write_dataset
from howfar.results import Features

TEN = 10
IMAGES = 60
SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_together import Diary, run
print("ready", flush=True)
sys.stdin.readline()
run(*sys.argv[2:])
print("done", flush=True)
"""


class Diary:
    """A backbone that writes down each picture that it embeds, and takes its time."""

    name = "diary"
    layers = (3,)

    def __init__(self, folder: Path, seconds: float = 0.02) -> None:
        self.identity = {"name": "diary"}
        self.folder, self.seconds = folder, seconds

    def prepare(self, image: Image) -> NDArray[np.uint8]:
        return np.asarray(image.resize((1, 1)))

    def embed(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        time.sleep(self.seconds * len(batch))
        for row in batch:
            with (self.folder / bytes(row).hex()).open("a") as page:
                page.write("+")
        return batch.reshape(len(batch), 3).astype(np.float32)


def run(images: str, store: str, diary: str) -> Features:
    return howfar.embed(images, Diary(Path(diary)), store, batch_size=4, workers=2, progress=False)


def begin(*arguments: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SCRIPT, str(Path(__file__).parent), *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == "ready\n"
    process.stdin.write("go\n")
    process.stdin.flush()


def pages(diary: Path) -> Counter[str]:
    return Counter({page.name: len(page.read_text()) for page in diary.iterdir()})


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path, Path]:
    write_dataset(tmp_path / "roads", IMAGES, seed=0, size=32)
    (tmp_path / "diary").mkdir()
    return tmp_path / "roads", tmp_path / "store", tmp_path / "diary"


def test_ten_processes_lose_and_repeat_nothing(places: tuple[Path, Path, Path]) -> None:
    processes = [begin(*places) for _ in range(TEN)]
    for process in processes:
        go(process)
    assert [process.communicate(timeout=120)[0] for process in processes] == ["done\n"] * TEN
    embedded = pages(places[2])
    # Pictures that are alike at 1×1 share a page, so pages are counted by what the store holds.
    found = run(*map(str, places))
    assert sum(embedded.values()) == len(set(found.contents))
    assert pages(places[2]) == embedded


def test_what_a_killed_process_had_in_hand_is_done_by_another(places: tuple[Path, Path, Path]) -> None:
    processes = [begin(*places) for _ in range(3)]
    for process in processes:
        go(process)
    while not any(places[2].iterdir()):
        time.sleep(0.005)
    processes[0].kill()
    assert [process.communicate(timeout=120)[0] for process in processes[1:]] == ["done\n"] * 2
    processes[0].communicate(timeout=60)
    count = sum(pages(places[2]).values())
    found = run(*map(str, places))
    # Two batches of four at most were in its hands.
    assert len(set(found.contents)) <= count <= len(set(found.contents)) + 8
    assert sum(pages(places[2]).values()) == count
