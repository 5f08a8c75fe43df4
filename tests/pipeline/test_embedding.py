from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import howfar
from howfar.backbones import load_backbone
from howfar.data import parse
from howfar.demo import write_dataset
from howfar.pipeline import embedding
from howfar.pipeline.embedding import EmbedBatch, ImageBatch
from howfar.runners import LocalRunner
from howfar.store import Store
from worlds.recording_backbone import RecordingBackbone


class OnGpu(RecordingBackbone):
    """One whose GPU computes for half of the time that a batch takes."""

    busy = 0.0

    def embed(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        self.busy += self.seconds * len(batch) / 2
        return super().embed(batch)


class Lengths(RecordingBackbone):
    """One that notes how many images it is given at a time."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.lengths: list[int] = []

    def embed(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        self.lengths.append(len(batch))
        return super().embed(batch)


@pytest.fixture
def roads(tmp_path: Path) -> Path:
    (tmp_path / "diary").mkdir()
    write_dataset(tmp_path / "roads", 8, seed=0, size=32)
    return tmp_path / "roads"


def test_how_much_a_gpu_is_in_use_is_said(roads: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    howfar.embed(roads, OnGpu(tmp_path / "diary", 0.05), tmp_path / "store", workers=1, batch_size=4)
    said = [part for part in capsys.readouterr().err.split(",") if "GPU in use" in part]
    share = int(said[-1].partition("=")[2].partition("%")[0])
    assert 1 <= share <= 50
    howfar.embed(roads, RecordingBackbone(tmp_path / "diary"), tmp_path / "other", workers=1, batch_size=4)
    assert "GPU" not in capsys.readouterr().err


def test_elsewhere_backbones_are_moved_to_their_device(roads: Path, tmp_path: Path) -> None:
    model = load_backbone("efficientnet_lite0", device="cpu")
    stores = (Store(tmp_path / "store").open(model.identity, sum(model.layers)),)
    there = pickle.loads(pickle.dumps(EmbedBatch((model,), stores, "cpu")))
    assert there.backbones[0] is not model
    items = howfar.Dataset.from_folder(roads).items
    assert all(outcome.content and not outcome.elsewhere for outcome in there(ImageBatch(0, items)))
    here = howfar.embed(roads, model, tmp_path / "here", progress=False, workers=1)
    np.testing.assert_array_equal(howfar.embed(roads, model, tmp_path / "store", progress=False).to_array(), here.to_array())


def test_backbones_without_devices_stay_as_they_are(tmp_path: Path) -> None:
    stores = (Store(tmp_path).open({"name": "diary"}, 3),)
    there = pickle.loads(pickle.dumps(EmbedBatch((RecordingBackbone(tmp_path),), stores, "cuda")))
    assert isinstance(there.backbones[0], RecordingBackbone)


def test_two_stores_of_one_folder_are_in_no_other_process_s_hands(tmp_path: Path) -> None:
    """As where one of several backbones is one of the trivial ones too."""
    write_dataset(tmp_path / "roads", 6, seed=1, size=48)
    backbone = load_backbone("pixels")
    stores = tuple(Store(tmp_path / "store").open(backbone.identity, sum(backbone.layers)) for _ in range(2))
    outcomes = EmbedBatch((backbone, backbone), stores)(ImageBatch(0, tuple(parse(str(tmp_path / "roads")).items)))
    assert [outcome.elsewhere for outcome in outcomes] == [False] * 6
    assert len(stores[0]) == 6


@pytest.mark.parametrize(("at_a_time", "expected"), [(3, [3, 3, 2]), (None, [8])])
def test_a_long_task_holds_some_images_at_a_time(
    at_a_time: int | None, expected: list[int], roads: Path, tmp_path: Path
) -> None:
    backbone, items = Lengths(tmp_path / "diary"), tuple(howfar.Dataset.from_folder(roads).items)
    stores = (Store(tmp_path / "store").open(backbone.identity, sum(backbone.layers)),)
    outcomes = EmbedBatch((backbone,), stores, None, at_a_time)(ImageBatch(0, items))
    assert backbone.lengths == expected
    assert [outcome.item for outcome in outcomes] == list(items)
    assert all(stores[0].contains(outcome.content) for outcome in outcomes)


class InProcesses(LocalRunner):
    """Say that tasks have processes of their own, and note how many images each task has."""

    processes = True

    def __init__(self) -> None:
        super().__init__(workers=1)
        self.lengths: list[int] = []

    def run(self, function: Any, tasks: Any) -> Any:
        self.lengths += [len(task.items) for task in tasks if isinstance(task, ImageBatch)]
        return super().run(function, tasks)


@pytest.mark.parametrize(
    ("fewest", "workers", "lengths"), [(64, 1, [2, 2, 2, 2]), (2, 1, [4, 4]), (1, 1, [8]), (1, 2, [4, 4]), (1, 9, [2, 2, 2, 2])]
)
def test_tasks_of_other_processes_are_longer_where_there_are_many(
    fewest: int, workers: int, lengths: list[int], roads: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "TASKS", fewest)
    backbone, runner = Lengths(tmp_path / "diary"), InProcesses()
    runner.workers = workers
    howfar.embed(roads, backbone, tmp_path / "store", runner=runner, batch_size=2, progress=False)
    assert runner.lengths == lengths
    assert backbone.lengths == [2, 2, 2, 2]


def test_images_of_few_bits_are_noted_by_dataset(tmp_path: Path) -> None:
    for number in range(3):
        file = tmp_path / "xray" / f"{number}.png"
        file.parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((16, 16), 4095 - number, np.uint16)).save(file)
    for _ in range(2):  # from the images, and from the store
        features = howfar.embed(tmp_path / "xray", "colour_moments", tmp_path / "store", progress=False)
        assert features.notes[-1].startswith(
            "xray has 16-bit images that use 12 bits (no value above 4,095 in 3 of them), and "
        )
