"""What a selection hands to labelling tools, opened by readers that are not ours."""

import json
from dataclasses import replace as with_changes
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from howfar.data.annotations import FirstLabels, label_names
from howfar.errors import InputError
from howfar.report.labelling_files import write_selection
from howfar.results import Pick, Provenance, Selection
from label_tools import SIDES, mask_of

ODD = 'a <b> & "c" ünï 道路 #1.png'
NAMES = ("1.png", "below/2.png", ODD)
LABELS = ("Riß <&> 道路", "joint")
INSTALL = "which howfar's extras do not bring, at half a gigabyte: pip install "


MASKS = dict(zip(NAMES[:2], (mask_of(0), mask_of(1)), strict=True))
"""What the model says; of the last image nothing is known."""


@pytest.fixture
def selection(tmp_path: Path) -> Selection:
    picks = []
    for rank, name in enumerate(NAMES, start=1):
        file = tmp_path / "site" / "images" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((*SIDES, 3), 60 * rank, np.uint8)).save(file)
        picks.append(Pick(rank, name, str(file), 0.5, "so"))
    return Selection("roads", "site", "random", True, 0, 3, 0, tuple(picks), provenance=Provenance.now())


@pytest.fixture
def masks() -> FirstLabels:
    foregrounds = {name: partial(MASKS.get, name) for name in MASKS}
    return FirstLabels("segmentation", label_names(LABELS, "segmentation"), ("foreground",), foregrounds)


@pytest.fixture
def boxes() -> FirstLabels:
    named = label_names(["0=Auto <ü>", "van"], "detection")
    return FirstLabels("detection", named, ("0", "1"), boxes={"1.png": [("0", (1.0, 2.0, 6.0, 9.5)), ("1", (0, 0, 3, 3))]})


@pytest.fixture
def classes() -> FirstLabels:
    return FirstLabels("classification", label_names(["w=naß"], "classification"), ("w", "d"), classes={"1.png": "w"})


@pytest.mark.usefixtures("capsys")
@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # of pycocotools 2.0.11 with numpy 2
def test_pycocotools_reads_masks_and_boxes(selection, masks, boxes, tmp_path):
    write_selection(selection, tmp_path / "m", masks)
    loaded = COCO(str(tmp_path / "m" / "coco.json"))
    assert [each["name"] for each in loaded.loadCats(loaded.getCatIds())] == list(LABELS)
    files = {image["id"]: image["file_name"] for image in loaded.loadImgs(loaded.getImgIds())}
    found = {files[one["image_id"]]: loaded.annToMask(one).tolist() for one in loaded.loadAnns(loaded.getAnnIds())}
    assert found == {name: mask.tolist() for name, mask in MASKS.items()}
    write_selection(selection, tmp_path / "b", boxes)
    loaded = COCO(str(tmp_path / "b" / "coco.json"))
    assert [each["name"] for each in loaded.loadCats(loaded.getCatIds())] == ["Auto <ü>", "van", "1"]
    assert [(one["category_id"], one["bbox"]) for one in loaded.loadAnns(loaded.getAnnIds())] == [
        (1, [1.0, 2.0, 5.0, 7.5]),
        (3, [0, 0, 3, 3]),
    ]


def test_archives_hold_the_images_that_their_annotations_name(selection: Selection, masks: FirstLabels, tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_selection(selection, out, masks, "copy")
    with ZipFile(out / "coco.zip") as archive:
        document = json.loads(archive.read("annotations/instances_default.json"))
        assert document == json.loads((out / "coco.json").read_text(encoding="utf-8"))
        for image, pick in zip(document["images"], selection.picks, strict=True):
            assert archive.read(f"images/default/{image['file_name']}") == Path(pick.path).read_bytes()
    with ZipFile(out / "cvat.zip") as archive:
        root = ElementTree.fromstring(archive.read("annotations.xml"))
        for frame, pick in zip(root.iter("image"), selection.picks, strict=True):
            assert archive.read(f"images/{frame.attrib['name']}") == Path(pick.path).read_bytes()
    assert not (out / "coco").exists()
    write_selection(selection, out, masks, "link")
    assert not (out / "coco.zip").exists()
    linked = out / "cvat" / "images" / "below" / "2.png"
    assert linked.samefile(selection.picks[1].path)
    write_selection(selection, out, masks)
    assert not (out / "coco").exists()
    (out / "cvat").mkdir()
    with pytest.raises(InputError, match="out must hold no folder cvat of another kind"):
        write_selection(selection, out, masks)


def test_a_name_that_xml_cannot_hold_is_the_same_in_annotations_and_archive(selection, masks, tmp_path):
    name = "a\x1b[31m.png"
    odd = with_changes(selection, picks=(with_changes(selection.picks[0], image=name),))
    write_selection(odd, tmp_path / "out", masks, "copy")
    with ZipFile(tmp_path / "out" / "cvat.zip") as archive:
        (image,) = ElementTree.fromstring(archive.read("annotations.xml")).iter("image")
        assert f"images/{image.attrib['name']}" in archive.namelist()
    with ZipFile(tmp_path / "out" / "coco.zip") as archive:
        assert f"images/default/{name}" in archive.namelist()


def test_names_from_elsewhere_stay_below_the_archive(selection: Selection, masks: FirstLabels, tmp_path: Path) -> None:
    absolute = with_changes(selection, picks=tuple(with_changes(pick, image=pick.path) for pick in selection.picks))
    first = with_changes(masks, foregrounds={pick.image: partial(mask_of, 0) for pick in absolute.picks})
    write_selection(absolute, tmp_path / "out", first, "copy")
    with ZipFile(tmp_path / "out" / "cvat.zip") as archive:
        assert {name for name in archive.namelist() if name != "annotations.xml"} == {f"images/{name}" for name in NAMES}
        assert len(list(ElementTree.fromstring(archive.read("annotations.xml")).iter("mask"))) == 3


@pytest.mark.parametrize("task", ["masks", "boxes", "classes"])
def test_the_interface_of_label_studio_fits_its_tasks(task, selection, tmp_path, request):
    first = request.getfixturevalue(task)
    write_selection(selection, tmp_path, first)
    view = ElementTree.parse(tmp_path / "label_studio.xml").getroot()
    controls = {control.attrib["name"]: control for control in view if control.tag != "Image"}
    results = [
        result
        for each in json.loads((tmp_path / "label_studio.json").read_text(encoding="utf-8"))
        for prediction in each.get("predictions", [])
        for result in prediction["result"]
    ]
    assert results
    for result in results:
        control = controls[result["from_name"]]
        assert control.tag.lower() == result["type"]
        assert control.attrib["toName"] == result["to_name"] == view[0].attrib["name"]
        assert set(result["value"][result["type"]]) <= {label.attrib["value"] for label in control}


@pytest.mark.filterwarnings("ignore")  # of that library and of what it imports
@pytest.mark.parametrize("task", ["masks", "boxes", "classes"])
def test_label_studio_s_own_library_takes_tasks_and_interface(task, selection, tmp_path, request):
    library: Any = pytest.importorskip(
        "label_studio_sdk.label_interface", reason=f"needs label-studio-sdk, {INSTALL}label-studio-sdk"
    )
    write_selection(selection, tmp_path, request.getfixturevalue(task))
    interface = library.LabelInterface((tmp_path / "label_studio.xml").read_text(encoding="utf-8"))
    interface.validate()
    tasks = json.loads((tmp_path / "label_studio.json").read_text(encoding="utf-8"))
    for each in tasks:
        predictions = each.pop("predictions", [])  # which this version's validate_task cannot be given
        assert interface.validate_task(each)
        for prediction in predictions:
            assert interface.validate_prediction(prediction)
            other = json.loads(json.dumps(prediction).replace('"from_name": "label"', '"from_name": "other"'))
            assert not prediction["result"] or not interface.validate_prediction(other)


def test_a_link_to_another_disk_is_a_symbolic_one(selection, masks, tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    write_selection(selection, tmp_path, masks, "link")
    assert (tmp_path / "coco" / "images" / "default" / "1.png").readlink() == Path(selection.picks[0].path)
