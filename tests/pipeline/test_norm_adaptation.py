"""A checkpoint adapted to a site without labels: what is drawn, what it records, and how maps are told of it."""

from typing import Any

import pytest

import howfar
from howfar.data import Dataset
from howfar.demo import write_dataset
from howfar.errors import InputError
from howfar.pipeline.prediction import load_model, predict
from howfar.segmenters import norm_adaptation
from howfar.segmenters.checkpoint import Checkpoint
from howfar.segmenters.norm_adaptation import ADAPTED, adapt_statistics
from tiny_studies import tiny_checkpoint

SIDE = 32


@pytest.fixture(scope="module")
def trained() -> Checkpoint:
    return tiny_checkpoint()


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Dataset:
    return Dataset.from_folder(write_dataset(tmp_path_factory.mktemp("site"), 6, seed=0, size=48))


def test_the_adapted_checkpoint_is_one_of_its_own(trained, site, tmp_path):
    adapted = adapt_statistics(trained, site, share=0.4, seed=3)
    assert adapted.card.weights != trained.card.weights
    told = adapted.card.data[ADAPTED]
    assert {**told, "contents": len(told["contents"])} == {
        "way": "norm", "share": 0.4, "dataset": site.name, "size": SIDE, "tiled": False, "contents": 6,
    }  # fmt: skip
    loaded = Checkpoint.load(adapted.save(tmp_path / "adapted.safetensors"))
    assert loaded.card.data == adapted.card.data
    assert adapt_statistics(trained, site, share=0.4, seed=3).card.weights == adapted.card.weights
    assert adapt_statistics(trained, site, share=0.0).card.weights == trained.card.weights


def test_few_images_of_many_are_read_and_fewer_of_large_squares(trained, site, monkeypatch):
    monkeypatch.setattr(norm_adaptation, "FEWEST", 2)
    monkeypatch.setattr(norm_adaptation, "MOST", 4)
    monkeypatch.setattr(norm_adaptation, "USUAL", SIDE)
    contents = {size: adapt_statistics(trained, site, size=size).card.data[ADAPTED]["contents"] for size in (SIDE, 2 * SIDE)}
    assert [len(values) for values in contents.values()] == [4, 2]
    assert adapt_statistics(trained, site, seed=1).card.data[ADAPTED]["contents"] != contents[SIDE]


def test_maps_are_those_of_the_adapted_checkpoint(trained, site, tmp_path):
    options: dict[str, Any] = {"device": "cpu", "progress": False}
    found = howfar.predict(trained, site, tmp_path / "maps", adapt="norm", share=0.5, **options)
    assert "certify it by labels" in found.notes[0]
    by_hand = load_model(adapt_statistics(trained, site, share=0.5), device="cpu")
    again = predict(by_hand, site, tmp_path / "maps", progress=False)
    assert (again.written, again.kept) == (0, 6)
    assert again.notes == found.notes
    assert howfar.predict(trained, site, tmp_path / "maps", **options).written == 6


def test_what_cannot_be_adapted_is_refused(trained, site, tmp_path):
    loaded = load_model(trained, device="cpu")
    with pytest.raises(InputError, match=r"^adapt must be none for what is no checkpoint of howfar train, got 'norm'"):
        predict(loaded, site, tmp_path, adapt="norm")
    for idle in ({"share": 0.5}, {"seed": 1}):
        with pytest.raises(InputError, match=r"is of use only to an adapted model"):
            predict(trained, site, tmp_path, **idle)
    with pytest.raises(InputError, match=r"^share must"):
        predict(trained, site, tmp_path, adapt="norm", share=2.0)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("adapt", ["none", "norm"])
@pytest.mark.parametrize("tiled", [False, True])
def test_squares_that_no_memory_holds_are_refused_before_they_are_made(trained, site, tmp_path, adapt, tiled, monkeypatch):
    refused = (
        r"^memory must be at least 4,050,000,000 MB for 6 squares of 5,000,000 pixels, got '2,147 MB': pass a smaller --size"
    )
    monkeypatch.setattr(norm_adaptation, "resized", None)
    with pytest.raises(InputError, match=refused):
        predict(trained, site, tmp_path, size=5_000_000, adapt=adapt, tiled=tiled, progress=False)
    monkeypatch.setenv("HOWFAR_MEMORY", "100kB")
    with pytest.raises(InputError, match=r"^memory must be at least 1 MB for 6 squares of 32 pixels, got '0 MB'"):
        predict(trained, site, tmp_path, adapt=adapt, tiled=tiled, progress=False)
