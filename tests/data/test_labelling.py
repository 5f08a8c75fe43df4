"""Files for labelling tools, read back by readers that are not ours."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import jsonschema
import numpy as np
import pytest
from pycocotools.coco import COCO

from howfar.data import Dataset, Item
from howfar.data.label_exports import read_labels
from howfar.data.labelling import PictureToLabel, coco, cvat, label_studio

ODD = 'a <b> & "c" ünï #1?.png'
PICTURES = (
    PictureToLabel("0001.jpg", "/data/roads/images/0001.jpg", (224, 160)),
    PictureToLabel("gone.jpg", "/data/roads/images/gone.jpg"),
    PictureToLabel(f"below/{ODD}", f"/data/roads/images/below/{ODD}", (40, 30)),
)
TITLE = "roads & <more>, chosen by far"


def test_coco_loads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "coco.json").write_text(coco(PICTURES, TITLE), encoding="utf-8")
    loaded = COCO(str(tmp_path / "coco.json"))
    assert "Done" in capsys.readouterr().out
    assert loaded.loadImgs(loaded.getImgIds()) == [
        {"id": 1, "file_name": "0001.jpg", "width": 224, "height": 160},
        {"id": 2, "file_name": f"below/{ODD}", "width": 40, "height": 30},
    ]
    assert loaded.loadCats(loaded.getCatIds()) == [{"id": 1, "name": "foreground", "supercategory": ""}]
    assert loaded.getAnnIds() == []
    assert loaded.dataset["info"]["description"] == TITLE


def test_coco_has_every_field_that_the_format_names() -> None:
    integer = {"type": "integer", "minimum": 1}
    schema = {
        "type": "object",
        "required": ["info", "licenses", "images", "annotations", "categories"],
        "properties": {
            "images": {
                "type": "array",
                "items": {
                    "required": ["id", "width", "height", "file_name"],
                    "properties": {"id": integer, "width": integer, "height": integer, "file_name": {"type": "string"}},
                },
            },
            "annotations": {"type": "array", "maxItems": 0},
            "categories": {"items": {"required": ["id", "name", "supercategory"]}, "minItems": 1, "maxItems": 1},
        },
    }
    jsonschema.validate(json.loads(coco(PICTURES, TITLE)), schema)


def test_cvat_is_what_its_importer_walks_through(tmp_path: Path) -> None:
    file = tmp_path / "cvat.xml"
    file.write_text(cvat(PICTURES, TITLE), encoding="utf-8")
    assert file.read_bytes().startswith(b'<?xml version="1.0" encoding="utf-8"?>')
    root = ElementTree.parse(file).getroot()
    assert root.tag == "annotations"
    assert [child.tag for child in root] == ["version", "meta", "image", "image"]
    assert root.findtext("version") == "1.1"
    assert [image.attrib for image in root.iter("image")] == [
        {"id": "0", "name": "0001.jpg", "width": "224", "height": "160"},
        {"id": "1", "name": f"below/{ODD}", "width": "40", "height": "30"},
    ]
    task = root.find("meta/task")
    assert task is not None
    found = {tag: task.findtext(tag) for tag in ("name", "size", "mode", "overlap", "start_frame", "stop_frame")}
    assert found == {"name": TITLE, "size": "2", "mode": "annotation", "overlap": "0", "start_frame": "0", "stop_frame": "1"}
    assert [label.findtext("name") for label in task.iter("label")] == ["foreground"]
    assert [label.findtext("type") for label in task.iter("label")] == ["any"]


def test_a_url_is_a_task_as_it_stands() -> None:
    (task,) = json.loads(label_studio([PictureToLabel("a b.png", "s3://roads/a b.png")], TITLE))
    assert task["data"]["image"] == "s3://roads/a b.png"


def test_label_studio_tasks_point_to_the_files() -> None:
    tasks = json.loads(label_studio(PICTURES, TITLE))
    assert isinstance(tasks, list)
    assert [set(task) for task in tasks] == [{"data", "meta"}] * 3
    for task, picture in zip(tasks, PICTURES, strict=True):
        url = urlsplit(task["data"]["image"])
        assert (url.scheme, url.netloc, url.path, url.fragment) == ("", "", "/data/local-files/", "")
        # What the server puts after its document root, which is / where none is set.
        assert parse_qs(url.query) == {"d": [picture.path.lstrip("/")]}
        assert task["meta"]["image"] == picture.name
    assert [task["meta"]["rank"] for task in tasks] == [1, 2, 3]


def test_nothing_with_a_size_is_still_a_file() -> None:
    assert json.loads(coco(PICTURES[1:2], TITLE))["images"] == []
    assert ElementTree.fromstring(cvat(PICTURES[1:2], TITLE)).findtext("meta/task/size") == "0"


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # of pycocotools 2.0.11 with numpy 2
def test_a_foreground_is_a_label_to_correct(tmp_path: Path) -> None:
    mask = np.zeros((30, 40), np.bool_)
    mask[5:9, 7:20] = True
    begun = (
        PictureToLabel("1.jpg", "/1.jpg", (40, 30), lambda: mask),
        PictureToLabel("2.jpg", "/2.jpg", (40, 30), lambda: ~(mask | True)),
    )
    (tmp_path / "coco.json").write_text(coco(begun, TITLE), encoding="utf-8")
    loaded = COCO(str(tmp_path / "coco.json"))
    (annotation,) = loaded.loadAnns(loaded.getAnnIds())
    assert (loaded.annToMask(annotation) == mask).all()
    assert (annotation["image_id"], annotation["area"], annotation["bbox"]) == (1, 52, [7, 5, 13, 4])
    (element,) = ElementTree.fromstring(cvat(begun, TITLE)).iter("mask")
    assert {name: element.attrib[name] for name in ("label", "rle", "left", "top", "width", "height")} == {
        "label": "foreground", "rle": "0, 52", "left": "7", "top": "5", "width": "13", "height": "4",
    }  # fmt: skip
    tasks = json.loads(label_studio(begun, TITLE))
    assert ["predictions" in task for task in tasks] == [True, False]
    (result,) = tasks[0]["predictions"][0]["result"]
    assert (result["type"], result["value"]["format"], result["original_width"]) == ("brushlabels", "rle", 40)


@pytest.mark.parametrize("name", ["a\x1b[31m.png", "b\x00.png", "c\x0b\ufffe.png"])
def test_names_that_xml_cannot_hold_are_written_out_and_found_again(name: str, tmp_path: Path) -> None:
    """CVAT's file would not be XML else, and the labels of such an image would belong to nobody."""
    mask = np.ones((2, 3), np.bool_)
    text = cvat([PictureToLabel(name, f"/roads/{name}", (3, 2), lambda: mask)], f"set of {name}")
    (tmp_path / "cvat.xml").write_text(text, encoding="utf-8")
    image = ElementTree.parse(tmp_path / "cvat.xml").find("image")
    assert image is not None
    assert image.attrib["name"].isprintable()
    labels = read_labels(Dataset("roads", (Item(name, Path("x.png")),)), tmp_path / "cvat.xml")
    assert labels.strangers == ()
    assert np.array_equal(labels.by_image[name], mask)
