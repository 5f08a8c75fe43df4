"""Labels that tools export become a dataset, or one clear line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import howfar
from howfar.data import Dataset, read_mask
from howfar.errors import InputError
from howfar.results import Pick, Provenance, Selection
from label_tools import SIDES, export_coco, export_cvat, export_label_studio, mask_of, written

ODD = 'a <b> & "c" ünï 道路 #1?.png'
NAMES = ("1.png", "below/2.png", ODD)


MASKS = {name: mask_of(number) for number, name in enumerate(NAMES)}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Three images with names of all kinds, and no masks."""
    for name in NAMES:
        file = tmp_path / "site" / "images" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((*SIDES, 3), 90, np.uint8)).save(file)
    return tmp_path / "site"


@pytest.fixture
def selected(site: Path, tmp_path: Path) -> Path:
    """The folder of a selection of the images, without first labels."""
    picks = tuple(Pick(rank, name, str(site / "images" / name), 0.5, "so") for rank, name in enumerate(NAMES, start=1))
    selection = Selection("roads", "site", "random", True, 0, 3, 0, picks, provenance=Provenance.now())
    return selection.save(tmp_path / "selected")


def masks_at(folder: Path) -> dict[str, list[list[bool]]]:
    dataset = Dataset.from_table(folder / "labels.csv")
    names = pd.read_csv(folder / "labels.csv")["name"]
    return {name: read_mask(item.mask).tolist() for name, item in zip(names, dataset.items, strict=True) if item.mask}


WANTED = {name: mask.tolist() for name, mask in MASKS.items()}
WRITERS: dict[str, Callable[..., Path]] = {
    "labels.json": export_coco,
    "labels.xml": export_cvat,
    "tasks.json": export_label_studio,
}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("given", ["selection", "chosen.csv", "chosen.txt", "certify's folder", "folder"])
def test_masks_of_every_tool_become_a_dataset(name: str, given: str, site: Path, selected: Path, tmp_path: Path) -> None:
    file = WRITERS[name](MASKS, "Riß", tmp_path / name)
    listed = pd.DataFrame({"image": [str(site / "images" / name) for name in NAMES], "name": NAMES})
    beside = tmp_path / "beside"
    beside.mkdir()
    listed.to_csv(beside / "chosen.csv", index=False)
    (beside / "chosen.txt").write_text("\n".join(listed["image"]))
    Image.new("RGB", (4, 4)).save(beside / "contact_sheet.png")
    places = {"selection": selected, "certify's folder": beside, "folder": site}
    images = places.get(given, beside / given)
    done = howfar.import_labels(file, images, tmp_path / "out")
    assert masks_at(tmp_path / "out") == WANTED
    assert {one.image: one.marks for one in done.images} == dict.fromkeys(NAMES, 1)
    assert (done.left_out, done.notes) == ((), ())
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["import.json", "labels.csv", "masks"]
    assert json.loads((tmp_path / "out" / "import.json").read_text())["images"][1]["label"] == "masks/below/2.png"


@pytest.mark.parametrize("how", ["copy", "link"])
def test_images_come_along_where_they_are_asked_for(how: Any, site: Path, selected: Path, tmp_path: Path) -> None:
    howfar.import_labels(export_coco(MASKS, "x", tmp_path / "c.json"), selected, tmp_path / "out", with_images=how)
    folder = Dataset.from_folder(tmp_path / "out")
    assert sorted(item.name for item in folder.items) == sorted(NAMES)
    assert {item.name: read_mask(item.mask).tolist() for item in folder.items if item.mask} == WANTED
    for item in folder.items:
        assert isinstance(item.path, Path)
        assert item.path.samefile(site / "images" / item.name) is (how == "link")
        assert item.path.read_bytes() == (site / "images" / item.name).read_bytes()
    assert masks_at(tmp_path / "out") == WANTED


def test_a_folder_of_masks_and_one_that_is_empty(selected: Path, tmp_path: Path) -> None:
    for name, mask in {**MASKS, "1.png": np.zeros(SIDES, bool)}.items():
        file = tmp_path / "masks" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask.astype(np.uint8) * np.uint8(255)).save(file)
    done = howfar.import_labels(tmp_path / "masks", selected, tmp_path / "out")
    assert [one.marks for one in done.images if one.image == "1.png"] == [0]
    assert done.caption() == "3 images of site labelled with masks, 1 with nothing there (segmentation)"
    assert masks_at(tmp_path / "out") == {**WANTED, "1.png": np.zeros(SIDES, bool).tolist()}


@pytest.mark.parametrize(
    ("name", "beside", "why"),
    [
        ("labels.json", {}, "2 of 3 images have no label, and COCO does not say that somebody looked at them"),
        ("labels.xml", {"tagged": ("1.png",)}, "1 of 3 images have no label, and CVAT does not say"),
        ("tasks.json", {"skipped": (ODD,)}, "1 of 3 images are not annotated"),
    ],
)
def test_nothing_there_counts_only_where_the_tool_says_so(name, beside, why, selected, tmp_path):
    masks = {**MASKS, "1.png": np.zeros(SIDES, bool), ODD: np.zeros(SIDES, bool)}
    file = WRITERS[name](masks, "x", tmp_path / name, **beside)
    done = howfar.import_labels(file, selected, tmp_path / "out")
    looked_at = [] if name == "labels.json" else ["1.png"]
    assert [one.image for one in done.images if one.marks == 0] == looked_at
    assert done.left_out == tuple(image for image in ("1.png", ODD) if image not in looked_at)
    assert done.notes[0].startswith(why)
    if name != "tasks.json":
        again = howfar.import_labels(file, selected, tmp_path / "again", complete=True)
        assert [one.marks for one in again.images] == [0, 1, 0]
        assert not again.left_out


def test_the_model_s_own_shapes_are_no_labels_until_somebody_says_so(selected: Path, tmp_path: Path) -> None:
    export_coco(MASKS, "x", selected / "coco.json")
    drawn = {**MASKS, "1.png": ~MASKS["1.png"]}
    for name in ("labels.json", "labels.xml"):
        file = WRITERS[name](drawn, "x", tmp_path / name)
        done = howfar.import_labels(file, selected, tmp_path / f"out {name}")
        assert [one.image for one in done.images] == ["1.png"]
        assert "2 of 3 images have the model's own labels, unchanged" in done.notes[0]
        assert len(howfar.import_labels(file, selected, tmp_path / f"all {name}", complete=True)) == 3
    everything = howfar.import_labels(export_label_studio(drawn, "x", tmp_path / "t.json"), selected, tmp_path / "studio")
    assert len(everything) == 3


def test_a_zip_and_names_of_an_upload_are_read(selected: Path, tmp_path: Path) -> None:
    with ZipFile(tmp_path / "cvat.zip", "w") as archive:
        archive.writestr("annotations.xml", export_cvat(MASKS, "x", tmp_path / "c.xml").read_text())
        archive.writestr("images/1.png", b"...")
    assert len(howfar.import_labels(tmp_path / "cvat.zip", selected, tmp_path / "one")) == 3
    uploaded = {f"0a1b2c3d-{name.rpartition('/')[2]}": mask for name, mask in MASKS.items()}
    file = export_coco({name: uploaded[name] for name in uploaded}, "x", tmp_path / "result.json")
    assert {one.image for one in howfar.import_labels(file, selected, tmp_path / "two").images} == set(NAMES)


def test_names_of_labels_are_taken_translated_or_left_out(selected: Path, tmp_path: Path) -> None:
    boxes = {
        "images": [{"id": n, "file_name": name, "width": 17, "height": 12} for n, name in enumerate(NAMES)],
        "categories": [{"id": 7, "name": "Auto ü"}, {"id": 8, "name": "Schatten"}],
        "annotations": [
            {"image_id": 0, "category_id": 7, "bbox": [1, 2, 5, 4], "segmentation": []},
            {"image_id": 1, "category_id": 8, "bbox": [1, 2, 5, 4], "segmentation": []},
        ],
    }
    file = written(tmp_path / "boxes.json", json.dumps(boxes))
    names = ["3=Auto ü", "=Schatten"]
    done = howfar.import_labels(file, selected, tmp_path / "out", task="detection", label_names=names)
    assert [(one.image, one.marks) for one in done.images] == [("1.png", 1), ("below/2.png", 0)]
    assert done.left_out == (ODD,)
    assert json.loads((tmp_path / "out" / "boxes.json").read_text()) == [
        {"image": "1.png", "boxes": [[1, 2, 6, 6]], "labels": ["3"]},
        {"image": "below/2.png", "boxes": [], "labels": []},
    ]
    assert Dataset.from_table(tmp_path / "out" / "labels.csv").items[0].label is None
    filled = howfar.import_labels(file, selected, tmp_path / "masks", label_names=["Auto ü", "Schatten"])
    assert [one.marks for one in filled.images] == [1, 1]
    mask = np.zeros(SIDES, bool)
    mask[2:6, 1:6] = True
    assert masks_at(tmp_path / "masks")["1.png"] == mask.tolist()


def test_classes_come_from_tags_and_choices(selected: Path, tmp_path: Path) -> None:
    xml = "".join(
        f'<image name="{name}" width="17" height="12">{tag}</image>'
        for name, tag in (("1.png", '<tag label="naß"/>'), ("below/2.png", ""))
    )
    file = written(tmp_path / "c.xml", f"<annotations>{xml}</annotations>")
    done = howfar.import_labels(file, selected, tmp_path / "out", task="classification", label_names={"wet": "naß"})
    assert (len(done), done.left_out) == (1, ("below/2.png",))
    assert Dataset.from_table(tmp_path / "out" / "labels.csv").items[0].label == "wet"
    choice = {"type": "choices", "value": {"choices": ["dry"]}}
    tasks = [{"data": {"image": "x"}, "meta": {"image": name}, "annotations": [{"result": [choice]}]} for name in NAMES]
    howfar.import_labels(written(tmp_path / "t.json", json.dumps(tasks)), selected, tmp_path / "two", task="classification")
    assert [item.label for item in Dataset.from_table(tmp_path / "two" / "labels.csv").items] == ["dry"] * 3


def coco(**changes: Any) -> dict[str, Any]:
    """A COCO document of one labelled image, with some of its parts changed."""
    image = {"id": 1, "file_name": "1.png", "width": 17, "height": 12}
    annotation = {"image_id": 1, "category_id": 1, "segmentation": [[2, 2, 9, 2, 9, 8]]}
    document = {"images": [image], "annotations": [annotation], "categories": [{"id": 1, "name": "crack"}]}
    return {**document, **changes}


IMAGE = {"id": 1, "file_name": "1.png", "width": 17, "height": 12}
TWO = [{"id": 1, "name": "crack"}, {"id": 2, "name": "joint"}]
SHAPES = [{"image_id": 1, "category_id": number, "segmentation": [[2, 2, 9, 2, 9, 8]]} for number in (1, 2)]


@pytest.mark.parametrize(
    ("document", "options", "words"),
    [
        (coco(images=[{**IMAGE, "file_name": "9.png"}]), {}, "must be of images of site, such as 1.png, got '9.png'"),
        (coco(images=[IMAGE, {**IMAGE, "id": 2}]), {}, "must label an image once (it is listed twice), got '1.png'"),
        (coco(images=[{**IMAGE, "width": 20}]), {}, "must be drawn on its image of 17×12 pixels, got '20×12'"),
        (coco(images=[], annotations=[]), {}, "must hold an image, got 0"),
        (coco(annotations=[]), {}, "somebody labelled, got 0: 1 of 1 images have no label"),
        (coco(), {"label_names": "joint"}, "label of a shape of 1.png must be named in label_names (joint), got 'crack'"),
        (coco(annotations=SHAPES, categories=TWO), {}, "since there are 2 labels (crack, joint), got None: pass those"),
        (coco(annotations=[SHAPES[0] | {"segmentation": [[1, 1, 2]]}]), {}, "c.json cannot be read"),
        (coco(), {"task": "detection"}, "must be upright boxes, got 'a shape of 1.png': draw rectangles"),
    ],
)
def test_what_cannot_be_meant_is_one_line(document, options, words, selected, tmp_path):
    file = written(tmp_path / "c.json", json.dumps(document))
    with pytest.raises(InputError) as caught:
        howfar.import_labels(file, selected, tmp_path / "out", **options)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.glob("out/*"))


def test_other_faults_are_one_line_too(selected: Path, tmp_path: Path) -> None:
    twice = json.loads(export_label_studio(MASKS, "x", tmp_path / "t.json").read_text())
    twice[0]["annotations"] *= 2
    with pytest.raises(InputError, match="2 people annotated it"):
        howfar.import_labels(written(tmp_path / "t.json", json.dumps(twice)), selected, tmp_path / "three")
    small = export_coco({"1.png": np.ones((3, 4), bool)}, "x", tmp_path / "s.json")
    with pytest.raises(InputError, match="must be drawn on its image of 17×12 pixels, got '4×3': pass the images"):
        howfar.import_labels(small, selected, tmp_path / "four")
    (tmp_path / "masks").mkdir()
    Image.fromarray(np.full((5, 5), 255, np.uint8)).save(tmp_path / "masks" / "1.png")
    with pytest.raises(InputError, match=r"the mask of 1.png must be of the size of its image, 17×12 pixels, got '5×5': save"):
        howfar.import_labels(tmp_path / "masks", selected, tmp_path / "five")
    (tmp_path / "masks" / "1.png").write_text("a text")
    with pytest.raises(InputError, match=r"1\.png cannot be read \(not an image .*\): save it as PNG of 0 and 255"):
        howfar.import_labels(tmp_path / "masks", selected, tmp_path / "five")
    with ZipFile(tmp_path / "two.zip", "w") as archive:
        for name in ("a.json", "b.json"):
            archive.writestr(name, "{}")
    with pytest.raises(InputError, match=r"2 files \.xml or \.json, and one is wanted"):
        howfar.import_labels(tmp_path / "two.zip", selected, tmp_path / "six")
