"""`howfar.train` from a dataset to a file: what it takes, what it leaves, what it refuses."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import pytest

import howfar
from howfar.errors import InputError, MissingPathError
from howfar.segmenters.checkpoint import Checkpoint
from worlds.interrupted import stopped_after

TINY: dict[str, Any] = {
    "options": {"width": 4}, "pretrained": False, "size": 32, "batch": 4, "epochs": 1, "device": "cpu", "progress": False,
}  # fmt: skip


def train(primary: Any, out: Any = None, **given: Any) -> Checkpoint:
    return howfar.train(primary, "deepcrack", out, **{**TINY, **given})


def test_the_state_lies_beside_the_checkpoint_or_where_it_is_told(roads: Path, tmp_path: Path) -> None:
    for given, folder in (({}, "m.safetensors.state"), ({"state": tmp_path / "kept"}, "kept")):
        with stopped_after(1):
            train(roads, tmp_path / "m.safetensors", epochs=2, **given)
        assert [file.suffix for file in (tmp_path / folder).iterdir()] == [".state"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["kept", "m.safetensors.state"]


def test_images_are_read_as_in_training(roads: Path, tmp_path: Path) -> None:
    trained = train(roads, tmp_path / "m.safetensors", bands="3,2,1")
    assert trained.card.data["reading"] == {"bands": [3, 2, 1]}
    how: dict[str, Any] = {"progress": False, "device": "cpu"}
    with pytest.raises(InputError, match=r"bands must be as in the checkpoint's training, got \(\): pass 3,2,1"):
        howfar.predict(trained, roads, tmp_path / "maps", **how)
    assert howfar.predict(trained, roads, tmp_path / "maps", bands="3,2,1", **how).written
    with pytest.raises(InputError, match="range must be as in the checkpoint's training, got '0:9': leave it out"):
        howfar.predict(trained, roads, tmp_path / "maps", bands="3,2,1", range="0:9", **how)


def abandoned(roads: Path, tmp_path: Path, **given: Any) -> list[Path]:
    """The states of two trainings to one checkpoint that were stopped, and half of one that was killed."""
    for seed in (1, 2):
        with stopped_after(1):
            train(roads, tmp_path / "m.safetensors", epochs=2, seed=seed, **given)
    folder = Path(given.get("state", tmp_path / "m.safetensors.state"))
    states = sorted(folder.glob("*.state"))
    assert len(states) == 2
    shutil.copy(states[0], folder / f".{states[0].name}.part")
    return [*states, folder / f".{states[0].name}.part"]


def test_a_finished_training_removes_what_others_to_its_checkpoint_left(roads: Path, tmp_path: Path) -> None:
    abandoned(roads, tmp_path)
    (tmp_path / "m.safetensors.state" / "notes.txt").write_text("mine")
    train(roads, tmp_path / "m.safetensors")
    assert [file.name for file in (tmp_path / "m.safetensors.state").iterdir()] == ["notes.txt"]


AT_WORK = """
import pathlib, sys
from howfar.io.lock import locked
with locked(pathlib.Path(sys.argv[1]), shared=True):
    print(flush=True)
    input()
"""


def test_nothing_is_removed_beside_a_training_at_work_nor_from_a_folder_that_was_named(roads: Path, tmp_path: Path) -> None:
    left = abandoned(roads, tmp_path)
    # Another process, as it is while it trains.
    other = subprocess.Popen(
        [sys.executable, "-c", AT_WORK, left[0].parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout is not None
        other.stdout.readline()
        train(roads, tmp_path / "m.safetensors")
        assert all(file.is_file() for file in left)
    finally:
        other.communicate("\n", timeout=60)
    train(roads, tmp_path / "m.safetensors")
    assert [file.name for file in tmp_path.iterdir()] == ["m.safetensors"]
    named = abandoned(roads, tmp_path, state=tmp_path / "kept")
    train(roads, tmp_path / "m.safetensors", state=tmp_path / "kept")
    assert all(file.is_file() for file in named)


def test_a_state_that_cannot_be_written_leaves_no_half(roads: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: lightning.Trainer, path: Path) -> None:
        path.write_text("half")
        raise OSError("disk full")

    monkeypatch.setattr(lightning.Trainer, "save_checkpoint", full)
    with pytest.raises(OSError, match="disk full"):
        train(roads, state=tmp_path / "kept")
    assert list((tmp_path / "kept").iterdir()) == []


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        ({}, InputError, "state must be given where out is not, got None: name a folder for the state of the training"),
        ({"out": "{tmp}"}, InputError, "out must be a file, not a folder"),
        ({"out": "{tmp}/m", "options": {"encoder": "b3"}}, InputError, "option must be one of deepcrack, got 'encoder'"),
        ({"out": "{tmp}/m", "start": "none.safetensors"}, MissingPathError, "no checkpoint at none.safetensors"),
        ({"out": "{tmp}/m", "primary": "/no/such"}, MissingPathError, "/no/such"),
        ({"out": "{tmp}/m", "background": ["{tmp}/e.npy"]}, InputError, "dataset must be images with masks, not embeddings"),
        ({"out": "{tmp}/m", "device": "cuda:99"}, InputError, "device must be on this machine, got 'cuda:99'"),
    ],
)
def test_what_is_refused_is_one_line(given, kind, words, roads, tmp_path):
    np.save(tmp_path / "e.npy", np.zeros((4, 3), np.float32))

    def filled(value: Any) -> Any:
        return [filled(one) for one in value] if isinstance(value, list) else str(value).format(tmp=tmp_path)

    places = {name: filled(given[name]) for name in ("out", "primary", "background", "start") if name in given}
    with pytest.raises(kind) as caught:
        train(**{"primary": roads, **given, **places})
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["e.npy"]
