"""Several processes that embed the same images into one store: nothing is lost, and nothing is done twice."""

import math
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import howfar
from howfar import progress
from howfar.data import content_hash
from howfar.demo import write_dataset
from howfar.pipeline import embedding
from howfar.results import Features
from worlds.recording_backbone import RecordingBackbone

TEN = 10
IMAGES = 60
SCRIPT = """
import sys
from pathlib import Path
import howfar
from worlds.recording_backbone import RecordingBackbone

print("ready", flush=True)
sys.stdin.readline()
images, store, diary = sys.argv[1:]
howfar.embed(images, RecordingBackbone(Path(diary), 0.02), store, batch_size=4, workers=2, progress=False)
print("done", flush=True)
"""


def run(images: Path, store: Path, diary: Path) -> Features:
    return howfar.embed(images, RecordingBackbone(diary), store, batch_size=4, workers=2, progress=False)


def begin(*arguments: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SCRIPT, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdout.readline() == "ready\n"
    process.stdin.write("go\n")
    process.stdin.flush()


@pytest.fixture
def places(tmp_path) -> tuple[Path, Path, Path]:
    write_dataset(tmp_path / "roads", IMAGES, seed=0, size=32)
    (tmp_path / "diary").mkdir()
    return tmp_path / "roads", tmp_path / "store", tmp_path / "diary"


def test_ten_processes_lose_and_repeat_nothing(places, recorded):
    processes = [begin(*places) for _ in range(TEN)]
    for process in processes:
        go(process)
    assert [process.communicate(timeout=120)[0] for process in processes] == ["done\n"] * TEN
    embedded = RecordingBackbone(places[2]).counts()
    # Pictures that are alike at 1×1 share a page, so pages are counted by what the store holds.
    found = run(*places)
    assert sum(embedded.values()) == len(set(found.contents))
    assert RecordingBackbone(places[2]).counts() == embedded
    recorded("ten processes", "one store", TEN, "every image is embedded once")


def test_what_a_killed_process_had_in_hand_is_done_by_another(places, recorded):
    processes = [begin(*places) for _ in range(3)]
    for process in processes:
        go(process)
    while not any(places[2].iterdir()):
        time.sleep(0.005)
    processes[0].kill()
    assert [process.communicate(timeout=120)[0] for process in processes[1:]] == ["done\n"] * 2
    processes[0].communicate(timeout=60)
    count = sum(RecordingBackbone(places[2]).counts().values())
    found = run(*places)
    # Two batches of four at most were in its hands.
    assert len(set(found.contents)) <= count <= len(set(found.contents)) + 8
    assert sum(RecordingBackbone(places[2]).counts().values()) == count
    recorded("SIGKILL", "one of three processes on one store", 1, "the others embed what it had in hand")


def test_what_is_waited_for_is_said(places, capsys, caplog, monkeypatch):
    monkeypatch.setattr(embedding, "PATIENCE", 0.3)
    monkeypatch.setattr(progress._Spinner, "_last", -math.inf)  # an earlier test may have written a line
    images, store, diary = places
    features = howfar.Store(store).open(RecordingBackbone(diary).identity, 3)
    first = content_hash((images / "images" / "0001.jpg").read_bytes())
    with ThreadPoolExecutor(1) as pool:
        with features.claim([first]):
            found = pool.submit(howfar.embed, images, RecordingBackbone(diary), store, workers=1)
            while len(features) < IMAGES - 1:
                time.sleep(0.02)
                features.refresh()
            time.sleep(0.5)
            assert not found.done()
        # Nobody has it in hand any more, and it is not there.
        assert len(found.result(timeout=60)) == IMAGES
    assert "in another process's hands=1" in capsys.readouterr().err
    assert "waiting for 1 images in the hands of another process; if it is stopped, end it" in caplog.text
