"""Counting maps of several models: on the images that all of them were scored on, with a clear line where a map is gone."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from howfar.errors import InputError
from howfar.metrics import count
from howfar.paper.pool_draws import Trained, count_maps, trainings
from howfar.results.adaptation import Adaptation

SIZES = {"site": 5, "walls": 4}
SPEC = importlib.util.spec_from_file_location("believable", Path(__file__).parents[2] / "figures" / "believable_adaptation.py")


@pytest.fixture
def study(tmp_path: Path) -> Adaptation:
    """A study of one seed, two strategies and background, with its maps and masks."""
    assert SPEC is not None
    assert SPEC.loader is not None
    module = importlib.util.module_from_spec(SPEC)
    SPEC.loader.exec_module(module)
    made: Adaptation = module.make(tmp_path, sizes=SIZES, seeds=(0,), shots=(1, 3), blind={}, bootstrap=10)
    return made


def test_trainings_are_those_of_one_strategy_without_background(study: Adaptation) -> None:
    assert trainings("a", study, "far") == {Trained("a", 0, 0): "M", Trained("a", 1, 0): "far-1", Trained("a", 3, 0): "far-3"}
    assert set(trainings("a", study, "random").values()) == {"M", "random-1", "random-3"}


def test_images_that_one_model_was_not_scored_on_are_left_out_for_all(study: Adaptation, tmp_path: Path) -> None:
    fewer = replace(study, images=study.images[study.images["image"] != "photo002.png"])
    site, walls = count_maps({"a": study, "b": fewer}, {"a": tmp_path, "b": tmp_path}, "far", list(SIZES), progress=False)
    assert site.images == ("photo000.png", "photo001.png", "photo003.png", "photo004.png")
    assert site.photographs[-1] == "photo004"
    assert (site.left_out, walls.left_out) == (1, 1)
    assert len(site.counts) == 6
    rows = study.images[(study.images["model"] == "far-3") & (study.images["image"] == "photo003.png")]
    row = rows[(rows["dataset"] == "site") & (rows["seed"] == 0)].iloc[0]
    expected = count(np.asarray(Image.open(tmp_path / row["map"])), np.asarray(Image.open(row["mask"])))
    found = site.counts[Trained("a", 3, 0)].take([2])
    assert np.array_equal(found.hits_true, expected.hits_true)
    assert np.array_equal(found.predicted, expected.predicted)


def test_a_dataset_that_no_image_is_left_of_is_refused(study: Adaptation, tmp_path: Path) -> None:
    other = replace(study, images=study.images[study.images["dataset"] != "walls"])
    with pytest.raises(InputError, match="dataset walls must hold an image that all models were scored on"):
        count_maps({"a": study, "b": other}, {"a": tmp_path, "b": tmp_path}, "far", list(SIZES), progress=False)


@pytest.mark.parametrize("damage", ["gone", "cut", "small"])
def test_a_map_that_cannot_be_counted_is_named(study: Adaptation, tmp_path: Path, damage: str) -> None:
    row = study.images[(study.images["model"] == "far-1") & (study.images["seed"] == 0)].iloc[1]
    file = tmp_path / row["map"]
    if damage == "gone":
        file.unlink()
    elif damage == "cut":
        file.write_bytes(file.read_bytes()[:40])
    else:
        Image.fromarray(np.zeros((3, 3), np.uint8)).save(file)
    with pytest.raises(InputError, match=file.name) as caught:
        count_maps({"a": study}, {"a": tmp_path}, "far", list(SIZES), progress=False)
    assert "\n" not in str(caught.value)
    assert "run the study of adaptation again" in str(caught.value)
