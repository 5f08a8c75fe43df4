"""Hand out the sample of a classifier, a detector or a segmenter of classes to be labelled: lists, files for labelling tools.

Images are pointed to, never copied.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import pandas as pd

from howfar.data.box_labelling import Boxes, coco_boxes, cvat_boxes, label_studio_boxes
from howfar.data.class_labelling import IMAGE, LABEL, class_choices, class_tags
from howfar.data.label_studio_interface import label_studio_interface
from howfar.data.labelling import Picture
from howfar.io.atomic import replace, replace_text
from howfar.printable import unguarded
from howfar.report.certificate.to_label import MASKS, write_list
from howfar.report.selection import INTERFACE, as_picture, guarded, unwritten
from howfar.results.certificate import Certificate

PREDICTED = "predicted"
MASK_HINT = (
    "Put one mask here for each image of ../chosen.txt, in that order: a grey or palette PNG with the image's name and size, "
    "whose values are the numbers of the classes. Then run the same howfar certify again.\n"
)


def write_class_sample(
    certificate: Certificate, predicted: Mapping[str, str], classes: Sequence[str], folder: Path
) -> tuple[str, ...]:
    """Write what it takes to say the class of drawn images, and return what could not be written of it, as sentences.

    ``labels.csv`` has a row an image with an empty column label, in which what somebody has filled in already stays.
    `predicted` is the model's class by an image's name, `classes` are all of the model's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    remarks = write_list(certificate, folder)
    _write_classes(classes, folder)
    replace(folder / "labels.csv", partial(_to_fill_in, certificate, predicted, folder / "labels.csv"))
    read = [as_picture(one.image, one.path) for one in certificate.sample]
    pictures, title = [picture for picture, _ in read], _title(certificate)
    replace_text(folder / "label_studio.json", class_choices(pictures, [predicted[one.name] for one in pictures], title))
    replace_text(folder / INTERFACE, label_studio_interface("classification", classes))
    replace_text(folder / "cvat.xml", class_tags(pictures, classes, title))
    return (*remarks, *unwritten(read))


def write_box_sample(
    certificate: Certificate, boxes: Mapping[str, Boxes], classes: Sequence[str], folder: Path
) -> tuple[str, ...]:
    """Write what it takes to draw the boxes of drawn images, and return what could not be written of it, as sentences.

    `boxes` are the model's by an image's name: they stand in the files for labelling tools as labels to correct. `classes` are
    all of the model's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    remarks = write_list(certificate, folder)
    _write_classes(classes, folder)
    read = [as_picture(one.image, one.path) for one in certificate.sample]
    pictures: list[Picture] = [picture for picture, _ in read]
    begun, title = [boxes[picture.name] for picture in pictures], _title(certificate)
    replace_text(folder / INTERFACE, label_studio_interface("detection", classes))
    replace_text(folder / "coco.json", coco_boxes(pictures, begun, classes, title))
    replace_text(folder / "cvat.xml", cvat_boxes(pictures, begun, classes, title))
    replace_text(folder / "label_studio.json", label_studio_boxes(pictures, begun, title))
    return (*remarks, *unwritten(read))


def write_class_map_sample(
    certificate: Certificate, maps: Mapping[str, Path], classes: Sequence[str], folder: Path
) -> tuple[str, ...]:
    """Write what it takes to draw the classes of drawn images, and return what could not be written of it, as sentences.

    ``first-maps.csv`` names the model's own map of each image, from which labelling may begin; `classes` are the names of the
    classes 0, 1, 2 …
    """
    (folder / MASKS).mkdir(parents=True, exist_ok=True)
    replace_text(folder / MASKS / "README.txt", MASK_HINT)
    remarks = write_list(certificate, folder)
    if classes:
        _write_classes(classes, folder)
    rows = {IMAGE: [one.image for one in certificate.sample], "map": [str(maps[one.image]) for one in certificate.sample]}
    replace(folder / "first-maps.csv", partial(guarded(pd.DataFrame(rows)).to_csv, index=False))
    return remarks


def _title(certificate: Certificate) -> str:
    return f"{certificate.dataset}, drawn to certify"


def _write_classes(classes: Sequence[str], folder: Path) -> None:
    replace(folder / "classes.csv", partial(guarded(pd.DataFrame({"class": list(classes)})).to_csv, index=False))


def _to_fill_in(certificate: Certificate, predicted: Mapping[str, str], before: Path, path: Path) -> None:
    """Write the table of labels, with what stands in the one that there is."""
    known: dict[str, str] = {}
    if before.is_file():
        table = pd.read_csv(before, dtype=str, keep_default_na=False, encoding="utf-8-sig")
        if {IMAGE, LABEL} <= set(table):
            known = dict(zip(table[IMAGE].map(unguarded), table[LABEL].map(unguarded), strict=True))
    names = [one.image for one in certificate.sample]
    rows = {IMAGE: names, LABEL: [known.get(name, "") for name in names], PREDICTED: [predicted[name] for name in names]}
    guarded(pd.DataFrame(rows)).to_csv(path, index=False)
