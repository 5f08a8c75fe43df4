"""Import what a labelling tool exported, as a dataset with masks, boxes or classes (`howfar labels import`)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from howfar.data.label_exports import KINDS, Export, damage_as_input_error, read_export
from howfar.errors import InputError, MissingPathError
from howfar.io.atomic import STAGING
from howfar.io.location import absolute, ready_folder
from howfar.io.staging import staging
from howfar.keywords import LabelImportOptions
from howfar.printable import printable
from howfar.results.label_import import LabelImport
from howfar.settings import checked, with_options
from howfar.studies.label_import.settle import masks_in, settle
from howfar.studies.label_import.site import site_of
from howfar.studies.label_import.write import DOCUMENT, TABLE, write_labels


@with_options(LabelImportOptions)
def import_labels(source: str | Path, images: Any, out: str | Path, **options: Unpack[LabelImportOptions]) -> LabelImport:
    """Import labels of images, as a dataset that `howfar.evaluate`, `train`, `adapt` and `certify` take.

    Parameters
    ----------
    source
        What a tool exported: COCO's JSON (polygons, run lengths, boxes), CVAT for images 1.1 (XML, or its .zip), Label Studio's
        JSON (brushes, polygons, rectangles, choices), or a folder of masks named as the images.
    images
        The images that were labelled: the folder that `howfar.select` wrote, its chosen.csv, or a dataset.
    out
        An empty or new folder. It gets ``labels.csv``, a table that is a dataset, with ``masks/``, ``boxes.json`` or a column
        label, and ``import.json``. The table points to the images.

    Returns
    -------
    LabelImport
        Shows as its table; ``.images``, ``.left_out``, ``.notes``. An image without a mark is labelled, with nothing there,
        only where the tool says that somebody annotated it: Label Studio by a submitted task, CVAT by a tag, a mask by being
        there.

    Raises
    ------
    HowfarError
        A file of no such form or without a label; an image that is not among `images` or is labelled twice; a label that is
        not named; a shape or mask of another size than its image; a folder that is not empty.

    Examples
    --------
    >>> import tempfile
    >>> from howfar.demo import write_dataset
    >>> folder = Path(tempfile.mkdtemp())
    >>> roads = write_dataset(folder / "roads", 2, seed=0, size=64)
    >>> import_labels(roads / "masks", roads, folder / "labelled")
    2 images of roads labelled with masks (segmentation)
    image     marks           label
    0001.jpg      1  masks/0001.png
    0002.jpg      1  masks/0002.png
    """
    given = checked(LabelImportOptions, options)
    file, folder = absolute(source), ready_folder("out", out)
    if folder is None or any(not path.name.startswith(STAGING) for path in folder.iterdir()):
        raise InputError.of("out", "must be a new or empty folder", str(out), "name another")
    site = site_of(images, given["task"], given["label_names"])
    if file.is_dir():
        if site.task != "segmentation":
            raise InputError.of("labels", f"must be a file for a {site.task}, not a folder of masks", str(source))
        export = masks_in(file)
    elif file.is_file():
        export = _read(file)
    else:
        raise MissingPathError(f"no labels at {file}: pass {KINDS}")
    with staging(folder) as beside:
        labelled, left, notes = settle(export, site, given["complete"])
        written = write_labels(labelled, site.task, beside, given["with_images"])
        result = LabelImport(
            dataset=site.dataset.name,
            tool=export.tool,
            source=printable(file),
            task=site.task,
            folder=printable(folder),
            names=dict(site.names.given),
            images=written,
            left_out=tuple(left),
            notes=tuple(notes),
        )
        document = json.dumps(result.to_dict(), indent=1, ensure_ascii=False) + "\n"
        (beside / DOCUMENT).write_text(document, encoding="utf-8")
        # The table comes last: without it there is no dataset.
        for path in sorted(beside.iterdir(), key=lambda path: path.name == TABLE):
            path.rename(folder / path.name)
    return result


def _read(file: Path) -> Export:
    """Read an export whose shapes raise one line that names the file, whenever they are drawn."""
    with damage_as_input_error(file):
        export = read_export(file)
    images = (
        replace(image, marks=tuple(replace(mark, draw=mark.draw and partial(_draw, file, mark.draw)) for mark in image.marks))
        for image in export.images
    )
    return replace(export, images=tuple(images))


def _draw(file: Path, draw: Callable[[], NDArray[np.bool_]]) -> NDArray[np.bool_]:
    with damage_as_input_error(file):
        return draw()
