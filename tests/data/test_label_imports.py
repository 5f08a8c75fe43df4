"""Labels come back from labelling tools as they were drawn; our own files, and files as the tools write them."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco_masks

from howfar.data import Dataset, Item
from howfar.data.label_exports import read_labels
from howfar.data.labelling import PictureToLabel, coco, cvat, label_studio
from howfar.data.masks import compressed, from_brush, from_columns, from_rows, to_brush, to_columns, to_rows
from howfar.errors import InputError, MissingPathError

NAMES = ("a/1.jpg", "a/2.jpg", "3.jpg")
SITE = Dataset("site", tuple(Item(name, Path("/site") / name) for name in NAMES))


def blob(seed: int, height: int = 30, width: int = 41) -> NDArray[np.bool_]:
    rng = np.random.default_rng(seed)
    values = rng.random((height, width)) < 0.1
    values[height // 3 : height // 2, width // 4 : width // 2] = True
    return values


def pictures() -> list[PictureToLabel]:
    return [PictureToLabel(name, f"/site/{name}", (41, 30), partial(blob, seed)) for seed, name in enumerate(NAMES)]


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # of pycocotools 2.0.11 with numpy 2
@pytest.mark.parametrize("seed", range(6))
def test_run_lengths_come_back(seed: int) -> None:
    mask = blob(seed, 5 + seed, 9)
    mask[0, 0] = seed % 2 == 0
    assert (from_columns(to_columns(mask), *mask.shape) == mask).all()
    assert (from_rows(to_rows(mask), *mask.shape) == mask).all()
    assert (from_brush(to_brush(mask), *mask.shape) == mask).all()
    encoded = coco_masks.frPyObjects({"counts": to_columns(mask), "size": list(mask.shape)}, *mask.shape)
    assert (coco_masks.decode(encoded).astype(bool) == mask).all()
    assert compressed(encoded["counts"]) == to_columns(mask)


def test_a_long_run_of_a_brush_is_cut() -> None:
    mask = np.zeros((200, 300), np.bool_)
    mask[150:] = True
    assert (from_brush(to_brush(mask), 200, 300) == mask).all()


@pytest.mark.parametrize(("read", "runs"), [(from_columns, [1, 2]), (from_rows, [5, -1]), (from_brush, [1, 2, 3])])
def test_run_lengths_of_another_size_are_refused(read, runs: list[int]) -> None:
    with pytest.raises(InputError, match="run lengths"):
        read(runs, 2, 2)


@pytest.mark.parametrize(("name", "write"), [("labels.json", coco), ("labels.xml", cvat)])
def test_our_own_files_come_back(name: str, write, tmp_path: Path) -> None:
    (tmp_path / name).write_text(write(pictures(), "site"), encoding="utf-8")
    labels = read_labels(SITE, tmp_path / name)
    assert labels.unsure
    assert {image: mask.tolist() for image, mask in labels.by_image.items()} == {
        image: blob(seed).tolist() for seed, image in enumerate(NAMES)
    }


def test_predictions_of_label_studio_are_no_labels(tmp_path: Path) -> None:
    tasks = json.loads(label_studio(pictures(), "site"))
    file = tmp_path / "tasks.json"
    file.write_text(json.dumps(tasks))
    assert not read_labels(SITE, file).by_image
    for task in tasks[:2]:
        task["annotations"] = [{"result": task["predictions"][0]["result"]}]
    tasks[2]["annotations"] = [{"result": []}]
    file.write_text(json.dumps(tasks))
    labels = read_labels(SITE, file)
    assert not labels.unsure
    assert (labels.by_image["a/1.jpg"] == blob(0)).all()
    assert (labels.by_image["a/2.jpg"] == blob(1)).all()
    assert np.asarray(labels.by_image["3.jpg"]).size == 0


def test_coco_polygons_and_compressed_runs(tmp_path: Path) -> None:
    compressed = coco_masks.encode(np.asfortranarray(blob(2).astype(np.uint8)))
    document = {
        "images": [{"id": number, "file_name": name, "width": 41, "height": 30} for number, name in enumerate(NAMES)],
        "categories": [{"id": 1, "name": "foreground"}, {"id": 2, "name": "car"}],
        "annotations": [
            {"image_id": 0, "category_id": 1, "segmentation": [[2, 3, 12, 3, 12, 9, 2, 9]]},
            {"image_id": 0, "category_id": 2, "segmentation": [[0, 0, 40, 0, 40, 29]]},
            {"image_id": 2, "category_id": 1, "segmentation": {**compressed, "counts": compressed["counts"].decode()}},
        ],
    }
    (tmp_path / "coco.json").write_text(json.dumps(document))
    masks = read_labels(SITE, tmp_path / "coco.json").by_image
    wanted = np.zeros((30, 41), bool)
    wanted[3:9, 2:12] = True
    assert (masks["a/1.jpg"] == wanted).all()
    assert not np.asarray(masks["a/2.jpg"]).any()
    assert (masks["3.jpg"] == blob(2)).all()
    document["categories"][0]["name"] = "crack"
    (tmp_path / "coco.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match="2 categories, none called foreground"):
        read_labels(SITE, tmp_path / "coco.json")


def test_of_several_labels_one_must_be_foreground(tmp_path: Path) -> None:
    box = '<box label="{}" xtl="{}" ytl="1" xbr="12" ybr="4"/>'
    document = '<annotations><image id="0" name="3.jpg" width="20" height="10">{}</image></annotations>'
    (tmp_path / "cvat.xml").write_text(document.format(box.format("crack", 10) + box.format("ignore", 2)))
    with pytest.raises(InputError, match="2 labels, none called foreground"):
        read_labels(SITE, tmp_path / "cvat.xml")
    (tmp_path / "cvat.xml").write_text(document.format(box.format("foreground", 10) + box.format("ignore", 2)))
    mask = np.asarray(read_labels(SITE, tmp_path / "cvat.xml").by_image["3.jpg"])
    assert (int(mask.sum()), mask[1:4, 10:12].all()) == (6, True)
    # A file may declare foreground, as howfar's own do, and hold areas of another label alone.
    (tmp_path / "coco.json").write_text(
        json.dumps(
            {
                "images": [{"id": 1, "file_name": "3.jpg", "width": 20, "height": 10}],
                "categories": [{"id": 1, "name": "foreground"}, {"id": 2, "name": "crack"}],
                "annotations": [{"id": 1, "image_id": 1, "category_id": 2, "bbox": [10, 1, 2, 3], "segmentation": []}],
            }
        )
    )
    mask = np.asarray(read_labels(SITE, tmp_path / "coco.json").by_image["3.jpg"])
    assert (int(mask.sum()), mask[1:4, 10:12].all()) == (6, True)


def test_polygons_and_boxes_of_cvat_and_label_studio(tmp_path: Path) -> None:
    (tmp_path / "cvat.xml").write_text(
        '<annotations><image id="0" name="3.jpg" width="20" height="10">'
        '<polygon label="foreground" points="2.0,2.0;7.0,2.0;7.0,5.0;2.0,5.0"/>'
        '<box label="foreground" xtl="10" ytl="1" xbr="12" ybr="4"/><tag label="x"/></image></annotations>'
    )
    mask = np.asarray(read_labels(SITE, tmp_path / "cvat.xml").by_image["3.jpg"])
    wanted = np.zeros((10, 20), np.bool_)
    wanted[2:5, 2:7] = wanted[1:4, 10:12] = True
    assert (mask == wanted).all()
    shape = {"original_width": 20, "original_height": 10}
    results = [
        {**shape, "value": {"points": [[10, 20], [35, 20], [35, 50], [10, 50]]}},
        {**shape, "value": {"x": 50, "y": 10, "width": 10, "height": 30}},
    ]
    task = {"data": {"image": "/data/local-files/?d=site/3.jpg"}, "annotations": [{"result": results}]}
    (tmp_path / "studio.json").write_text(json.dumps([task]))
    assert (np.asarray(read_labels(SITE, tmp_path / "studio.json").by_image["3.jpg"]) == mask).all()


def test_a_folder_of_masks_is_matched_by_path_or_last_part(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for name in ("a/1.png", "a/9.png"):
        Image.new("L", (4, 4)).save(tmp_path / name)
    labels = read_labels(SITE, tmp_path)
    assert (dict(labels.by_image), labels.strangers, labels.unsure) == ({"a/1.jpg": tmp_path / "a/1.png"}, ("a/9",), False)
    flat = read_labels(SITE, tmp_path / "a")
    assert dict(flat.by_image) == {"a/1.jpg": tmp_path / "a/1.png"}


def test_what_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(MissingPathError, match="no labels at"):
        read_labels(SITE, tmp_path / "none")
    for name, text in (("a.json", "{"), ("b.json", '{"images": 3}'), ("c.xml", "<a"), ("d.txt", "masks")):
        (tmp_path / name).write_text(text)
        with pytest.raises(InputError, match=f"{name} cannot be read"):
            read_labels(SITE, tmp_path / name)
