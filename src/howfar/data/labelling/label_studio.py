"""Label Studio: a task for each image, that points to the file where it lies."""

from __future__ import annotations

import json
from collections.abc import Sequence
from urllib.parse import quote

from howfar.data.labelling.pictures import Picture
from howfar.io.location import is_url

FILES = "/data/local-files/?d="


def label_studio(pictures: Sequence[Picture], title: str) -> str:
    """Write images as tasks for import (labelstud.io, basic Label Studio JSON format), each with its file or URL.

    ``/data/local-files/?d=PATH`` is a path below ``LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT``, which is ``/`` where it is not
    set; a URL (``s3://`` …) stands as it is. ``meta`` keeps the image's name and place in the list.

    Examples
    --------
    >>> json.loads(label_studio([Picture("a b.png", "/roads/a b.png")], "roads"))[0]["data"]
    {'image': '/data/local-files/?d=roads/a%20b.png'}
    """
    tasks = [
        {
            "data": {"image": one.path if is_url(one.path) else FILES + quote(one.path.lstrip("/"))},
            "meta": {"title": title, "image": one.name, "rank": rank},
        }
        for rank, one in enumerate(pictures, start=1)
    ]
    return json.dumps(tasks, indent=1, ensure_ascii=False) + "\n"
