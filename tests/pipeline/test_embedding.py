import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import howfar
from howfar.backbones import load_backbone
from howfar.data import Item, parse
from howfar.demo import write_dataset
from howfar.memory import within
from howfar.pipeline.embedding import EmbedBatch, Outcome, Outcomes
from howfar.store import Store
from packed import files_below, tar_bytes, write_parquet, write_saved
from worlds.recording_backbone import RecordingBackbone


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


def test_elsewhere_backbones_are_moved_to_their_device(roads, tmp_path):
    model = load_backbone("efficientnet_lite0", device="cpu")
    stores = (Store(tmp_path / "store").open(model.identity, sum(model.layers)),)
    there = pickle.loads(pickle.dumps(EmbedBatch((model,), stores, "cpu")))
    assert there.backbones[0] is not model
    items = howfar.Dataset.from_folder(roads).items
    assert all(outcome.content and not outcome.elsewhere for outcome in there(items))
    here = howfar.embed(roads, model, tmp_path / "here", progress=False, workers=1)
    np.testing.assert_array_equal(howfar.embed(roads, model, tmp_path / "store", progress=False).to_array(), here.to_array())


@pytest.mark.parametrize(("at_a_time", "expected"), [(3, [3, 3, 2]), (None, [8])])
def test_a_long_task_holds_some_images_at_a_time(at_a_time, expected, roads, tmp_path):
    backbone, items = Lengths(tmp_path / "diary"), tuple(howfar.Dataset.from_folder(roads).items)
    stores = (Store(tmp_path / "store").open(backbone.identity, sum(backbone.layers)),)
    outcomes = EmbedBatch((backbone,), stores, None, at_a_time)(items)
    assert backbone.lengths == expected
    assert [outcome.item for outcome in outcomes] == list(items)
    assert all(stores[0].contains(outcome.content) for outcome in outcomes)


def test_no_more_files_are_held_than_memory_allows(roads, tmp_path):
    backbone, items = Lengths(tmp_path / "diary"), parse(str(roads)).items
    size = max(Path(item.path).stat().st_size for item in items)
    with within(2 * 8 * size):
        outcomes = EmbedBatch((backbone,), (Store(tmp_path / "store").open(backbone.identity, 3),), threads=2)(items)
    assert [outcome.item for outcome in outcomes] == list(items)
    assert max(backbone.lengths) == 2
    assert sum(backbone.lengths) == len(items)


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
