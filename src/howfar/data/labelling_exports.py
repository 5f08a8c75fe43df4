"""Write lists and archives of images to be labelled, as COCO, CVAT and Label Studio import them.

A model's foreground and boxes stand there as first labels to correct (pre-annotations). A class does so for Label Studio alone,
which keeps predictions and annotations apart.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from dataclasses import replace as replace_fields
from pathlib import Path, PurePosixPath
from typing import Any, Literal, TypeAlias
from urllib.parse import quote
from xml.etree import ElementTree
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile

import numpy as np
from numpy.typing import NDArray

from howfar.data.dataset import leads_out, unshared
from howfar.data.image_bytes import read_bytes
from howfar.data.masks import to_brush, to_columns, to_rows
from howfar.errors import ImageError, InputError
from howfar.io.atomic import STAGING, replace, replace_text
from howfar.io.location import is_in_memory, is_url
from howfar.wording import xml_text

CATEGORY = "foreground"
"""What is to be labelled, where nobody calls it otherwise."""
NAMES = (CATEGORY,)
"""The names of the labels that a tool offers; the first is that of the model's foreground."""
LOCAL_FILES = "/data/local-files/?d="


Boxes: TypeAlias = Sequence[tuple[str, Sequence[float]]]
"""The class and the corners x0, y0, x1, y1, in pixels, of the boxes of one image."""


@dataclass(frozen=True)
class PictureToLabel:
    """Hold an image's name, file and size (width, height; None if unreadable), with the model's answer as a first label.

    `foreground` returns an (h, w) mask each time it is called, so that one mask at a time is in memory. `boxes` are None where
    no boxes are labelled.
    """

    name: str
    path: str
    size: tuple[int, int] | None = None
    foreground: Callable[[], NDArray[np.bool_]] | None = field(default=None, compare=False, repr=False)
    boxes: Boxes | None = None
    label: str = ""

    def mask(self) -> NDArray[np.bool_] | None:
        """Return the foreground mask; None if it is absent or empty."""
        shape = None if self.foreground is None else self.foreground()
        return shape if shape is not None and shape.any() else None


def coco(pictures: Sequence[PictureToLabel], title: str, names: Sequence[str] = NAMES) -> str:
    """Return images as COCO JSON: info, licenses, images, annotations, categories (cocodataset.org/#format-data).

    Ids count from 1, as 0 is taken for the background by some readers. An image without a size is left out, since COCO has to
    state it. A foreground is one annotation of uncompressed run lengths, of the first category. COCO has no class of an image.
    """
    sized = [(picture, *picture.size) for picture in pictures if picture.size is not None]
    numbers = {name: number for number, name in enumerate(names, start=1)}
    annotations = (
        {"image_id": number, **annotation}
        for number, (picture, *_) in enumerate(sized, start=1)
        for annotation in _annotations(picture, numbers)
    )
    document = {
        "info": {"description": title},
        "licenses": [],
        "images": [
            {"id": number, "file_name": picture.name, "width": width, "height": height}
            for number, (picture, width, height) in enumerate(sized, start=1)
        ],
        "annotations": [{"id": count, **annotation} for count, annotation in enumerate(annotations, start=1)],
        "categories": [{"id": number, "name": name, "supercategory": ""} for name, number in numbers.items()],
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _annotations(picture: PictureToLabel, numbers: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    """Yield COCO annotations: run lengths (``iscrowd`` 1) for a non-empty foreground, then one annotation per box."""
    shape = picture.mask()
    if shape is not None:
        yield {
            "category_id": 1,
            "iscrowd": 1,
            "segmentation": {"counts": to_columns(shape), "size": list(shape.shape)},
            "area": int(shape.sum()),
            "bbox": list(box(shape)),
        }
    for label, (left, top, right, bottom) in picture.boxes or ():
        yield {
            "category_id": numbers[label],
            "iscrowd": 0,
            "bbox": [left, top, right - left, bottom - top],
            "area": (right - left) * (bottom - top),
            "segmentation": [],
        }


def cvat(pictures: Sequence[PictureToLabel], title: str, names: Sequence[str] = NAMES, kind: str = "any") -> str:
    r"""Return images as XML in the format "CVAT for images 1.1" (docs.cvat.ai, XML annotation format).

    CVAT looks for the frame whose path ends with the image's name. An image without a size is left out, since the format states
    it. A class is not set: a class that somebody confirmed could not be told from one that nobody looked at. What XML cannot
    hold of a name is written out, as ``\x1b``; `howfar.data.label_exports` finds the image again.
    """
    sized = [(picture, *picture.size) for picture in pictures if picture.size is not None]
    root = ElementTree.Element("annotations")
    _add(root, "version", "1.1")
    task = _add(_add(root, "meta"), "task")
    about = {"name": title, "size": str(len(sized)), "mode": "annotation", "overlap": "0"}
    limits = {"start_frame": "0", "stop_frame": str(max(0, len(sized) - 1))}
    for tag, text in (about | limits).items():
        _add(task, tag, text)
    labels = _add(task, "labels")
    for name in names:
        label = _add(labels, "label")
        for tag, value in (("name", name), ("type", kind), ("attributes", None)):
            _add(label, tag, value)
    for number, (picture, width, height) in enumerate(sized):
        size = {"width": str(width), "height": str(height)}
        image = _add(root, "image", None, {"id": str(number), "name": picture.name, **size})
        shape = picture.mask()
        if shape is not None:
            _add(image, "mask", None, _mask(shape, names[0]))
        for own, corners in picture.boxes or ():
            sides = (f"{side:g}" if side == round(side, 3) else f"{side:.3f}" for side in corners)
            place = dict(zip(("xtl", "ytl", "xbr", "ybr"), sides, strict=True))
            _add(image, "box", None, {"label": own, "source": "auto", "occluded": "0", **place, "z_order": "0"})
    ElementTree.indent(root, " ")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _add(
    parent: ElementTree.Element, tag: str, text: str | None = None, attributes: Mapping[str, str] | None = None
) -> ElementTree.Element:
    child = ElementTree.SubElement(parent, tag, {name: xml_text(value) for name, value in (attributes or {}).items()})
    child.text = None if text is None else xml_text(text)
    return child


def _mask(foreground: NDArray[np.bool_], label: str) -> dict[str, str]:
    """Return the attributes of CVAT's element ``mask``."""
    left, top, width, height = box(foreground)
    runs = to_rows(foreground[top : top + height, left : left + width])
    place = {"left": left, "top": top, "width": width, "height": height}
    fixed = {"label": label, "source": "auto", "occluded": "0", "rle": ", ".join(map(str, runs))}
    return {**fixed, **{name: str(value) for name, value in place.items()}, "z_order": "0"}


def label_studio(pictures: Sequence[PictureToLabel], title: str, names: Sequence[str] = NAMES) -> str:
    """Return images as Label Studio import tasks (labelstud.io, basic JSON format), each with its file or URL.

    ``/data/local-files/?d=PATH`` is a path below ``LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT``, by default ``/``. ``meta`` keeps
    the image's name and rank. The model's answer is a prediction by the control ``label`` of `label_studio_interface`.
    """
    tasks = []
    for rank, picture in enumerate(pictures, start=1):
        meta = {"title": title, "image": picture.name, "rank": rank}
        task: dict[str, Any] = {"data": {"image": address(picture.path)}, "meta": meta}
        result = list(_results(picture, names[0] if names else ""))
        if result or picture.boxes is not None:
            task["predictions"] = [{"model_version": "model", "result": result}]
        tasks.append(task)
    return json.dumps(tasks, indent=1, ensure_ascii=False) + "\n"


def _results(picture: PictureToLabel, foreground: str) -> Iterator[dict[str, Any]]:
    """Yield the results of a Label Studio prediction: the class, the foreground, then each box."""
    by_label = {"from_name": "label", "to_name": "image"}
    if picture.label:
        yield {**by_label, "type": "choices", "value": {"choices": [picture.label]}}
    if picture.size is None:
        return
    width, height = picture.size
    sizes = {"original_width": width, "original_height": height, "image_rotation": 0}
    shape = picture.mask()
    if shape is not None:
        value: dict[str, Any] = {"format": "rle", "rle": to_brush(shape), "brushlabels": [foreground]}
        yield {**by_label, "type": "brushlabels", **sizes, "value": value}
    for label, (left, top, right, bottom) in picture.boxes or ():
        sides = {"x": left / width, "y": top / height, "width": (right - left) / width, "height": (bottom - top) / height}
        value = {**{name: 100.0 * share for name, share in sides.items()}, "rotation": 0, "rectanglelabels": [label]}
        yield {**by_label, "type": "rectanglelabels", **sizes, "value": value}


def address(path: str) -> str:
    """Return the address under which Label Studio finds an image: a local-files path, or the image's own URL."""
    return path if is_url(path) else LOCAL_FILES + quote(path.replace(os.sep, "/").lstrip("/"))


def box(foreground: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Return (left, top, width, height) of the bounding box of a non-empty foreground."""
    rows, columns = np.flatnonzero(foreground.any(axis=1)), np.flatnonzero(foreground.any(axis=0))
    left, top = int(columns[0]), int(rows[0])
    return left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top


CONTROLS = {
    "segmentation": (("BrushLabels", "label"), ("PolygonLabels", "outline")),
    "detection": (("RectangleLabels", "label"),),
    "classification": (("Choices", "label"),),
}
"""By task, the controls and their names; predictions are by the first, which is called ``label``."""


def label_studio_interface(task: str, names: Sequence[str]) -> str:
    """Return the XML for a project's *Labeling Interface* that offers these label names."""
    if task not in CONTROLS:
        raise InputError.of("task", f"must be one of {', '.join(CONTROLS)}", task)
    view = ElementTree.Element("View")
    ElementTree.SubElement(view, "Image", {"name": "image", "value": "$image", "zoom": "true", "zoomControl": "true"})
    for tag, name in CONTROLS[task]:
        chosen = {"choice": "single", "required": "true"} if tag == "Choices" else {}
        control = ElementTree.SubElement(view, tag, {"name": name, "toName": "image", **chosen})
        for label in names:
            ElementTree.SubElement(control, "Choice" if tag == "Choices" else "Label", {"value": xml_text(label)})
    ElementTree.indent(view, "  ")
    return ElementTree.tostring(view, encoding="unicode") + "\n"


Named: TypeAlias = str | Sequence[str] | Mapping[str, str]


@dataclass(frozen=True)
class LabelNames:
    """Map a tool's label names, in order, to the dataset's ("" is left out); without any, both call every label the same."""

    given: Mapping[str, str]

    def in_tool(self, label: str) -> str:
        """Return the tool's name for a label of the model, by default the label itself."""
        return next((name for name, own in self.given.items() if own == label), label)

    def in_dataset(self, name: str) -> str | None:
        """Return the dataset's name for a label of the tool: "" if it is left out, None if it is unknown."""
        return self.given.get(name) if self.given else name

    def offered(self, own: Iterable[str] = ()) -> tuple[str, ...]:
        """Return the label names that a tool offers: the given names, then the model's labels without another name."""
        return tuple(dict.fromkeys((*self.given, *map(self.in_tool, own))))


def label_names(names: Named, task: str) -> LabelNames:
    """Parse ``NAME``, ``MODEL=NAME`` (a renamed label of the model) or ``=NAME`` (a label that import leaves out).

    Where masks are labelled every name that is given alone is one of the foreground.
    """
    if isinstance(names, Mapping):
        pairs = [(str(own), str(name)) for own, name in names.items()]
    elif isinstance(names, (str, Sequence)):
        pairs = [_pair(text, task) for text in ([names] if isinstance(names, str) else names)]
    else:
        raise InputError.of("label_names", "must be texts, or pairs of the model's label and its name", names)
    given: dict[str, str] = {}
    for own, name in pairs:
        if not name.strip():
            raise InputError.of("label_names", "must name each label", name, "write NAME or MODEL=NAME")
        if name in given:
            raise InputError.of("label_names", "must give each name once", name)
        given[name.strip()] = own.strip()
    return LabelNames(given)


def _pair(text: object, task: str) -> tuple[str, str]:
    if not isinstance(text, str):
        raise InputError.of("label_names", "must be texts", text, "write NAME or MODEL=NAME")
    own, equals, name = text.partition("=")
    if equals:
        return own, name
    return (CATEGORY if task == "segmentation" else text), text


@dataclass(frozen=True, eq=False)
class FirstLabels:
    """Hold one task's first labels by image name; an image in none of the mappings has no first label.

    `names` are the tool's for the labels, `own` the labels that the model may give. `foregrounds` are functions that return the
    model's foreground, (h, w); `maps` are files of its maps of classes. `faults` say why an answered image has no first label.
    """

    task: str = "segmentation"
    names: LabelNames = field(default_factory=lambda: LabelNames({}))
    own: tuple[str, ...] = ()
    foregrounds: Mapping[str, Callable[[], NDArray[np.bool_]]] = field(default_factory=dict)
    boxes: Mapping[str, Boxes] = field(default_factory=dict)
    classes: Mapping[str, str] = field(default_factory=dict)
    maps: Mapping[str, Path] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)

    def offered(self) -> tuple[str, ...]:
        """Return the label names that the tool offers; for masks, the foreground's name comes first."""
        return self.names.offered(() if self.task == "segmentation" and self.names.given else self.own)

    def on(self, picture: PictureToLabel) -> PictureToLabel:
        """Return an image with its first label, named as in the labelling tool."""
        boxes = [(self.names.in_tool(label), corners) for label, corners in self.boxes.get(picture.name, ())]
        label = self.names.in_tool(self.classes[picture.name]) if picture.name in self.classes else ""
        foreground = self.foregrounds.get(picture.name)
        return replace_fields(picture, foreground=foreground, boxes=boxes if self.task == "detection" else None, label=label)


Images = Literal["none", "copy", "link"]
LAYOUTS = {"coco": ("annotations/instances_default.json", "images/default"), "cvat": ("annotations.xml", "images")}
"""Where annotations and images lie within an archive of each kind (docs.cvat.ai, dataset formats)."""
COMMENT, MARK = b"written by howfar", ".written-by-howfar"
"""What an archive, or a folder in the place of one, has that howfar wrote: only such are ever removed or replaced."""


def write_archive(kind: str, text: str, images: Mapping[str, str], folder: Path, how: Images) -> Path:
    """Write annotations and images as KIND.zip (copies) or a folder KIND/ (links), and return its path."""
    place, below = LAYOUTS[kind]
    # What XML cannot hold of a name is written out there, and so in the archive.
    written = {name: xml_text(within(name)) if kind == "cvat" else within(name) for name in images}
    places = {name: PurePosixPath(below, path) for name, path in written.items()}
    if how == "link":
        root = folder / kind
        remove_archive(kind, folder)
        root.mkdir(parents=True)
        (root / MARK).touch()
        for name, path in places.items():
            put(images[name], root / path, "link")
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        replace_text(root / place, text)
        return root

    def pack(path: Path) -> None:
        with ZipFile(path, "w", ZIP_STORED) as archive:
            archive.writestr(place, text, ZIP_DEFLATED)
            for name, inside in places.items():
                archive.writestr(str(inside), _bytes(images[name]))
            archive.comment = COMMENT

    check_archive(kind, folder)
    replace(folder / f"{kind}.zip", pack)
    return folder / f"{kind}.zip"


def remove_archive(kind: str, folder: Path) -> None:
    """Remove an archive that `write_archive` wrote; raise `InputError` if howfar did not write it."""
    check_archive(kind, folder)
    (folder / f"{kind}.zip").unlink(missing_ok=True)
    if (folder / kind).exists():
        # Renamed first: a kill on the way leaves nothing that looks like a folder of another kind.
        gone = (folder / kind).rename(folder / f"{STAGING}{secrets.token_hex(8)}")
        shutil.rmtree(gone)


def check_archive(kind: str, folder: Path) -> None:
    """Raise `InputError` if the folder holds an archive, or a folder in its place, that howfar did not write."""
    packed, root = folder / f"{kind}.zip", folder / kind
    if packed.exists() and not _is_own(packed):
        rule = f"must hold no {packed.name} that howfar did not write"
        raise InputError.of("out", rule, str(packed), "choose another folder")
    if (root.exists() or root.is_symlink()) and (root.is_symlink() or not (root / MARK).is_file()):
        raise InputError.of("out", f"must hold no folder {kind} of another kind", str(root), "choose another folder")


def _is_own(packed: Path) -> bool:
    try:
        with ZipFile(packed) as archive:
            return archive.comment == COMMENT
    except (OSError, BadZipFile):
        return False


def put(source: Path | str, target: Path, how: Images) -> None:
    """Copy an image file to a path, or link to it (with a hard link if both are on the same disk)."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if how == "copy":
        data = _bytes(source)
        replace(target, lambda path: path.write_bytes(data))
        return
    _see_file(source)
    if is_url(source) or not Path(source).is_file():
        raise InputError.of("with_images", "links to files on this machine only", str(source), "pass copy")
    target.unlink(missing_ok=True)
    try:
        # datumaro refuses symbolic links that lead out of a COCO folder; hard ones lead nowhere.
        target.hardlink_to(Path(source).resolve())
    except OSError:  # another disk
        try:
            target.symlink_to(Path(source).absolute())
        except OSError as error:  # Windows asks for a privilege
            rule = f"cannot be links here ({error.strerror or error})"
            raise InputError.of("with_images", rule, str(source), "pass copy") from error


def within(name: str) -> str:
    """Return an image's name as a path below a folder; raise `InputError` if the name leads outside."""
    path = PurePosixPath(name)
    if leads_out(name) or not path.name:
        remedy = "choose from a dataset with such names"
        raise InputError.of("with_images", "needs names that stay below a folder", name, remedy)
    return path.as_posix()


def kept_below(names: Mapping[str, str]) -> dict[str, str]:
    """Return each name's path below a folder; drop shared leading folders if any name leads outside."""
    paths = unshared(list(names)) if any(map(leads_out, names)) else dict(zip(names, names, strict=True))
    return {name: within(path) for name, path in paths.items()}


def _see_file(location: Path | str) -> None:
    if is_in_memory(location):
        raise InputError.of("with_images", "needs images in files", "one in memory", "save them, and choose from their folder")


def _bytes(location: Path | str) -> bytes:
    _see_file(location)
    try:
        return bytes(read_bytes(location))
    except ImageError as error:
        rule = f"needs every image ({error})"
        raise InputError.of("with_images", rule, str(location), "leave it out, or mend the file") from error
