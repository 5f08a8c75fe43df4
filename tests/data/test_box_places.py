"""Boxes outside of their pictures, in other units, without a label, or with a number that another has."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import howfar
from howfar.data import Dataset, Item
from howfar.data.listed_labels import read_box_labels
from howfar.demo import write_dataset
from howfar.errors import InputError

SIDE = 64
IMAGES = ("0001.jpg", "0002.jpg", "0003.jpg")


@pytest.fixture(scope="module")
def roads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three pictures."""
    return write_dataset(tmp_path_factory.mktemp("boxes") / "roads", len(IMAGES), seed=0, size=SIDE)


def evaluated(roads: Path, to: Path, true: Sequence[Sequence[float]], scores: Sequence[float] = (0.9,) * 3) -> Any:
    """Evaluate one box an image against one true box an image."""
    predicted = [
        {"image": image, "boxes": [[0, 0, 9, 9]], "scores": [score]} for image, score in zip(IMAGES, scores, strict=True)
    ]
    (to / "predicted.json").write_text(json.dumps(predicted))
    (to / "true.json").write_text(
        json.dumps([{"image": image, "boxes": [box]} for image, box in zip(IMAGES, true, strict=True)])
    )
    return howfar.evaluate(
        roads, to / "predicted.json", task="detection", truth=to / "true.json", progress=False, partial=False
    )


@pytest.mark.parametrize("score", [1.5, -0.1, 87.0])
def test_a_score_is_a_probability(roads: Path, tmp_path: Path, score: float) -> None:
    with pytest.raises(InputError, match=rf"0002\.jpg.*prediction\['scores'\] must lie between 0 and 1, got {score}"):
        evaluated(roads, tmp_path, [[0, 0, 9, 9]] * 3, (0.5, score, 1.0))


def test_a_true_box_outside_is_told(roads: Path, tmp_path: Path) -> None:
    found = evaluated(roads, tmp_path, [[0, 0, 9, 9], [0, 0, 9, 9], [SIDE, 0, SIDE + 9, 9]])
    assert found.notes == (
        f"1 of 3 true boxes lies wholly outside of its picture (0003.jpg: [{SIDE}, 0, {SIDE + 9}, 9] in {SIDE} × {SIDE} "
        "pixels), where nothing can match it: check its corners",
    )
    # A part outside is how some tools draw what is cut by the border.
    assert evaluated(roads, tmp_path, [[-5, 0, 9, 9], [0, -5, 9, 9], [SIDE - 1, 0, SIDE + 9, 9]]).notes == ()


def test_boxes_of_other_units_are_refused(roads: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^2 of 3 true boxes lie wholly outside of their pictures .* write corners"):
        evaluated(roads, tmp_path, [[0, 0, 9, 9], [700, 0, 900, 90], [700, 0, 900, 90]])
    with pytest.raises(InputError, match=r"^true boxes must be corners in pixels, and all lie between 0 and 1"):
        evaluated(roads, tmp_path, [[0, 0, 0.2, 0.2], [0, 0, 1, 1], [0.5, 0.5, 1, 1]])


def labels_of(file: Path, text: str) -> Any:
    file.write_text(text)
    return read_box_labels(Dataset("roads", (Item("a.jpg", Path("a.jpg")),)), file).by_image


def test_a_box_of_cvat_without_a_label_is_refused(tmp_path: Path) -> None:
    box = '<box {}xtl="0" ytl="0" xbr="4" ybr="4"/>'
    text = f'<annotations><image id="0" name="a.jpg" width="9" height="9">{box}</image></annotations>'
    for label in ("", 'label="" '):
        with pytest.raises(InputError, match=r"a box of a\.jpg has no label: give it one, or delete it"):
            labels_of(tmp_path / "cvat.xml", text.format(label))
    assert labels_of(tmp_path / "cvat.xml", text.format('label="car" ')) == {"a.jpg": [("car", [0.0, 0.0, 4.0, 4.0])]}


@pytest.mark.parametrize("twice", ["images", "annotations"])
def test_a_number_of_coco_that_is_given_twice_is_refused(tmp_path: Path, twice: str) -> None:
    document: dict[str, list[dict[str, Any]]] = {
        "images": [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b.jpg"}],
        "categories": [{"id": 1, "name": "car"}],
        "annotations": [{"id": k, "image_id": 1, "category_id": 1, "bbox": [0, 0, 4, 4]} for k in (1, 2)],
    }
    file = tmp_path / "coco.json"
    assert len(labels_of(file, json.dumps(document))["a.jpg"]) == 2
    document[twice][1]["id"] = 1
    with pytest.raises(InputError, match=rf"two of its {twice} have the id 1: number them anew"):
        labels_of(file, json.dumps(document))
