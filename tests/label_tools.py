"""Write labels as labelling tools export them, by other code than howfar's own."""

import json
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_masks

from howfar.data.annotation_formats import to_brush

Masks = Mapping[str, NDArray[np.bool_]]


def export_coco(masks: Masks, label: str, file: Path) -> Path:
    """Write masks as COCO's compressed run lengths; an image with an empty mask has no annotation."""
    images = [
        {"id": number, "file_name": name, "width": mask.shape[1], "height": mask.shape[0]}
        for number, (name, mask) in enumerate(masks.items(), start=1)
    ]
    annotations = []
    for number, mask in enumerate(masks.values(), start=1):
        if mask.any():
            packed = coco_masks.encode(np.asfortranarray(mask.astype(np.uint8)))
            segmentation = {"size": packed["size"], "counts": packed["counts"].decode()}
            annotation = {"id": number, "image_id": number, "category_id": 1, "segmentation": segmentation, "iscrowd": 1}
            annotations.append({**annotation, "bbox": coco_masks.toBbox(packed).tolist(), "area": int(mask.sum())})
    document = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": label}]}
    return written(file, json.dumps(document, ensure_ascii=False))


def export_cvat(masks: Masks, label: str, file: Path, tagged: tuple[str, ...] = ()) -> Path:
    """Write masks as CVAT for images 1.1; `tagged` images have a tag."""
    root = ElementTree.Element("annotations")
    for number, (name, mask) in enumerate(masks.items()):
        height, width = mask.shape
        sides = {"width": str(width), "height": str(height)}
        image = ElementTree.SubElement(root, "image", {"id": str(number), "name": name, **sides})
        if mask.any():
            runs = [(value, len(list(run))) for value, run in groupby(mask.ravel().tolist())]
            lengths = [length for _, length in runs]
            rle = ", ".join(map(str, [0, *lengths] if runs[0][0] else lengths))
            ElementTree.SubElement(image, "mask", {"label": label, "rle": rle, "left": "0", "top": "0", **sides})
        if name in tagged:
            ElementTree.SubElement(image, "tag", {"label": "seen"})
    return written(file, ElementTree.tostring(root, encoding="unicode"))


def export_label_studio(masks: Masks, label: str, file: Path, skipped: tuple[str, ...] = ()) -> Path:
    """Write masks as the brushes of tasks, each annotated once but for those that were skipped."""
    tasks = []
    for name, mask in masks.items():
        height, width = mask.shape
        result: dict[str, Any] = {
            "original_width": width,
            "original_height": height,
            "type": "brushlabels",
            "value": {"format": "rle", "rle": to_brush(mask), "brushlabels": [label]},
        }
        annotation = {"result": [result] if mask.any() else [], "was_cancelled": name in skipped}
        tasks.append(
            {"data": {"image": f"/data/local-files/?d=x/{name}"}, "meta": {"image": name}, "annotations": [annotation]}
        )
    return written(file, json.dumps(tasks, ensure_ascii=False))


def written(file: Path, text: str) -> Path:
    file.write_text(text, encoding="utf-8")
    return file


SIDES = (12, 17)


def mask_of(number: int, height: int = 2) -> NDArray[np.bool_]:
    """Draw a rectangle whose sides grow with a number, with one pixel left out."""
    mask = np.zeros(SIDES, np.bool_)
    mask[2 : 2 + height + number, 3 : 9 + number] = True
    mask[3, 4] = False
    return mask
