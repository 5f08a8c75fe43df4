import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import howfar
from howfar.backbones import load_backbone
from howfar.data import Item, parse
from howfar.demo import write_dataset
from howfar.memory import within
from howfar.pipeline import embedding
from howfar.pipeline.embedding import EmbedBatch, Outcome, Outcomes
from howfar.runners import LocalRunner
from howfar.store import Store
from packed import files_below, tar_bytes, write_parquet, write_saved
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
def roads(tmp_path) -> Path:
    (tmp_path / "diary").mkdir()
    write_dataset(tmp_path / "roads", 8, seed=0, size=32)
    return tmp_path / "roads"


def test_how_much_a_gpu_is_in_use_is_said(roads, tmp_path, capsys):
    howfar.embed(roads, OnGpu(tmp_path / "diary", 0.05), tmp_path / "store", workers=1, batch_size=4)
    said = [part for part in capsys.readouterr().err.split(",") if "GPU in use" in part]
    share = int(said[-1].partition("=")[2].partition("%")[0])
    assert 1 <= share <= 50
    howfar.embed(roads, RecordingBackbone(tmp_path / "diary"), tmp_path / "other", workers=1, batch_size=4)
    assert "GPU" not in capsys.readouterr().err


def test_elsewhere_backbones_are_moved_to_their_device(roads, tmp_path):
    model = load_backbone("efficientnet_lite0", device="cpu")
    stores = (Store(tmp_path / "store").open(model.identity, sum(model.layers)),)
    there = pickle.loads(pickle.dumps(EmbedBatch((model,), stores, "cpu")))
    assert there.backbones[0] is not model
    items = howfar.Dataset.from_folder(roads).items
    assert all(outcome.content and not outcome.elsewhere for outcome in there(items))
    here = howfar.embed(roads, model, tmp_path / "here", progress=False, workers=1)
    np.testing.assert_array_equal(howfar.embed(roads, model, tmp_path / "store", progress=False).to_array(), here.to_array())


def test_two_stores_of_one_folder_are_in_no_other_process_s_hands(tmp_path):
    """As where one of several backbones is one of the trivial ones too."""
    write_dataset(tmp_path / "roads", 6, seed=1, size=48)
    backbone = load_backbone("pixels")
    stores = tuple(Store(tmp_path / "store").open(backbone.identity, sum(backbone.layers)) for _ in range(2))
    outcomes = EmbedBatch((backbone, backbone), stores)(tuple(parse(str(tmp_path / "roads")).items))
    assert [outcome.elsewhere for outcome in outcomes] == [False] * 6
    assert len(stores[0]) == 6


@pytest.mark.parametrize(("at_a_time", "expected"), [(3, [3, 3, 2]), (None, [8])])
def test_a_long_task_holds_some_images_at_a_time(at_a_time, expected, roads, tmp_path):
    backbone, items = Lengths(tmp_path / "diary"), tuple(howfar.Dataset.from_folder(roads).items)
    stores = (Store(tmp_path / "store").open(backbone.identity, sum(backbone.layers)),)
    outcomes = EmbedBatch((backbone,), stores, None, at_a_time)(items)
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
        self.lengths += [len(task) for task in tasks if isinstance(task, tuple)]
        return super().run(function, tasks)


def test_no_more_files_are_held_than_memory_allows(roads, tmp_path):
    backbone, items = Lengths(tmp_path / "diary"), parse(str(roads)).items
    size = max(Path(item.path).stat().st_size for item in items)
    with within(2 * 8 * size):
        outcomes = EmbedBatch((backbone,), (Store(tmp_path / "store").open(backbone.identity, 3),), threads=2)(items)
    assert [outcome.item for outcome in outcomes] == list(items)
    assert max(backbone.lengths) == 2
    assert sum(backbone.lengths) == len(items)


@pytest.mark.parametrize(
    ("fewest", "workers", "lengths"), [(64, 1, [2, 2, 2, 2]), (2, 1, [4, 4]), (1, 1, [8]), (1, 2, [4, 4]), (1, 9, [2, 2, 2, 2])]
)
def test_tasks_of_other_processes_are_longer_where_there_are_many(fewest, workers, lengths, roads, tmp_path, monkeypatch):
    monkeypatch.setattr(embedding, "TASKS", fewest)
    backbone, runner = Lengths(tmp_path / "diary"), InProcesses()
    runner.workers = workers
    howfar.embed(roads, backbone, tmp_path / "store", runner=runner, batch_size=2, progress=False)
    assert runner.lengths == lengths
    assert backbone.lengths == [2, 2, 2, 2]


def test_images_of_few_bits_are_noted_by_dataset(tmp_path):
    for number in range(3):
        file = tmp_path / "xray" / f"{number}.png"
        file.parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((16, 16), 4095 - number, np.uint16)).save(file)
    for _ in range(2):  # from the images, and from the store
        features = howfar.embed(tmp_path / "xray", "colour_moments", tmp_path / "store", progress=False)
        assert features.notes[-1].startswith(
            "xray has 16-bit images that use 12 bits (no value above 4,095 in 3 of them), and "
        )


ITEMS = tuple(Item(f"{k}.png", f"/roads/{k}.png") for k in range(6))
OUTCOMES = [
    Outcome(ITEMS[0], "0" * 31 + "a", reused=True),
    Outcome(ITEMS[1], reason="empty file (0 bytes)"),
    Outcome(ITEMS[2], "0" * 31 + "b", elsewhere=True),
    Outcome(ITEMS[3], "0" * 31 + "a", reused=True),
    Outcome(ITEMS[4], "0" * 31 + "c"),
    Outcome(ITEMS[5], "0" * 31 + "d", reused=True, elsewhere=True),
]


def made() -> Outcomes:
    outcomes = Outcomes(ITEMS)
    outcomes.extend(OUTCOMES[:4])
    outcomes.extend(OUTCOMES[4:])
    return outcomes


def test_outcomes_come_back_as_they_were():
    assert list(made()) == OUTCOMES
    assert list(pickle.loads(pickle.dumps(made()))) == OUTCOMES


def test_damaged_features_are_awaited():
    outcomes = made()
    assert outcomes.reused(0, 3) == {"0" * 31 + "a"}
    assert outcomes.reused(3, 9) == {"0" * 31 + "a", "0" * 31 + "d"}
    outcomes.lose({"0" * 31 + "a"})
    assert outcomes.elsewhere() == [0, 2, 3, 5]
    assert outcomes.reused(0, 6) == {"0" * 31 + "d"}


def test_many_outcomes_are_small():
    items = [Item(f"{k}", f"/roads/{k}") for k in range(2000)]
    outcomes = Outcomes(items)
    empty = len(pickle.dumps(outcomes))
    outcomes.extend(Outcome(item, f"{k:032x}", reused=True) for k, item in enumerate(items))
    assert len(pickle.dumps(outcomes)) - empty < 2000 * 17 + 100


@pytest.fixture
def images(demo_folders) -> dict[str, bytes]:
    return files_below(demo_folders[1])


def test_broken_members_are_skipped_with_reason_and_place(images, tmp_path):
    first = next(iter(images.values()))
    broken = {"cut.jpg": first[: len(first) // 2], "empty.jpg": b"", "text.jpg": b"text", **images}
    (tmp_path / "s.tar").write_bytes(tar_bytes(broken.items()))
    write_parquet(tmp_path / "s.parquet", broken)
    places = {"s.tar": ("cut.jpg", "empty.jpg", "text.jpg"), "s.parquet": ("0", "1", "2")}
    for name, own in places.items():
        found = howfar.embed(tmp_path / name, "colour_moments", tmp_path / "store", progress=False, workers=2)
        assert list(found.images) == list(images)
        assert [(one.path, one.reason) for one in found.skipped] == [
            (f"{tmp_path}/{name}/{own[0]}", "truncated image file"),
            (f"{tmp_path}/{name}/{own[1]}", "empty file (0 bytes)"),
            (f"{tmp_path}/{name}/{own[2]}", "not an image that Pillow can read"),
        ]


def test_features_are_those_of_the_files(demo_folders, images, tmp_path):
    (tmp_path / "s.tar").write_bytes(tar_bytes(images.items()))
    forms = [
        demo_folders[1],
        tmp_path / "s.tar",
        write_parquet(tmp_path / "s.parquet", images),
        write_saved(tmp_path / "s", images),
    ]
    # A store for each, so that nothing is taken from another's.
    first, *others = [
        howfar.embed(form, "pixels", tmp_path / f"store-{place}", progress=False, workers=3) for place, form in enumerate(forms)
    ]
    for other in others:
        assert other.contents == first.contents
        assert other.images == first.images
        np.testing.assert_array_equal(other.rows.rows(0, len(other)), first.rows.rows(0, len(first)))
