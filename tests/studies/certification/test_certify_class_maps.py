"""What a certificate states of a segmenter of several classes, and which masks it takes back."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import howfar
from howfar.errors import InputError
from howfar.results.certificate_result import Certificate

COUNT, SHAPE = 12, (10, 14)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site whose masks lie in truth/, and probabilities of three classes in maps/."""
    rng = np.random.default_rng(0)
    for part in ("site", "truth", "maps"):
        (tmp_path / part).mkdir()
    for k in range(COUNT):
        mask = rng.integers(0, 3, SHAPE).astype(np.uint8)
        mask[0] = 255
        logits = rng.normal(0, 1, (3, *SHAPE)) + k / 4 * (np.arange(3)[:, None, None] == mask)
        Image.new("RGB", SHAPE[::-1], (k, k, k)).save(tmp_path / f"site/{k}.png")
        Image.fromarray(mask).save(tmp_path / f"truth/{k}.png")
        np.save(tmp_path / f"maps/{k}.npy", np.exp(logits) / np.exp(logits).sum(axis=0))
    return tmp_path


def certify(site: Path, k: int = COUNT, **given: Any) -> Certificate:
    options = {"task": "multiclass", "ignore_index": 255, "progress": False, **given}
    return howfar.certify(site / "site", site / "maps", k, **options)


def performance(site: Path, column: str) -> float:
    (site / "whole").mkdir()
    (site / "site").rename(site / "whole/images")
    (site / "truth").rename(site / "whole/masks")
    found = howfar.evaluate(site / "whole", site / "maps", task="multiclass", ignore_index=255, progress=False)
    return float(found.images[column].mean())


@pytest.mark.parametrize(("metric", "column"), [(None, "performance"), ("mean_f", "performance"), ("mean_iou", "iou")])
def test_with_all_labels_it_is_the_mean(metric: str | None, column: str, site: Path) -> None:
    found = certify(site, labels=site / "truth", metric=metric)
    assert found.value == found.low == found.high == pytest.approx(performance(site, column))
    assert (found.task, found.metric, found.labelled) == ("multiclass", metric or "mean_f", COUNT)
    assert "expect" in found.proxy


def test_masks_go_to_the_folder_that_is_handed_out(site: Path) -> None:
    drawn = certify(site, 5, out=site / "out", classes="a,b,c")
    assert (drawn.value, drawn.labelled) == (None, 0)
    for name in ("chosen.txt", "contact_sheet.png", "masks/README.txt", "report.html"):
        assert (site / "out" / name).is_file()
    assert pd.read_csv(site / "out/classes.csv")["class"].tolist() == ["a", "b", "c"]
    maps = pd.read_csv(site / "out/first-maps.csv")
    assert maps["map"].tolist() == [str(site / f"maps/{Path(one.image).stem}.npy") for one in drawn.sample]
    for one in drawn.sample[:3]:
        (site / "truth" / one.image).rename(site / "out/masks" / one.image)
    found = certify(site, 5, out=site / "out", classes="a,b,c")
    assert found.labelled == 3
    assert found.value is not None
    np.save(site / "maps" / f"{Path(drawn.sample[0].image).stem}.npy", np.full((3, *SHAPE), 1 / 3))
    with pytest.raises(InputError, match="is another than when the sample was drawn"):
        certify(site, 5, out=site / "out", classes="a,b,c")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"tolerance": 2.0}, "tolerance is of no use to multiclass"),
        ({"labels": "site/0.png"}, "labels must be a folder of masks of classes"),
        ({"labels": "small"}, "must be of the truth's size"),
        ({"labels": "truth", "classes": "a,b,c", "ignore_index": None}, "must be one of the 3 named ones, got 255"),
    ],
)
def test_bad_input_is_one_line(given: dict[str, Any], words: str, site: Path) -> None:
    shutil.copytree(site / "truth", site / "small")
    for file in (site / "small").iterdir():
        Image.new("L", (5, 5)).save(file)
    if "labels" in given:
        given = {**given, "labels": site / given["labels"]}
    with pytest.raises(InputError) as caught:
        certify(site, **given)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
