"""Images that a model learnt from, and other tiles of their photographs, in its evaluation."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from torch import nn

import howfar
from howfar.data import content_hash
from howfar.demo import write_dataset
from howfar.errors import InputError
from howfar.pipeline.prediction import load_model
from howfar.results import Evaluation
from howfar.segmenters.checkpoint import Checkpoint
from howfar.studies.evaluate_predictions import LEARNT

TINY: dict[str, Any] = {
    "options": {"width": 4}, "pretrained": False, "size": 32, "batch": 4, "epochs": 1, "device": "cpu", "progress": False,
}  # fmt: skip


@pytest.fixture(scope="module")
def roads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four photographs of two tiles each."""
    folder = write_dataset(tmp_path_factory.mktemp("learnt") / "roads", 8, seed=0, size=40)
    for part in ("images", "masks"):
        for k, file in enumerate(sorted((folder / part).iterdir())):
            file.rename(file.with_stem(f"p{k // 2}-{k % 2}"))
    return folder


@pytest.fixture(scope="module")
def model(roads: Path) -> Checkpoint:
    """A model that one of the photographs is held out of."""
    return howfar.train(roads, "deepcrack", state=roads.parent / "state", **TINY)


def evaluate(dataset: Any, model: Any, **given: Any) -> Evaluation:
    return howfar.evaluate(dataset, model=model, progress=False, **given)


def learnt_of(folder: Path, model: Checkpoint) -> list[str]:
    files = sorted((folder / "images").iterdir())
    return [file.name for file in files if content_hash(file.read_bytes()) in model.card.data["contents"]]


def test_learnt_images_are_left_out_and_listed(roads: Path, model: Checkpoint) -> None:
    learnt = learnt_of(roads, model)
    assert len(learnt) == 6
    found = evaluate(roads, model)
    assert set(found.images["image"]) == {file.name for file in (roads / "images").iterdir()} - set(learnt)
    assert [(fault.path, fault.reason) for fault in found.skipped] == [(f"{roads}/images/{name}", LEARNT) for name in learnt]
    assert found.notes[0] == "6 images that the model learnt from were left out: the option learnt (--learnt) scores them too"


def test_other_tiles_and_copies_are_left_out_too(roads: Path, model: Checkpoint, tmp_path: Path) -> None:
    site = shutil.copytree(roads, tmp_path / "site")
    learnt = learnt_of(site, model)
    for part in ("images", "masks"):
        for file in (site / part).glob(f"{Path(learnt[0]).stem}.*"):
            shutil.copy(file, file.with_stem("copy-7"))
        fresh = write_dataset(tmp_path / "fresh", 1, seed=9, size=40)
        for file in (fresh / part).iterdir():
            shutil.copy(file, (site / part / learnt[0]).with_name(f"{learnt[0][:2]}-9{file.suffix}"))
    found = evaluate(site, model)
    reasons = {Path(fault.path).name: fault.reason for fault in found.skipped}
    assert reasons.pop("copy-7.jpg") == LEARNT
    assert reasons.pop(f"{learnt[0][:2]}-9.jpg") == f"another tile of {learnt[0][:2]}, which the model learnt from"
    assert set(reasons) == set(learnt)
    assert found.notes[0].startswith("7 images that the model learnt from were left out, and 1 more that is a tile of their")
    # Each image is its own photograph, by this expression.
    alone = evaluate(site, model, group="(.*)")
    assert f"{learnt[0][:2]}-9.jpg" in set(alone.images["image"])
    everything = evaluate(site, model, learnt=True)
    assert (everything.n, everything.skipped) == (10, ())
    assert everything.notes[0] == (
        "the model learnt from 7 of these 10 images, and 1 more that is a tile of photographs that it learnt from: scores on "
        "them are training error, and say nothing of unseen images"
    )


def test_the_expression_of_the_training_is_the_default(roads: Path) -> None:
    given = {**TINY, "holdout": 0.3, "seed": 1, "group": r"(p\d-\d)"}
    single = howfar.train(roads, "deepcrack", state=roads.parent / "s", **given)
    held = {file.name for file in (roads / "images").iterdir()} - set(learnt_of(roads, single))
    assert len(held) == 3
    assert set(evaluate(roads, single).images["image"]) == held
    # Of three tiles one at least has lost its neighbour to the training: by photographs of two tiles it is not unseen.
    whole = {name for name in held if sum(name[:2] == other[:2] for other in held) == 2}
    assert whole
    assert set(evaluate(roads, single, group=r"(p\d)-\d").images["image"]) == whole


def test_a_loaded_model_is_known_by_its_card_and_a_foreign_one_scored_whole(roads: Path, model: Checkpoint) -> None:
    assert evaluate(roads, load_model(model, device="cpu")).notes == evaluate(roads, model).notes
    foreign = evaluate(roads, load_model(nn.Conv2d(3, 1, 1), size=32, device="cpu"))
    assert (foreign.n, foreign.skipped) == (8, ())


def test_nothing_left_is_one_line(roads: Path, tmp_path: Path) -> None:
    whole = howfar.train(roads, "deepcrack", state=tmp_path, **TINY, holdout=0)
    line = r"^roads: the model learnt from every image of it \(8\), so that none is left to score: evaluate images that the"
    with pytest.raises(InputError, match=line):
        evaluate(roads, whole)
    assert evaluate(roads, whole, learnt=True).n == 8


def test_what_earlier_versions_do_not_tell_is_said(roads: Path, model: Checkpoint) -> None:
    lacking = ("contents_before", "all_contents_known", "group")
    data = {name: value for name, value in model.card.data.items() if name not in lacking}
    old = replace(model, card=replace(model.card, data=data))
    assert evaluate(roads, old).notes == evaluate(roads, model).notes
    tuned = replace(old, card=replace(old.card, data={**data, "started_from": "sha256:0"}))
    assert "earlier version, whose images are unknown" in evaluate(roads, tuned).notes[0]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"learnt": True}, "learnt is of use only to a model, got True"),
        ({"group": "(.+)"}, "group is of use only to a model, got"),
        ({"model": "foreign", "learnt": True}, "learnt is of use only to a checkpoint of howfar train"),
        ({"model": "foreign", "group": "(.+)"}, "group is of use only to a checkpoint of howfar train"),
        ({"model": "own", "group": "(z.+)"}, "group must match the names of images, such as 'p0-0.jpg'"),
        ({"model": "own", "group": "(z"}, "group must be a regular expression"),
        ({"model": "own", "learnt": "yes please"}, "learnt"),
    ],
)
def test_bad_input_is_one_line(given: dict[str, Any], words: str, roads: Path, model: Checkpoint) -> None:
    models = {"own": model, "foreign": load_model(nn.Conv2d(3, 1, 1), size=32, device="cpu")}
    given = {**given, "model": models[given["model"]]} if "model" in given else given
    with pytest.raises(InputError) as caught:
        howfar.evaluate(roads, None if "model" in given else roads / "masks", progress=False, **given)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
