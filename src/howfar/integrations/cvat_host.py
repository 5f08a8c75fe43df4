"""Work with a running CVAT: send images with the model's marks as a task of a project, and take its labels back."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any, Final
from xml.etree import ElementTree

import pandas as pd

from howfar.data.documents import readable
from howfar.data.label_exports import read_export
from howfar.data.label_marks import LabelExport
from howfar.data.labelling_exports import put
from howfar.errors import InputError, MissingPathError
from howfar.integrations.labelling_host import Address, asking, extra, key, sent
from howfar.wording import unguarded, xml_text

KEY: Final = "CVAT_ACCESS_TOKEN"
FORMAT: Final = "CVAT 1.1"
EXPORT: Final = "CVAT for images 1.1"
FILE: Final = "cvat.xml"


class CvatHost:
    """Hold one project of a CVAT server; a title that no project has stands for a new one."""

    def __init__(self, address: Address) -> None:
        try:
            from cvat_sdk import exceptions, make_client
            from cvat_sdk.core.exceptions import CvatSdkException
            from urllib3.exceptions import HTTPError
        except ImportError as error:
            raise extra("cvat-sdk", "cvat") from error
        self.address, self.errors = address, (exceptions.ApiException, CvatSdkException, HTTPError)
        secret = key(KEY, "CVAT (Profile, Security, Personal Access Tokens)")
        with self.asking():
            self.client = make_client(address.url, access_token=secret)
            self.project = self._found()

    def close(self) -> None:
        """Close the connection."""
        self.client.close()

    def asking(self) -> Any:
        """Turn the errors of the SDK in a block into one line."""
        return asking(self.address, KEY, *self.errors)

    def _found(self) -> Any:
        wanted, projects = self.address.project, self.client.projects.list()
        same = [each for each in projects if wanted in ((str(each.id),) if wanted.isdecimal() else (each.name,))]
        if len(same) > 1:
            numbers = " or ".join(str(each.id) for each in same)
            raise InputError.of("project", "must be the title of one project", wanted, f"write its number, {numbers}")
        if wanted.isdecimal() and not same:
            raise InputError.of(
                "project", f"must be one of {self.address.url}", wanted, "write a number or a title of its list"
            )
        return same[0] if same else None

    def send(self, folder: Path) -> str:
        """Make a task of the images that the project lacks, with the model's marks, in their order."""
        root = _document(folder)
        with self.asking():
            labels = [{"name": label.findtext("name"), "type": label.findtext("type") or "any"} for label in root.iter("label")]
            made = self.project is None
            if made:
                self.project = self.client.projects.create({"name": self.address.project, "labels": labels})
            try:
                return self._sent(folder, root, labels)
            except BaseException:
                if made:
                    self.project.remove()
                raise

    def _sent(self, folder: Path, root: ElementTree.Element, labels: list[dict[str, Any]]) -> str:
        self._check_labels(labels)
        tasks = self.project.get_tasks()
        there = {frame.name for task in tasks for frame in task.get_frames_info()}
        images = {image.get("name", ""): image for image in root.iter("image")}
        new = [name for name in images if PurePosixPath(name).name not in there]
        if len({PurePosixPath(name).name for name in images}) < len(images):
            rule = "must differ in the last part of their paths"
            raise InputError.of("the names of images", rule, remedy="add cvat.zip in CVAT by hand (--with-images copy)")
        for name in images.keys() - set(new):
            root.remove(images[name])
        where = f"{self.address.url}/projects/{self.project.id}"
        if not new:
            return sent(0, len(images), where)
        places = _places(folder)
        before = {task.id for task in tasks}
        with TemporaryDirectory() as staged:
            for name in new:
                last = PurePosixPath(name).name
                put(places[name], Path(staged, "images", last), "copy")
                images[name].set("name", last)
            marks = Path(staged, FILE)
            ElementTree.ElementTree(root).write(marks, encoding="utf-8", xml_declaration=True)
            try:
                self.client.tasks.create_from_data(
                    {"name": f"{folder.name} {len(before) + 1}", "project_id": self.project.id},
                    [Path(staged, "images", PurePosixPath(name).name) for name in new],
                    data_params={"image_quality": 95, "sorting_method": "predefined"},
                    annotation_path=str(marks),
                    annotation_format=FORMAT,
                )
            except BaseException:
                for task in self.project.get_tasks():
                    if task.id not in before:
                        task.remove()
                raise
        return sent(len(new), len(images), where)

    def _check_labels(self, labels: list[dict[str, Any]]) -> None:
        known = {label.name: str(label.type) for label in self.project.get_labels()}
        for label in labels:
            kind = known.get(label["name"])
            if kind not in (label["type"], "any"):
                rule = f"must have the label {label['name']!r} of type {label['type']} (its labels: {json.dumps(known)})"
                raise InputError.of(f"the project {self.address.text}", rule, remedy="add it there, or name a new title")

    def labels(self) -> LabelExport:
        """Return the labels of all tasks of the project."""
        if self.project is None:
            raise InputError.of("project", f"must be one of {self.address.url}", self.address.project, "check the title")
        with TemporaryDirectory() as folder, self.asking():
            file = Path(folder, "export.zip")
            self.project.export_dataset(EXPORT, str(file), include_images=False)
            with readable(file, "export it by hand"):
                return read_export(file)


def _document(folder: Path) -> ElementTree.Element:
    if not (folder / FILE).is_file():
        raise MissingPathError(f"no {FILE} in {folder}: pass a folder of howfar select or certify, of images in files")
    with readable(folder / FILE, "select or certify again"):
        return ElementTree.parse(folder / FILE).getroot()


def _places(folder: Path) -> dict[str, str]:
    """Return the file or URL of each image of a folder, by its name in the XML file."""
    table = pd.read_csv(folder / "chosen.csv", dtype=str, keep_default_na=False)
    return {xml_text(unguarded(name)): unguarded(image) for name, image in zip(table["name"], table["image"], strict=True)}
