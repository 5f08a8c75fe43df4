"""Files for labelling tools have the tools' forms; what howfar did not write is never replaced."""

import json
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from howfar.data.annotation_shapes import Mark, MarkedImage
from howfar.data.coco import coco_shape, write_coco
from howfar.data.cvat import write_cvat
from howfar.data.label_studio import from_brush, write_label_studio
from howfar.data.pre_annotations import check_archive, label_names, remove_archive, write_archive
from howfar.errors import InputError

ODD = 'a <b> & "c" ünï #1?.png'

PICTURES = (
    MarkedImage("0001.jpg", (224, 160), path="/data/roads/images/0001.jpg"),
    MarkedImage("gone.jpg", None, path="/data/roads/images/gone.jpg"),
    MarkedImage(f"below/{ODD}", (40, 30), path=f"/data/roads/images/below/{ODD}"),
)

TITLE = "roads & <more>, chosen by far"


def test_cvat_is_what_its_importer_walks_through(tmp_path: Path) -> None:
    file = tmp_path / "cvat.xml"
    file.write_text(write_cvat(PICTURES, TITLE), encoding="utf-8")
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


def test_label_studio_tasks_point_to_the_files() -> None:
    tasks = json.loads(write_label_studio(PICTURES, TITLE))
    assert [set(task) for task in tasks] == [{"data", "meta"}] * 3
    for rank, (task, picture) in enumerate(zip(tasks, PICTURES, strict=True), start=1):
        url = urlsplit(task["data"]["image"])
        assert (url.scheme, url.netloc, url.path, url.fragment) == ("", "", "/data/local-files/", "")
        # What the server puts after its document root, which is / where none is set.
        assert parse_qs(url.query) == {"d": [picture.path.lstrip("/")]}
        assert (task["meta"]["image"], task["meta"]["rank"]) == (picture.name, rank)
    (task,) = json.loads(write_label_studio([MarkedImage("a b.png", None, path="s3://roads/a b.png")], TITLE))
    assert task["data"]["image"] == "s3://roads/a b.png"


def test_a_foreground_boxes_and_a_class_are_labels_to_correct() -> None:
    mask, names = np.zeros((30, 40), np.bool_), ("foreground", "car")
    mask[5:9, 7:20] = True
    drawn = Mark("foreground", "mask", lambda: mask)
    marks = (Mark("wet", "class"), drawn, Mark.of_box("car", "box", (1, 2, 5, 4), (40, 30)))
    begun = MarkedImage("1.jpg", (40, 30), marks, path="/1.jpg")
    first, second = json.loads(write_coco([begun], TITLE, names))["annotations"]
    assert (coco_shape(first["segmentation"], 30, 40) == mask).all()
    assert (first["image_id"], first["area"], first["bbox"], second["bbox"]) == (1, 52, [7, 5, 13, 4], [1, 2, 4, 2])
    root = ElementTree.fromstring(write_cvat([begun], TITLE, names))
    (area,), (box,) = root.iter("mask"), root.iter("box")
    assert [area.attrib[name] for name in ("label", "rle", "left", "top")] == ["foreground", "0, 52", "7", "5"]
    assert [box.attrib[name] for name in ("label", "xtl", "ytl", "xbr", "ybr")] == ["car", "1", "2", "5", "4"]
    (task,) = json.loads(write_label_studio([begun], TITLE))
    label, brush, rectangle = (result["value"] for result in task["predictions"][0]["result"])
    assert (label, brush["brushlabels"], rectangle["rectanglelabels"]) == ({"choices": ["wet"]}, ["foreground"], ["car"])
    assert (from_brush(brush["rle"], 30, 40) == mask).all()


def test_names_go_both_ways_for_every_task() -> None:
    masks = label_names(["Riß", "joint"], "segmentation")
    assert (masks.in_dataset("joint"), masks.in_dataset("car"), masks.in_tool("foreground")) == ("foreground", None, "Riß")
    assert masks.offered() == ("Riß", "joint")
    classes = label_names({"0": "a=b", "1": "c"}, "classification")
    assert (classes.in_tool("0"), classes.in_dataset("a=b")) == ("a=b", "0")
    assert classes.offered(["0", "1", "2"]) == ("a=b", "c", "2")
    nothing = label_names((), "detection")
    assert (nothing.in_dataset("car"), nothing.in_tool("car"), nothing.offered(["car"])) == ("car", "car", ("car",))


@pytest.mark.parametrize("names", [[""], ["a="], ["a", "x=a"], 3, [3]])
def test_names_that_say_nothing_are_refused(names: Any) -> None:
    with pytest.raises(InputError, match="label_names must"):
        label_names(names, "detection")


def images(folder: Path) -> dict[str, str]:
    Image.new("RGB", (4, 4)).save(folder / "1.png")
    return {"1.png": str(folder / "1.png")}


def test_what_others_wrote_stays(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "cvat.zip", "w") as mine:
        mine.writestr("annotations.xml", "hours of work")
    kept = tmp_path / "coco" / "annotations" / "instances_default.json"
    kept.parent.mkdir(parents=True)
    kept.write_text("hours of work")
    before = (tmp_path / "cvat.zip").read_bytes()
    lines = {
        "cvat": r"out must hold no cvat\.zip that howfar did not write",
        "coco": "out must hold no folder coco of another kind",
    }
    for kind, line in lines.items():
        for act in (remove_archive, check_archive, lambda kind, out: write_archive(kind, "", images(tmp_path), out, "copy")):
            with pytest.raises(InputError, match=line):
                act(kind, tmp_path)
    assert (tmp_path / "cvat.zip").read_bytes() == before
    assert kept.read_text() == "hours of work"
