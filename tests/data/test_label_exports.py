"""Labels go to labelling tools in their forms and come back as they were drawn; what is damaged never counts as blank."""

import json
import tracemalloc
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.path import Path as MplPath
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco_masks

from howfar.data import Dataset, Item
from howfar.data.annotation_formats import (
    coco_shape,
    compressed,
    from_brush,
    to_brush,
    write_coco,
    write_cvat,
    write_label_studio,
)
from howfar.data.annotation_packing import check_archive, remove_archive, write_archive
from howfar.data.annotations import Mark, MarkedImage, from_runs, label_names, polygon, rectangle, to_runs
from howfar.data.box_files import read_box_labels, read_document
from howfar.data.label_files import read_class_labels, read_export, read_labels
from howfar.data.untrusted_documents_and_tables import parsed
from howfar.errors import InputError, MissingPathError
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


@pytest.mark.parametrize("what", ["images", "annotations", "categories"])
def test_two_entries_of_one_id_are_refused(what: str, tmp_path: Path) -> None:
    file = written(tmp_path / "c.json", json.dumps({**COCO, what: [*COCO[what], *COCO[what]]}))
    with pytest.raises(InputError, match=rf"two of its {what} have the id {COCO[what][0]['id']}: number them anew"):
        read_box_labels(SITE, file)
    if what == "annotations":  # datumaro writes them so, and shapes that are joined need no numbers
        assert read_labels(SITE, file).by_image["a.jpg"].sum() == 12


def test_label_studio_says_who_looked(tmp_path: Path) -> None:
    skipped = {"result": [], "was_cancelled": True}
    tasks = [
        {"data": {"image": name}, "annotations": kept}
        for name, kept in (("x/a.jpg", []), ("/data/upload/1/b.jpg", [{"result": []}]), ("s3://b/c%20d.jpg", [skipped]))
    ]
    images = read_export(written(tmp_path / "t.bak", json.dumps(tasks))).images
    assert [(image.name, image.looked_at) for image in images] == [("x/a.jpg", False), ("b.jpg", True), ("c d.jpg", False)]


def test_classes_are_found_by_names_of_a_table_from_elsewhere_and_of_folders(tmp_path: Path) -> None:
    table = written(tmp_path / "labels.csv", "image,label,name\n/other/place/1/a.jpg,wet,a.jpg\n")
    assert read_class_labels(SITE, table).by_image == {"a.jpg": "wet"}
    for name in ("wet/a.jpg", "dry/b.jpg", "dry/c.jpg"):
        (tmp_path / "sorted" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "sorted" / name)
    found = read_class_labels(SITE, tmp_path / "sorted")
    assert (found.by_image, found.strangers) == ({"a.jpg": "wet", "b.jpg": "dry"}, ("c",))
    whole = Dataset("s", (Item("wet/a.jpg", Path("a.jpg")),))
    assert read_class_labels(whole, tmp_path / "sorted").by_image == {"wet/a.jpg": "wet"}
    with pytest.raises(InputError, match="labels must be a folder with two folders or more, one a class"):
        read_class_labels(whole, tmp_path / "sorted" / "dry")


THREE_NAMES = ("a/1.jpg", "a/2.jpg", "3.jpg")

THREE = Dataset("site", tuple(Item(name, Path("/site") / name) for name in THREE_NAMES))


def blob(seed: int, height: int = 30, width: int = 41) -> NDArray[np.bool_]:
    rng = np.random.default_rng(seed)
    values = rng.random((height, width)) < 0.1
    values[height // 3 : height // 2, width // 4 : width // 2] = True
    return values


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # of pycocotools 2.0.11 with numpy 2
@pytest.mark.parametrize("seed", range(6))
def test_run_lengths_come_back(seed: int) -> None:
    mask = blob(seed, 5 + seed, 9)
    mask[0, 0] = seed % 2 == 0
    assert (from_runs(to_runs(mask), *mask.shape) == mask).all()
    by_column = {"counts": to_runs(mask.T), "size": list(mask.shape)}
    assert (coco_shape(by_column, *mask.shape) == mask).all()
    assert (from_brush(to_brush(mask), *mask.shape) == mask).all()
    encoded = coco_masks.frPyObjects(by_column, *mask.shape)
    assert (coco_masks.decode(encoded).astype(bool) == mask).all()
    assert compressed(encoded["counts"]) == by_column["counts"]
    long = np.repeat([False, True], 30_000).reshape(200, 300)  # whose runs a brush has to cut
    assert (from_brush(to_brush(long), 200, 300) == long).all()


@pytest.mark.parametrize(("read", "runs"), [(from_runs, [1, 2]), (from_runs, [5, -1]), (from_brush, [1, 2, 3])])
def test_run_lengths_of_another_size_are_refused(read, runs: list[int]) -> None:
    with pytest.raises(InputError, match="run lengths"):
        read(runs, 2, 2)


def test_coco_polygons_and_compressed_runs(tmp_path: Path) -> None:
    compressed = coco_masks.encode(np.asfortranarray(blob(2).astype(np.uint8)))
    document = {
        "images": [{"id": number, "file_name": name, "width": 41, "height": 30} for number, name in enumerate(THREE_NAMES)],
        "categories": [{"id": 1, "name": "foreground"}, {"id": 2, "name": "car"}],
        "annotations": [
            {"image_id": 0, "category_id": 1, "segmentation": [[2, 3, 12, 3, 12, 9, 2, 9]]},
            {"image_id": 0, "category_id": 2, "segmentation": [[0, 0, 40, 0, 40, 29]]},
            {"image_id": 2, "category_id": 1, "segmentation": {**compressed, "counts": compressed["counts"].decode()}},
        ],
    }
    (tmp_path / "coco.json").write_text(json.dumps(document))
    masks = read_labels(THREE, tmp_path / "coco.json").by_image
    wanted = np.zeros((30, 41), bool)
    wanted[3:9, 2:12] = True
    assert (masks["a/1.jpg"] == wanted).all()
    assert not np.asarray(masks["a/2.jpg"]).any()
    assert (masks["3.jpg"] == blob(2)).all()
    document["categories"][0]["name"] = "crack"
    (tmp_path / "coco.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match="2 categories, none called foreground"):
        read_labels(THREE, tmp_path / "coco.json")


TWO_LABELS = '<box label="{}" xtl="10" ytl="1" xbr="12" ybr="4"/><box label="ignore" xtl="2" ytl="1" xbr="12" ybr="4"/>'


def test_of_several_labels_one_must_be_foreground(tmp_path: Path) -> None:
    document = '<annotations><image id="0" name="3.jpg" width="20" height="10">{}</image></annotations>'
    file = written(tmp_path / "cvat.xml", document.format(TWO_LABELS.format("crack")))
    with pytest.raises(InputError, match="2 labels, none called foreground"):
        read_labels(THREE, file)
    # A file may declare foreground, as howfar's own do, and hold areas of another label alone.
    declared = {
        "images": [{"id": 1, "file_name": "3.jpg", "width": 20, "height": 10}],
        "categories": [{"id": 1, "name": "foreground"}, {"id": 2, "name": "crack"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 2, "bbox": [10, 1, 2, 3], "segmentation": []}],
    }
    for name, text in (("c.xml", document.format(TWO_LABELS.format("foreground"))), ("c.json", json.dumps(declared))):
        mask = np.asarray(read_labels(THREE, written(tmp_path / name, text)).by_image["3.jpg"])
        assert (int(mask.sum()), mask[1:4, 10:12].all()) == (6, True)


def test_polygons_and_boxes_of_cvat_and_label_studio(tmp_path: Path) -> None:
    (tmp_path / "cvat.xml").write_text(
        '<annotations><image id="0" name="3.jpg" width="20" height="10">'
        '<polygon label="foreground" points="2.0,2.0;7.0,2.0;7.0,5.0;2.0,5.0"/>'
        '<box label="foreground" xtl="10" ytl="1" xbr="12" ybr="4"/><tag label="x"/></image></annotations>'
    )
    mask = np.asarray(read_labels(THREE, tmp_path / "cvat.xml").by_image["3.jpg"])
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
    assert (np.asarray(read_labels(THREE, tmp_path / "studio.json").by_image["3.jpg"]) == mask).all()


def test_what_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(MissingPathError, match="nothing at"):
        read_labels(THREE, tmp_path / "none")
    for name, text in (
        ("a.json", "{"),
        ("b.json", '{"images": 3}'),
        ("c.xml", "<a"),
        ("d.txt", "masks"),
        ("e.json", '[{"a": 1}]'),
    ):
        with pytest.raises(InputError, match=f"{name} cannot be read"):
            read_labels(THREE, written(tmp_path / name, text))


ROADS = Dataset("roads", (Item("1.jpg", Path("1.jpg")), Item("2.jpg", Path("2.jpg"))))


def masks_in(folder: Path, text: str, ending: str = ".json") -> Any:
    file = folder / f"labels{ending}"
    file.write_text(text, encoding="utf-8")
    return read_labels(ROADS, file).by_image


def coco_text(segmentation: Any = None, width: Any = 4, height: Any = 4, ids: tuple[int, ...] = (1,)) -> str:
    images = [{"id": one, "file_name": f"{place}.jpg", "width": width, "height": height} for place, one in enumerate(ids, 1)]
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": segmentation}
    return json.dumps({"images": images, "annotations": [] if segmentation is None else [annotation]})


@pytest.mark.parametrize(
    "segmentation",
    [{"counts": counts} for counts in ([2**62] * 4 + [16], [8.7, 8.2], ["8", "8"], "o" * 100_000, "é")]
    + [{"counts": [8, 8], "size": [2, 8]}],
)
def test_run_lengths_that_are_not_the_images_are_refused(tmp_path: Path, segmentation: Any) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        masks_in(tmp_path, coco_text(segmentation))


def cvat_text(shape: str, width: str = "4") -> str:
    return f'<annotations><image name="1.jpg" width="{width}" height="4">{shape}</image></annotations>'


def studio_text(value: dict[str, Any], side: int = 40) -> str:
    result = {"original_width": side, "original_height": side, "value": value}
    return json.dumps([{"data": {"image": "/data/1.jpg"}, "annotations": [{"result": [result]}]}])


OUTLINES = [[[]], [[0, 0, 1, 1]], [[0, 0, 3, 0, 3, 3, 1]], [["a"] * 6], [[0, 0, 3, 0, 3, 3], [0, 0, 4, 4]]]
SHAPES = [
    'polygon points="nan,0;3,0;3,3"',
    'polygon points="1e30,0;3,0;3,3"',
    'box xtl="nan" ytl="0" xbr="2" ybr="2"',
    'box xtl="inf" ytl="0" xbr="2" ybr="2"',
    'mask rle="0,4" left="-2" top="0" width="2" height="2"',
    'mask rle="0,4" left="50" top="50" width="2" height="2"',
    'mask rle="0,4" left="0" top="0" width="-2" height="-2"',
]
NO_AREAS = ("polyline", "points", "ellipse", "cuboid", "skeleton")
DAMAGED = [
    # pycocotools hangs over endless outlines, or crashes.
    *((coco_text([[x, 0, 3, 0, 3, 3]]), "corner of a shape") for x in (np.nan, np.inf, 1e9, 1e30)),
    *((coco_text(outline), "cannot be read") for outline in OUTLINES),
    *((coco_text(width=side, height=side), "size of an image") for side in (-4, 0, 10**6, 10**12, "4", 4.5, None, True)),
    ("[" * 200_000, "cannot be read"),
    *((cvat_text(f"<{shape}/>"), "cannot be read") for shape in SHAPES),
    *((cvat_text(f'<{tag} points="0,0;3,3"/>'), f"{tag} of 1.jpg is no area") for tag in NO_AREAS),
    *((studio_text({"rle": [0]}, side), "cannot be read") for side in (-4, 0, 10**6)),
    # A text as a side would be repeated as often as the image is wide.
    *((studio_text({"x": x, "y": 1, "width": 9, "height": 9}, 3 * 10**9), "must be a number") for x in ("a", [0], True, None)),
]


@pytest.mark.parametrize(("text", "line"), DAMAGED, ids=range(len(DAMAGED)))
def test_damaged_exports_are_refused_and_never_hang_crash_or_count_as_blank(text: str, line: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=line):
        masks_in(tmp_path, text, ".xml" if text.startswith("<") else ".json")


def test_boxes_are_turned_about_their_centre_by_cvat_and_about_their_corner_by_label_studio(tmp_path: Path) -> None:
    xml = cvat_text('<box xtl="1" ytl="18" xbr="39" ybr="22" rotation="90"/>', "40").replace('"4"', '"40"')
    rows, columns = np.nonzero(masks_in(tmp_path, xml, ".xml")["1.jpg"])
    np.testing.assert_allclose((rows.min(), rows.max(), columns.min(), columns.max()), (1, 39, 18, 22), atol=1)
    text = studio_text({"x": 50, "y": 10, "width": 40, "height": 10, "rotation": 90})
    rows, columns = np.nonzero(masks_in(tmp_path, text)["1.jpg"])
    # 16 pixels down from 4, and 4 to the left from 20: those whose centres lie inside.
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (4, 19, 16, 19)


OUTSIDE = [(5.0, 1.0, 2.0, 4.0), (1.0, 6.0, 4.0, 2.0), (20.0, 1.0, 30.0, 4.0), (1.1, 1.1, 1.2, 1.2)]


@pytest.mark.parametrize(
    "draw",
    [
        *(partial(rectangle, sides, 8, 12, 0, sides[:2]) for sides in OUTSIDE),
        partial(polygon, [(20, 20), (30, 20), (30, 30)], 8, 12),
        partial(coco_shape, [[1.1, 1.1, 1.3, 1.1, 1.2, 1.3]], 8, 12),
    ],
)
def test_a_shape_must_cover_a_pixel_or_its_image_would_count_as_blank(draw: Callable[[], object]) -> None:
    with pytest.raises(InputError, match=r"(box|polygon) must cover a pixel of its image of 12 × 8"):
        draw()


def test_shapes_that_touch_a_pixel_are_drawn() -> None:
    assert np.argwhere(rectangle((1.0, 2.0, 3.0, 4.0), 8, 12, 0, (1.0, 2.0))).tolist() == [[2, 1], [2, 2], [3, 1], [3, 2]]
    assert polygon([(0, 0), (3, 0), (3, 3)], 8, 12).any()
    assert not coco_shape([], 8, 12).any()


def test_a_polygon_is_the_pixels_whose_centres_lie_inside() -> None:
    rng = np.random.default_rng(0)
    y, x = (axis + 0.5 for axis in np.mgrid[:30, :40])
    for _ in range(20):
        corners = rng.uniform(0, (40, 30), (3, 2))
        found = polygon([(a, b) for a, b in corners.tolist()], 30, 40)
        wanted = MplPath(corners).contains_points(np.stack([x, y], -1).reshape(-1, 2)).reshape(30, 40)
        assert (found == wanted).all()
    # Crossing itself, as a five-pointed star does, leaves its middle out.
    angles = np.pi * (0.5 + 0.8 * np.arange(5))
    star = [(20 + 14 * np.cos(angle), 15 + 14 * np.sin(angle)) for angle in angles]
    assert not polygon(star, 30, 40)[15, 20]
    assert polygon(star, 30, 40)[26, 20]
    # A sliver that holds no centre is its outline.
    assert polygon([(2.6, 1), (2.9, 1), (2.9, 6), (2.6, 6)], 8, 12)[1:6, 2].all()


def test_a_brush_of_another_size_is_refused_before_its_bits_are_read() -> None:
    with pytest.raises(InputError, match="0 pixels, and the image has 3072"):
        from_brush([0] * 2_000_000, 48, 64)
    long = [*int.to_bytes(4 * 48 * 64, 4, "big"), *([0] * 200_000)]
    with pytest.raises(InputError, match="are more than any brush of 3072 pixels takes"):
        from_brush(long, 48, 64)


TEXTS = {
    "objects": "[" + ",".join(["{}"] * 20_000) + "]",
    "pairs": "[" + ",".join(['{"a":1}'] * 20_000) + "]",
    "numbers": "[" + ",".join(["1.5"] * 20_000) + "]",
    "lists": "[" + ",".join(["[]"] * 20_000) + "]",
    "texts": json.dumps([f"text {number}" for number in range(20_000)]),
}


@pytest.mark.parametrize("kind", TEXTS)
def test_what_is_counted_is_enough(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []
    monkeypatch.setattr("howfar.data.untrusted_documents_and_tables.check_file", lambda needed, *_: counted.append(needed))
    tracemalloc.start()
    parsed(TEXTS[kind])
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert taken <= counted[0] <= 8 * taken


@pytest.mark.parametrize(
    ("name", "read"), [("l.json", read_export), ("l.xml", read_export), ("b.json", partial(read_document, what="boxes"))]
)
def test_what_would_take_too_much_is_refused(name, read, tmp_path, monkeypatch):
    text = TEXTS["objects"] if name.endswith("json") else "<annotations>" + "<a/>" * 40_000 + "</annotations>"
    (tmp_path / name).write_text(text)
    monkeypatch.setenv("HOWFAR_MEMORY", "1MB")
    with pytest.raises(InputError, match="memory must be at least"):
        read(tmp_path / name)


def test_half_a_character_is_refused() -> None:
    for text in (r'["\ud83d\ude00"]', r'["\\ud800"]'):
        assert parsed(text) == json.loads(text)
    with pytest.raises(ValueError, match="half a character"):
        parsed(r'["\ud800"]')


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
