"""Read mask and class labels of a dataset's images from mask folders, class folders, tables, COCO, CVAT and Label Studio."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from zipfile import ZipFile, is_zipfile

import numpy as np

from howfar.data.annotation_formats import read_coco, read_cvat, read_label_studio
from howfar.data.annotations import CATEGORY, LabelExport, Shape, blank
from howfar.data.class_names_and_predictions import labelled_by_folders
from howfar.data.dataset import Dataset
from howfar.data.image_and_mask_folders import natural_key, path_text, stem, walk
from howfar.data.name_matching import by_file_name, examples, match_names
from howfar.data.untrusted_documents_and_tables import COPIES, TABLES, file_bytes, parsed, parsed_xml, readable, texts_of_csv
from howfar.errors import InputError
from howfar.formatting_and_escaping import unguarded, xml_text
from howfar.io.file_location import absolute
from howfar.memory import check_file

KINDS = "a folder of masks, or a file that COCO (.json), CVAT (.xml) or Label Studio (.json) exported"
KINDS_OF_CLASSES = (
    "class folders, a CSV table with the columns image and label, or a file that CVAT (.xml) or Label Studio (.json) exported"
)
IMAGE, LABEL, NAME = "image", "label", "name"


def read_export(path: Path) -> LabelExport:
    """Read a labelling tool's export, zipped or not, without drawing its shapes; a damaged one may raise anything."""
    if not is_zipfile(path):
        suffix, data = path.suffix.lower(), file_bytes(path)
        if suffix in TABLES:
            raise InputError(f"a {suffix} file holds no areas of an image; of howfar labels import, pass its folder")
    else:
        with ZipFile(path) as archive:
            members = [
                member
                for member in archive.infolist()
                if Path(member.filename).suffix.lower() in (".xml", ".json") and not member.filename.startswith("__MACOSX/")
            ]
            if len(members) != 1:
                what = "no .xml or .json" if not members else f"{len(members)} files .xml or .json"
                raise InputError(f"it holds {what}, and one is wanted: unpack it and pass the file of labels")
            check_file(COPIES * members[0].file_size, path, path.stat().st_size)
            with archive.open(members[0]) as file:
                suffix, data = Path(members[0].filename).suffix.lower(), file.read(members[0].file_size + 1)
    if suffix == ".xml":
        return read_cvat(parsed_xml(data, path, path.stat().st_size))
    document: Any = parsed(data.decode("utf-8-sig"), path)
    return read_label_studio(document) if isinstance(document, list) else read_coco(document)


@dataclass(frozen=True, eq=False)
class Labels:
    """Hold the labels of a dataset's images: masks, classes or boxes by image name.

    A mask is a file, or a foreground (h, w); 0 × 0 pixels, or no box, stand for an image in which somebody found nothing.
    `strangers` are labels that belong to no image of the dataset; `unsure` is as in `LabelExport`.
    """

    by_image: Mapping[str, Any]
    strangers: tuple[str, ...] = ()
    unsure: bool = False


def matched(dataset: Dataset, by_key: Mapping[str, Any], whole: bool = False) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Match labels to images by path without extension, or, unless `whole`, by unique file names; return them and the rest."""
    plain = {xml_text(stem(item.name)): stem(item.name) for item in dataset.items}
    by_key = {plain.get(key, key): label for key, label in by_key.items()}
    keys = match_names(dataset, by_key)
    if not whole and not any(key in by_key for key in keys.values()):
        keys = by_file_name(dataset, by_key)
    used = set(keys.values())
    return {name: by_key[key] for name, key in keys.items() if key in by_key}, tuple(key for key in by_key if key not in used)


def read_labels(dataset: Dataset, source: str | Path) -> Labels:
    """Read the masks of a dataset's images from one of the `KINDS`; of several categories the one called foreground counts."""
    path = absolute(source)
    if path.is_dir():
        return masks_below(dataset, path)
    with readable(path, f"pass {KINDS}"):
        export = read_export(path)
        by_key = _foregrounds(export)
    return Labels(*matched(dataset, by_key), unsure=export.unsure)


def _foregrounds(export: LabelExport) -> dict[str, Shape]:
    """Draw the areas of foreground or of one label as one mask an image; it is empty where somebody may have found nothing."""
    used = {mark.label for image in export.images for mark in image.marks if mark.draw is not None}
    if len(used) > 1 and CATEGORY not in used:
        what = "categories" if export.tool == "COCO" else "labels"
        raise InputError(f"it has {len(used)} {what}, none called {CATEGORY}")
    joined: dict[str, Shape] = {}
    held = 0
    for image in export.images:
        if image.looked_at is False:
            continue
        wanted = (mark.draw for mark in image.marks if len(used) < 2 or mark.label == CATEGORY)
        draws: list[Callable[[], Shape]] = [draw for draw in wanted if draw is not None]
        if export.unsure:
            width, height = (None, None) if image.size is None else image.size
            draws = [partial(blank, height, width), *draws]
        elif not draws:
            draws = [lambda: np.zeros((0, 0), np.bool_)]
        key = stem(image.name)
        for draw in draws:
            shape = draw()
            if key not in joined:
                held += shape.nbytes
                check_file(held, "the masks of the labels")
            joined[key] = joined[key] | shape if key in joined else shape
    return joined


def masks_below(dataset: Dataset, folder: Path) -> Labels:
    """Match the masks below a folder with the images of a dataset; of two of one name the first in natural order counts."""
    files = sorted(walk(folder), key=lambda file: natural_key(file.name))
    return Labels(*matched(dataset, {stem(file.relative_to(folder).as_posix()): file for file in reversed(files)}))


def read_class_labels(dataset: Dataset, source: str | Path) -> Labels:
    """Read the classes of a dataset's images from one of the `KINDS_OF_CLASSES`; one without a class is not labelled yet."""
    path = absolute(source)
    other: list[tuple[str, str]] = []
    if path.is_dir():
        # Copies of images, matched by name with or without the folder of their class.
        items = labelled_by_folders(Dataset.from_folder(path)).items
        pairs = [(item.name, item.label) for item in items if item.label is not None]
        if not pairs:
            rule = "must be a folder with two folders or more, one a class"
            raise InputError.of("labels", rule, path_text(path), f"or pass {KINDS_OF_CLASSES}")
        other = [(name.partition("/")[2], label) for name, label in pairs]
    else:
        with readable(path, f"pass {KINDS_OF_CLASSES}"):
            if path.suffix.lower() in (".xml", ".json", ".zip"):
                images = read_export(path).images
                pairs = [(image.name, mark.label) for image in images for mark in image.marks if mark.draw is None]
            else:
                # Images are matched by their paths, or else by the table's column name, if any.
                table = texts_of_csv(path)
                if not {IMAGE, LABEL} <= set(table):
                    listed = ", ".join(map(path_text, map(str, table)))
                    raise InputError(f"its columns are {listed}: it needs {IMAGE} and {LABEL}")
                cells = {name: [unguarded(cell.strip()) for cell in table[name]] for name in {IMAGE, NAME, LABEL} & set(table)}
                labels = cells[LABEL]
                pairs, other = (
                    [pair for pair in zip(cells.get(name, ()), labels, strict=False) if pair[1]] for name in (IMAGE, NAME)
                )
    found = _matched_classes(dataset, pairs, path)
    return _matched_classes(dataset, other, path) if other and not found.by_image else found


def _matched_classes(dataset: Dataset, pairs: Sequence[tuple[str, str]], path: Path) -> Labels:
    by_key: dict[str, str] = {}
    for name, label in pairs:
        if by_key.setdefault(stem(name), label) != label:
            two = examples([by_key[stem(name)], label])
            raise InputError(f"{path_text(path)}: {name} has two labels ({two}): keep one")
    return Labels(*matched(dataset, by_key, whole=True))
