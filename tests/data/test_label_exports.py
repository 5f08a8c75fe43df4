"""One reader of exports serves masks, boxes and classes; what is unclear in them is refused."""

from __future__ import annotations

import json
from pathlib import Path
from zipfile import ZipFile

import pytest
from PIL import Image

from howfar.data import Dataset, Item
from howfar.data.label_exports import read_export, read_labels
from howfar.data.listed_labels import read_box_labels, read_class_labels
from howfar.errors import InputError
from label_tools import written

SITE = Dataset("site", (Item("a.jpg", Path("/site/a.jpg")), Item("b.jpg", Path("/site/b.jpg"))))
IMAGE = {"id": 1, "file_name": "a.jpg", "width": 9, "height": 7}
BOX = {"id": 5, "image_id": 1, "category_id": 2, "bbox": [1, 2, 3, 4], "segmentation": []}
COCO = {"images": [IMAGE], "annotations": [BOX], "categories": [{"id": 2, "name": "foreground"}]}


def test_a_box_of_coco_is_an_area_and_a_box(tmp_path: Path) -> None:
    """CVAT exports rectangles so, and an annotation must not become nothing."""
    file = written(tmp_path / "c.json", json.dumps(COCO))
    mask = read_labels(SITE, file).by_image["a.jpg"]
    assert not isinstance(mask, Path)
    assert (mask.sum(), mask[2:6, 1:4].all()) == (12, True)
    assert read_box_labels(SITE, file).by_image == {"a.jpg": [("foreground", [1, 2, 4, 6])]}
    turned = {**COCO, "annotations": [{**BOX, "attributes": {"rotation": 30}}]}
    with pytest.raises(InputError, match=r"box of a\.jpg is no upright box"):
        read_box_labels(SITE, written(tmp_path / "t.json", json.dumps(turned)))


@pytest.mark.parametrize("what", ["images", "annotations"])
def test_two_entries_of_one_id_are_refused(what: str, tmp_path: Path) -> None:
    document = {**COCO, what: [*COCO[what], *COCO[what]]}
    file = written(tmp_path / "c.json", json.dumps(document))
    with pytest.raises(InputError, match=rf"two of its {what} have the id {COCO[what][0]['id']}: number them anew"):
        read_box_labels(SITE, file)
    if what == "annotations":  # datumaro writes them so, and shapes that are joined need no numbers
        assert read_labels(SITE, file).by_image["a.jpg"].sum() == 12


def test_a_box_without_a_label_is_refused(tmp_path: Path) -> None:
    box = '<box xtl="1" ytl="1" xbr="2" ybr="2"/>'
    file = written(tmp_path / "c.xml", f'<annotations><image name="a.jpg" width="9" height="7">{box}</image></annotations>')
    with pytest.raises(InputError, match=r"a box of a\.jpg has no label: give it one, or delete it"):
        read_box_labels(SITE, file)
    assert read_labels(SITE, file).by_image["a.jpg"].any()


def test_a_zip_is_read_by_all_three(tmp_path: Path) -> None:
    xml = '<annotations><image name="a.jpg" width="9" height="7">{}</image></annotations>'
    box, tag = '<box label="car" xtl="1" ytl="1" xbr="3" ybr="2"/>', '<tag label="wet"/>'
    for name, inside in (("box", box), ("tag", tag)):
        with ZipFile(tmp_path / f"{name}.zip", "w") as archive:
            archive.writestr("annotations.xml", xml.format(inside))
    assert read_box_labels(SITE, tmp_path / "box.zip").by_image == {"a.jpg": [("car", [1, 1, 3, 2])]}
    assert read_labels(SITE, tmp_path / "box.zip").by_image["a.jpg"].sum() == 2
    assert read_class_labels(SITE, tmp_path / "tag.zip").by_image == {"a.jpg": "wet"}


def test_label_studio_says_who_looked(tmp_path: Path) -> None:
    skipped = {"result": [], "was_cancelled": True}
    tasks = [
        {"data": {"image": name}, "annotations": kept}
        for name, kept in (("x/a.jpg", []), ("/data/upload/1/b.jpg", [{"result": []}]), ("s3://b/c%20d.jpg", [skipped]))
    ]
    images = read_export(written(tmp_path / "t.json", json.dumps(tasks))).images
    assert [(image.name, image.looked_at) for image in images] == [("x/a.jpg", False), ("b.jpg", True), ("c d.jpg", False)]
    minimal = written(tmp_path / "min.json", json.dumps([{"image": "a.jpg", "label": []}]))
    with pytest.raises(InputError, match=r"JSON-MIN\?\): export it as JSON"):
        read_labels(SITE, minimal)


def test_classes_of_a_table_that_points_elsewhere_are_found_by_name(tmp_path: Path) -> None:
    table = written(tmp_path / "labels.csv", "image,label,name\n/other/place/1/a.jpg,wet,a.jpg\n")
    assert read_class_labels(SITE, table).by_image == {"a.jpg": "wet"}


def test_images_that_were_sorted_into_folders_are_labelled(tmp_path: Path) -> None:
    for name in ("wet/a.jpg", "dry/b.jpg", "dry/c.jpg"):
        (tmp_path / "sorted" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "sorted" / name)
    found = read_class_labels(Dataset("s", tuple(Item(name, Path(name)) for name in ("a.jpg", "b.jpg"))), tmp_path / "sorted")
    assert (found.by_image, found.strangers) == ({"a.jpg": "wet", "b.jpg": "dry"}, ("c",))
    whole = Dataset("s", (Item("wet/a.jpg", Path("a.jpg")),))
    assert read_class_labels(whole, tmp_path / "sorted").by_image == {"wet/a.jpg": "wet"}
    with pytest.raises(InputError, match="labels must be a folder with two folders or more, one a class"):
        read_class_labels(whole, tmp_path / "sorted" / "dry")
