"""True and predicted boxes in every format are the same boxes, and what is none of a format is refused in one line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data.box_files import scene
from data.box_files.scene import HEIGHT, NAMES, PREDICTED, TRUE, WIDTH, written
from howfar.data import Dataset, Item
from howfar.data.annotations import BoxFile
from howfar.data.box_files import boxes_in, outside, read_box_labels, read_predicted_boxes, read_results, read_true_boxes
from howfar.data.class_names_and_predictions import class_names
from howfar.data.name_matching import entries_of
from howfar.data.untrusted_documents_and_tables import column_roles
from howfar.errors import InputError, MissingPathError

ROLES = column_roles(scene.COLUMNS)


def flat(read: BoxFile, dataset: Any) -> dict[str, list[tuple[Any, ...]]]:
    """Return label, corners and score of the boxes of each image, in the file's order."""
    entries = entries_of(dataset, "entry", Path("file"), list(read.boxes))
    found = {}
    for image, entry in entries.items():
        boxes = read.boxes[entry]
        columns = [boxes["labels"], [tuple(round(float(x), 6) for x in box) for box in boxes["boxes"]]]
        found[image] = list(zip(*columns, *([boxes["scores"]] if "scores" in boxes else []), strict=True))
    return found


@pytest.mark.parametrize("form", scene.TRUTHS)
def test_true_boxes_are_the_same_in_every_format(form: str, tmp_path: Path) -> None:
    dataset = scene.pictures(tmp_path)
    read = read_true_boxes(dataset, scene.TRUTHS[form](tmp_path), ROLES)
    assert flat(read, dataset) == TRUE


@pytest.mark.parametrize("form", scene.PREDICTIONS)
def test_predicted_boxes_are_the_same_in_every_format(form: str, tmp_path: Path) -> None:
    """Ids of COCO and torchvision are named by the truth; YOLO's numbers by the truth in its own format."""
    dataset = scene.pictures(tmp_path)
    truth = read_true_boxes(dataset, scene.yolo(tmp_path) if form == "yolo" else scene.coco(tmp_path))
    read = read_predicted_boxes(dataset, scene.PREDICTIONS[form](tmp_path), truth, ROLES)
    assert flat(read, dataset) == PREDICTED


def test_an_image_that_a_format_does_not_list_has_no_box_and_that_is_said(tmp_path: Path) -> None:
    dataset = scene.pictures(tmp_path)
    truth = read_true_boxes(dataset, scene.coco(tmp_path))
    read = read_predicted_boxes(dataset, scene.coco_results(tmp_path), truth)
    assert read.notes == (f"1 image has no box in {tmp_path / 'results.json'}: taken for images without detections",)
    labels = read_true_boxes(dataset, scene.yolo(tmp_path))
    assert labels.notes == (f"1 image has no file below {tmp_path / 'labels'}: taken for images without objects",)


def test_a_file_of_coco_names_images_and_categories_where_there_is_no_truth(tmp_path: Path) -> None:
    dataset, names = scene.pictures(tmp_path), class_names(scene.coco(tmp_path))
    assert names == ("category 0", *NAMES)
    assert flat(read_predicted_boxes(dataset, scene.coco_results(tmp_path), names=names), dataset) == PREDICTED
    assert flat(read_predicted_boxes(dataset, scene.torchvision(tmp_path), names=names), dataset) == PREDICTED
    with pytest.raises(InputError, match="classes must count from 0 for YOLO's numbers"):
        read_predicted_boxes(dataset, scene.yolo_predictions(tmp_path), names=names)
    with pytest.raises(InputError, match=r"classes must be COCO's file, whose ids the results have, got 'road, car'"):
        read_predicted_boxes(dataset, scene.coco_results(tmp_path), names=NAMES)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("c.json", "{}", "it has no categories: pass COCO annotations"),
        ("c.json", '{"categories": [{"id": -1, "name": "a"}]}', "an id of its categories is no whole number below 100,000"),
        ("c.yaml", "path: .", "it has no names"),
        ("c.yaml", "names: {0: a, 2: b}", "it has no names"),
        ("c.txt", "a\na\n", "classes must give each class a name of its own, got \"'a' is there twice\""),
        ("c.py", "", "classes must be names, or a file of them (.txt, "),
    ],
)
def test_what_is_no_file_of_names(name: str, text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        class_names(str(written(tmp_path / name, text)))
    assert words in str(caught.value)
    with pytest.raises(MissingPathError, match="nothing at"):
        class_names(tmp_path / "none.txt")


def test_classes_by_number_are_named_in_the_order_of_their_own_format(tmp_path: Path) -> None:
    dataset, folder = scene.pictures(tmp_path), scene.yolo_predictions(tmp_path)
    assert {label for entry in read_predicted_boxes(dataset, folder).boxes.values() for label in entry["labels"]} == {"0", "1"}
    assert flat(read_predicted_boxes(dataset, folder, names=NAMES), dataset) == PREDICTED
    written(folder / "classes.txt", "road\ncar\n")
    assert flat(read_predicted_boxes(dataset, folder), dataset) == PREDICTED
    rows = [{"image_id": "1", "category_id": 1, "bbox": [0, 0, 4, 4], "score": 0.5}]
    truth = read_true_boxes(dataset, scene.yolo(tmp_path))
    read = read_predicted_boxes(dataset, written(tmp_path / "r.json", json.dumps(rows)), truth)
    assert (truth.names, read.boxes["1.jpg"]["labels"]) == ({"0": "road", "1": "car"}, ["1"])


def test_images_of_results_are_found_by_their_stems_without_a_truth(tmp_path: Path) -> None:
    dataset = scene.pictures(tmp_path)
    rows = [{"image_id": n, "category_id": 1, "bbox": [0, 0, 4, 4], "score": 0.5} for n in ("0001", 2)]
    read = read_predicted_boxes(dataset, written(tmp_path / "r.json", json.dumps(rows)))
    assert read.notes[0].startswith("1 image has no box in")
    assert {image for image, entry in read.boxes.items() if entry["boxes"]} == {"1.jpg", "2.jpg"}
    rows.append({**rows[0], "image_id": 0})
    with pytest.raises(InputError, match="image_id 0 is of no image, so the ids may be other numbers"):
        read_predicted_boxes(dataset, written(tmp_path / "r.json", json.dumps(rows)))


def test_crowds_and_difficult_objects_are_left_out_and_noted(tmp_path: Path) -> None:
    dataset = scene.pictures(tmp_path)
    document = json.loads(scene.coco(tmp_path).read_text())
    document["annotations"][0]["iscrowd"] = 1
    read = read_true_boxes(dataset, written(tmp_path / "crowd.json", json.dumps(document)))
    assert (len(read.boxes["1.jpg"]["boxes"]), read.notes[0][:19]) == (1, "1 crowd is left out")
    file = scene.voc(tmp_path) / "2.xml"
    file.write_text(file.read_text().replace("<difficult>0", "<difficult>1"))
    read = read_true_boxes(dataset, tmp_path / "xml")
    assert (read.boxes["2.xml"]["boxes"], read.notes[0][:30]) == ([], "1 object marked difficult is l")


def test_an_id_that_may_be_of_two_images_is_refused(tmp_path: Path) -> None:
    items = tuple(Item(name, tmp_path / name) for name in ("a/1.jpg", "b/1.jpg", "a/2.jpg"))
    rows = [{"image_id": number, "category_id": 1, "bbox": [0, 0, 2, 2], "score": 0.9} for number in (2, 1)]
    with pytest.raises(InputError, match=r"image_id 1 may be a/1\.jpg or b/1\.jpg: pass COCO's file"):
        read_results(Dataset("roads", items), rows, BoxFile({}))
    assert list(read_results(Dataset("roads", items), rows[:1], BoxFile({})).boxes) == ["a/2.jpg"]


def test_a_point_in_a_name_is_no_ending_of_an_xml_file(tmp_path: Path) -> None:
    names = ("x_jpg.rf.abc", "x_jpg.rf.def")
    box = "<bndbox><xmin>{}</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox>"
    for place, name in enumerate(names, start=1):
        text = f"<annotation><object><name>car</name>{box.format(place)}</object></annotation>"
        written(tmp_path / f"{name}.xml", text)
    dataset = Dataset("roads", tuple(Item(f"{name}.jpg", tmp_path / f"{name}.jpg") for name in names))
    labels = read_box_labels(dataset, tmp_path)
    assert {name: boxes[0][1][0] for name, boxes in labels.by_image.items()} == {
        "x_jpg.rf.abc.jpg": 0.0,
        "x_jpg.rf.def.jpg": 1.0,
    }
    assert labels.strangers == ()


LINE = "0 0.5 0.5 0.2 0.2"

RESULT = '[{{"image_id": {}, "category_id": 1, "bbox": [0, 0, {}, 1], "score": 1}}]'

BOX = '[{{"name": "car", "confidence": 0.5, "box": {{"x1": 0, "y1": 0, "x2": {}, "y2": 9}}}}]'

VOC = "<annotation><object><name>{}</name><bndbox>{}</bndbox></object></annotation>"

TRUTH, PREDICTION = read_true_boxes, read_predicted_boxes


@pytest.mark.parametrize(
    ("read", "name", "text", "words"),
    [
        (TRUTH, "t/1.txt", "0 0.5 0.5 0.2", "line 1 has 4 numbers: write an upright box as `class x y width height`"),
        (TRUTH, "t/1.txt", "0 .1 .1 .2 .1 .2 .2 .1 .2", "line 1 has corners of a polygon or a turned box"),
        (TRUTH, "t/1.txt", f"{LINE}\n\nx 0.5 0.5 0.2 0.2", "line 3 has a text that is no number"),
        (TRUTH, "t/1.txt", "0 400 300 20 20", "shares of the image's width and height, 0 to 1, got '0 400 300 20 20'"),
        (TRUTH, "t/1.txt", "0.5 0.5 0.5 0.2 0.2", "has no class number"),
        (TRUTH, "t/other.txt", LINE, "matches an image of site"),
        (TRUTH, "t/1.xml", VOC.format("car", "<xmin>1</xmin>"), "or bndbox with the numbers xmin, ymin, xmax, ymax"),
        (TRUTH, "t/1.xml", "<annotations/>", "1.xml cannot be read (it is no Pascal VOC annotation, but annotations"),
        (TRUTH, "t/1.xml", "<annotation>", "1.xml cannot be read (no element found"),
        (TRUTH, "t/1.md", "", "must be boxes in JSON as predictions are written, COCO (.json)"),
        (TRUTH, "t.csv", "image,x0,y0,x1\n1.jpg,0,0,2\n", "has no column y1; its columns: image, x0, y0, x1"),
        (TRUTH, "t.csv", "image,x0,y0,x1,y1\n1.jpg,a,0,2,2\n", "column x0 must hold numbers"),
        (TRUTH, "t.csv", "image,x0,y0,x1,y1\n,0,0,2,2\n", "row 1 has no image"),
        (TRUTH, "t.json", '{"images": [{"id": 1}], "annotations": []}', "t.json cannot be read (no 'file_name')"),
        (TRUTH, "t.json", '{"version": "5", "shapes": [], "imagePath": "1.jpg"}', "it is LabelMe's JSON of one image"),
        (TRUTH, "t.json", "text", "t.json cannot be read (Expecting value"),
        (PREDICTION, "p/1.txt", LINE, "line 1 has no confidence: write `class x y width height confidence` (Ultralytics"),
        (PREDICTION, "p/1.json", '[{"name": "car", "confidence": 0.5}]', "1.json cannot be read (no 'box'): write [{"),
        (PREDICTION, "p/1.json", BOX.format("1" + "0" * 400), "1.json cannot be read (int too large to convert to float)"),
        (PREDICTION, "p.json", RESULT.format(1, "1" + "0" * 400), "result 1 is of another form"),
        (PREDICTION, "p/1.json", "{}", "must hold a list with one object a box"),
        (PREDICTION, "p.json", '[{"image_id": 1, "bbox": [0, 0, 1, 1]}]', "1 lacks image_id, category_id, bbox or score"),
        (PREDICTION, "p.json", RESULT.format(1, '"1"'), "result 1 is of another form"),
        (PREDICTION, "p.json", RESULT.format(77, 1), "no image_id is one of an image"),
        (PREDICTION, "p.json", '{"1.jpg": {"boxes": []}, "1.jpg": {}}', "1.jpg is there twice in one object"),
        (PREDICTION, "p.csv", "image,x0,y0,x1,y1\n1.jpg,0,0,2,2\n", "has no column score"),
    ],
)
def test_what_is_no_file_of_boxes(read: Callable[..., BoxFile], name: str, text: str, words: str, tmp_path: Path) -> None:
    file = written(tmp_path / name, text)
    dataset = scene.pictures(tmp_path)
    with pytest.raises(InputError) as caught:
        read(dataset, file.parent if "/" in name else file)
    assert words in str(caught.value)
    with pytest.raises(MissingPathError, match=r"no file of (true boxes|predictions) at"):
        read(dataset, tmp_path / "none")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("image=a,image=b", "columns must give each role one column"),
        ("label", "columns must give each role one column"),
        ("lable=x", "columns must name a role, got 'lable': did you mean label?"),
        ("x0=a,y0=a", "columns must give each role a column of its own, got 'y0=a'"),
        ("x1=a,width=b", "columns must name x1 and y1, or width and height, got 'x1, width': leave out one pair"),
    ],
)
def test_roles_that_are_none(given: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        column_roles(given)
    assert words in str(caught.value)


def test_columns_that_are_named(tmp_path: Path) -> None:
    dataset = scene.pictures(tmp_path)
    with pytest.raises(InputError, match=r"columns must be columns of .*, got 'label=klass': its columns are filename, pred"):
        read_predicted_boxes(dataset, scene.predicted_table(tmp_path), roles={"image": "filename", "label": "klass"})
    # A width and a height go before columns called as corners.
    file = written(tmp_path / "t.csv", "image,x0,y0,x1,y1,label\n1.jpg,10,5,20,8,car\n")
    read = read_true_boxes(dataset, file, column_roles("width=x1,height=y1"))
    assert read.boxes["1.jpg"]["boxes"] == [[10.0, 5.0, 30.0, 13.0]]
    assert read_true_boxes(dataset, file).boxes["1.jpg"]["boxes"] == [[10.0, 5.0, 20.0, 8.0]]


def test_labels_are_texts_and_all_of_one_class_where_there_are_none() -> None:
    box = [0, 0, 4, 4.5]
    labelled = {"image": "1.jpg", "boxes": [box, box], "labels": ["car", 7], "scores": [1, 0.5]}
    assert boxes_in([labelled, {"image": "2.jpg", "boxes": [box]}], Path("boxes.json"), "predictions") == {
        "1.jpg": {"boxes": [box, box], "labels": ["car", "7"], "scores": [1, 0.5]},
        "2.jpg": {"boxes": [box], "labels": ["0"]},
    }


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"images": []}, "must hold a list with one object an image"),
        ([], "must hold a list"),
        ([{"image": "1.jpg"}], "entry 1 lacks image or boxes"),
        ([{"image": "1.jpg", "boxes": []}, [1, 2]], "entry 2 lacks image or boxes"),
        ([{"image": 1, "boxes": []}], "entry 1 lacks image or boxes"),
        ([{"image": "1.jpg", "boxes": [], "labels": "car"}], "entry 1 (1.jpg) must have a list of names or numbers as labels"),
        ([{"image": "1.jpg", "boxes": []}] * 2, "image 1.jpg is there twice"),
    ],
)
def test_other_forms_are_refused(document: Any, words: str) -> None:
    with pytest.raises(InputError) as caught:
        boxes_in(document, Path("boxes.json"), "predictions")
    assert words in str(caught.value)


def test_boxes_outside_of_their_pictures_and_in_other_units(tmp_path: Path) -> None:
    site = scene.pictures(tmp_path)

    def told(*boxes: tuple[float, ...]) -> list[str]:
        return outside(site, {name: [box] for name, box in zip(TRUE, boxes, strict=True)})

    inside = (0, 0, 9, 9)
    assert told(inside, inside, (WIDTH, 0, WIDTH + 9, 9)) == [
        f"1 of 3 true boxes lies wholly outside of its picture (3.jpg: [{WIDTH}, 0, {WIDTH + 9}, 9] in {WIDTH} × {HEIGHT} "
        "pixels), where nothing can match it: check its corners"
    ]
    # A part outside is how some tools draw what is cut by the border.
    assert told((-5, 0, 9, 9), (0, -5, 9, 9), (WIDTH - 1, 0, WIDTH + 9, 9)) == []
    with pytest.raises(InputError, match=r"^2 of 3 true boxes lie wholly outside of their pictures .* write corners"):
        told(inside, (700, 0, 900, 90), (700, 0, 900, 90))
    with pytest.raises(InputError, match=r"^true boxes must be corners in pixels, and all lie between 0 and 1"):
        told((0, 0, 0.2, 0.2), (0, 0, 1, 1), (0.5, 0.5, 1, 1))
