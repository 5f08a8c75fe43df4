"""COCO JSON: the images, one category, and no annotation yet."""

from __future__ import annotations

import json
from collections.abc import Sequence

from howfar.data.labelling.pictures import CATEGORY, Picture


def coco(pictures: Sequence[Picture], title: str) -> str:
    """Write images as a COCO file: info, licenses, images, annotations, categories (cocodataset.org/#format-data).

    ``file_name`` is the image's name in its dataset, a path below the dataset's folder of images. Ids count from 1, as 0 is
    taken for the background by some readers. An image without a size is left out, since COCO has to state it.

    Examples
    --------
    >>> json.loads(coco([Picture("a.png", "/roads/a.png", (4, 3))], "roads"))["images"]
    [{'id': 1, 'file_name': 'a.png', 'width': 4, 'height': 3}]
    """
    known = [(one.name, one.size) for one in pictures if one.size is not None]
    document = {
        "info": {"description": title},
        "licenses": [],
        "images": [
            {"id": number, "file_name": name, "width": width, "height": height}
            for number, (name, (width, height)) in enumerate(known, start=1)
        ],
        "annotations": [],
        "categories": [{"id": 1, "name": CATEGORY, "supercategory": ""}],
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"
