"""Every registered way of adapting keeps the contract, and ways in a row do what each does."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from howfar import registry
from howfar.adaptation_ways import (
    FINETUNE,
    NORM,
    NORM_TUNE,
    RETRAIN,
    SCALE,
    SELFTRAIN,
    TUNED,
    AdaptationWay,
    Given,
    adapted,
    steps_of,
)
from howfar.data import Dataset, content_hash
from howfar.demo import write_dataset
from howfar.errors import InputError
from howfar.segmenters.checkpoint import Checkpoint
from howfar.testing import AdaptationWayTests
from howfar.training.image_mask_pairs import examples_of
from howfar.training.train import train


@pytest.fixture(scope="module", autouse=True)
def few_steps() -> object:
    """Six steps are enough to see that weights change."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("howfar.adaptation_ways.TUNED", {**TUNED, "steps": 4, "epochs": 2})
        yield


class TestRetrain(AdaptationWayTests):
    way = RETRAIN


class TestFinetune(AdaptationWayTests):
    way = FINETUNE


class TestNorm(AdaptationWayTests):
    way = NORM


class TestNormTune(AdaptationWayTests):
    way = NORM_TUNE

    def test_only_norms_change(self, ground: object, tmp_path: Path) -> None:
        found = self.way.adapt(ground.checkpoint, self.given(ground, tmp_path))  # type: ignore[attr-defined]  # the suite's own
        network = found.build()
        norms = {
            f"{name}.{parameter}"
            for name, layer in network.named_modules()
            if isinstance(layer, torch.nn.BatchNorm2d)
            for parameter in layer.state_dict()
        }
        changed = {
            name
            for name, values in found.state.items()
            if not torch.equal(values, ground.checkpoint.state[name])  # type: ignore[attr-defined]  # the suite's own
        }
        assert changed
        assert changed <= norms


class TestSelftrain(AdaptationWayTests):
    way = SELFTRAIN


class TestScale(AdaptationWayTests):
    way = SCALE


def test_every_way_is_tested_here() -> None:
    tested = {case.way.name for case in AdaptationWayTests.__subclasses__() if case.__module__ == __name__}
    assert tested == set(registry.names("adaptation_ways"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ways")


@pytest.fixture(scope="module")
def site(folder: Path) -> Dataset:
    return Dataset.from_folder(write_dataset(folder / "site", 6, seed=5, size=64))


@pytest.fixture(scope="module")
def primary(folder: Path) -> Dataset:
    return Dataset.from_folder(write_dataset(folder / "roads", 8, seed=0, size=64))


@pytest.fixture(scope="module")
def model(folder: Path, primary: Dataset) -> Checkpoint:
    return train(
        primary, "deepcrack", state=folder / "state", options={"width": 4}, size=32, batch=4, epochs=2, holdout=0.25,
        pretrained=False, device="cpu", progress=False,
    )  # fmt: skip


@pytest.fixture
def what(primary: Dataset, site: Dataset, tmp_path: Path) -> Given:
    """Two labelled images of the site, and all of it without labels."""
    return Given(examples_of(primary), site, examples_of(site)[:2], tmp_path, device="cpu", progress=False)


def test_several_ways_go_on_from_one_another(model: Checkpoint, what: Given) -> None:
    both = adapted(model, "finetune+norm", what)
    one = NORM.adapt(FINETUNE.adapt(model, what), what)
    assert both.card.weights == one.card.weights
    assert both.card.data["adapted"] | {"contents": None} == {
        "way": "finetune+norm", "share": 0.3, "dataset": "site", "size": 32, "tiled": False, "labels": 2, "contents": None,
        "own_settings": model.card.settings,
    }  # fmt: skip


def test_a_card_says_by_which_way_and_how_many_labels(model: Checkpoint, what: Given) -> None:
    card = adapted(model, "finetune", what).card
    assert card.data["adapted"] == {"way": "finetune", "dataset": "site", "labels": 2, "own_settings": model.card.settings}
    assert card.data["extra"] == ["site/0001.jpg", "site/0002.jpg"]
    assert (card.settings["balance"], card.settings["keep"]) == (0.5, "last")
    after = adapted(model, "norm+finetune", what).card.data["adapted"]
    assert (after["share"], after["way"]) == (0.3, "norm+finetune")


def test_a_way_without_labels_counts_none_and_keeps_those_before(model: Checkpoint, what: Given) -> None:
    assert adapted(model, "norm", what).card.data["adapted"]["labels"] == 0
    assert adapted(adapted(model, "finetune", what), "norm", replace(what, picks=())).card.data["adapted"]["labels"] == 2
    blank = replace(what.picks[0], mask=None)
    assert adapted(model, "finetune", replace(what, picks=(blank, what.picks[1]))).card.data["adapted"]["labels"] == 1


def test_training_anew_after_another_way_is_refused() -> None:
    with pytest.raises(InputError, match=r"way must begin with retrain, which trains anew .*, got 'finetune\+retrain'"):
        steps_of("finetune+retrain")
    assert [step.trains for step in steps_of("retrain+norm")] == [True, False]


@pytest.mark.parametrize(
    ("changed", "way", "line"),
    [
        ({"batch": 1}, "finetune", "model must have been trained with batches of two images or more, .* got 1"),
        ({"augment": False}, "scale", "way shows pictures larger and smaller, .* without augmentation, got 'scale'"),
    ],
)
def test_settings_of_the_model_that_a_way_cannot_go_on_by_are_named(changed, way, line, model, what):
    other = Checkpoint(replace(model.card, settings={**model.card.settings, **changed}), model.state)
    with pytest.raises(InputError, match=line):
        adapted(other, way, what)


def test_another_primary_dataset_than_the_models_is_refused(model: Checkpoint, what: Given, site: Dataset) -> None:
    held = set(model.card.data["held_out"])
    learnt = tuple(one for one in what.examples if content_hash(Path(one.path).read_bytes()) not in held)
    rule = "primary must be the dataset that the model was trained on, .*"
    for examples, line in (
        (learnt, rf"{rule} lacks 2 of them, has 0 others, .* \(2 images\)"),
        (examples_of(site), rf"{rule} lacks 8 of them, has 6 others, .* \(0 images\)"),
    ):
        with pytest.raises(InputError, match=line):
            adapted(model, "finetune", replace(what, examples=examples))


def test_selftrain_refuses_where_the_model_finds_nothing(model: Checkpoint, what: Given) -> None:
    blind = Checkpoint(replace(model.card, threshold=1.0), model.state)
    with pytest.raises(InputError, match="way needs images in which the model finds foreground, got 'selftrain'"):
        SELFTRAIN.adapt(blind, replace(what, picks=()))


def test_selftrain_learns_from_its_own_masks_and_leaves_labelled_images_their_labels(model: Checkpoint, what: Given) -> None:
    sure = Checkpoint(replace(model.card, threshold=0.01), model.state)
    card = SELFTRAIN.adapt(sure, what).card
    names = card.data["extra"]
    assert names[:2] == ["site/0001.jpg", "site/0002.jpg"]
    assert len(names) == len(set(names))
    assert len(names) > 2
    assert list(what.folder.iterdir()) == []


def test_a_way_of_another_package_is_found(monkeypatch: pytest.MonkeyPatch, model: Checkpoint, tmp_path: Path) -> None:
    twice = AdaptationWay("twice", "Leave everything as it is.", "either", lambda checkpoint, _: checkpoint)
    monkeypatch.setattr(registry, "load", lambda kind, name: twice)
    what = Given((), None, (), tmp_path)
    with pytest.raises(InputError, match="way needs images of the site, with labels or without, got 'twice'"):
        adapted(model, "twice", what)
