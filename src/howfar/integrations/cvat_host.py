"""Work with a running CVAT: send images with the model's marks as a task of a project, and take its labels back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any, Final
from xml.etree import ElementTree

from howfar.data.documents import file_bytes, parsed_xml, readable
from howfar.data.label_exports import read_export
from howfar.data.label_marks import LabelExport
from howfar.data.labelling_exports import put
from howfar.errors import InputError
from howfar.integrations.labelling_host import AGAIN, LabellingHost, places
from howfar.wording import xml_text

FORMAT: Final = "CVAT 1.1"
EXPORT: Final = "CVAT for images 1.1"


class CvatHost(LabellingHost):
    """Hold one project of a CVAT server."""

    KEY = "CVAT_ACCESS_TOKEN"
    WHERE = "CVAT (Profile, Security, Personal Access Tokens)"
    SDK = "cvat-sdk"
    FILE = "cvat.xml"
    client: Any = None

    def load(self) -> None:
        from cvat_sdk import exceptions, make_client
        from cvat_sdk.core.exceptions import CvatSdkException
        from urllib3.exceptions import HTTPError

        self.make_client, self.errors = make_client, (exceptions.ApiException, CvatSdkException, HTTPError)

    def projects(self, key: str) -> Iterator[tuple[str, Any]]:
        self.client = self.make_client(self.address.url, access_token=key)
        yield from ((each.name, each) for each in self.client.projects.list())

    def create(self, folder: Path) -> Any:
        return self.client.projects.create({"name": self.address.project, "labels": _labels(self._document(folder))})

    def remove(self) -> None:
        self.project.remove()

    def close(self) -> None:
        if self.client is not None:
            self.client.close()

    def add(self, folder: Path) -> tuple[int, int]:
        root = self._document(folder)
        known = {label.name: str(label.type) for label in self.project.get_labels()}
        for label in _labels(root):
            if known.get(label["name"]) not in (label["type"], "any"):
                rule = f"must have the label {label['name']!r} of type {label['type']} (its labels: {known})"
                raise InputError.of(f"the project {self.address.text}", rule, remedy="add it there, or name a new title")
        before = {task.id: task for task in self.project.get_tasks()}
        there = {frame.name for task in before.values() for frame in task.get_frames_info()}
        images = {image.get("name", ""): image for image in root.findall("image")}
        count = len(images)
        if len({PurePosixPath(name).name for name in images}) < len(images):
            remedy = "add cvat.zip in CVAT by hand (--with-images copy)"
            raise InputError.of("the names of images", "must differ in the last part of their paths", remedy=remedy)
        for name in [name for name in images if PurePosixPath(name).name in there]:
            root.remove(images.pop(name))
        if images:
            try:
                self._make_task(folder, root, images, f"{folder.name} {len(before) + 1}")
            except BaseException:
                for task in self.project.get_tasks():
                    if task.id not in before:
                        task.remove()
                raise
        return len(images), count

    def _make_task(self, folder: Path, root: ElementTree.Element, images: dict[str, ElementTree.Element], title: str) -> None:
        """Send images under the last parts of their names, by which CVAT calls a file, and their marks under the same."""
        sources = places(folder, images, xml_text)
        with TemporaryDirectory() as staged:
            files = []
            for (name, image), source in zip(images.items(), sources, strict=True):
                files.append(Path(staged, "images", PurePosixPath(name).name))
                put(source, files[-1], "copy")
                image.set("name", files[-1].name)
            marks = Path(staged, self.FILE)
            ElementTree.ElementTree(root).write(marks, encoding="utf-8", xml_declaration=True)
            self.client.tasks.create_from_data(
                {"name": title, "project_id": self.project.id},
                files,
                data_params={"image_quality": 95, "sorting_method": "predefined"},
                annotation_path=str(marks),
                annotation_format=FORMAT,
            )

    def export(self) -> LabelExport:
        with TemporaryDirectory() as folder:
            file = Path(folder, "export.zip")
            self.project.export_dataset(EXPORT, str(file), include_images=False)
            with readable(file, "export it by hand"):
                return read_export(file)

    def _document(self, folder: Path) -> ElementTree.Element:
        file = folder / self.FILE
        with readable(file, AGAIN):
            return parsed_xml(file_bytes(file), file, file.stat().st_size)


def _labels(root: ElementTree.Element) -> list[dict[str, str]]:
    return [{"name": label.findtext("name", ""), "type": label.findtext("type") or "any"} for label in root.iter("label")]
