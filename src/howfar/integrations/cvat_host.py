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
from howfar.integrations.labelling_host import SECONDS, LabellingHost, handed_over, places
from howfar.wording import xml_text

FORMAT: Final = "CVAT 1.1"
EXPORT: Final = "CVAT for images 1.1"


class CvatHost(LabellingHost):
    """Hold one project of a CVAT server."""

    KEY = "CVAT_ACCESS_TOKEN"
    WHERE = "CVAT (Profile, Security, Personal Access Tokens)"
    FILE = "cvat.xml"

    def _projects(self, key: str) -> Iterator[tuple[str, Any]]:
        from cvat_sdk import exceptions
        from cvat_sdk.core.client import AccessTokenCredentials, Client
        from cvat_sdk.core.exceptions import CvatSdkException
        from urllib3.exceptions import HTTPError

        self.errors = (exceptions.ApiException, CvatSdkException, HTTPError)
        self.client = Client(self.url, check_server_version=False)
        rest = self.client.api_client.rest_client
        # The SDK waits for ever by itself.
        rest.request = lambda *given, ask=rest.request, **options: ask(*given, **options | {"_request_timeout": SECONDS})
        self.client.login(AccessTokenCredentials(key))
        yield from ((each.name, each) for each in self.client.projects.list())

    def _create(self, folder: Path) -> Any:
        return self.client.projects.create({"name": self.title, "labels": _labels(self._document(folder))})

    def _remove(self) -> None:
        self.project.remove()

    def _add(self, folder: Path) -> tuple[int, int]:
        root = self._document(folder)
        known = {label.name: str(label.type) for label in self.project.get_labels()}
        for label in _labels(root):
            if known.get(label["name"]) not in (label["type"], "any"):
                rule = f"must have the label {label['name']!r} of type {label['type']} (its labels: {known})"
                raise InputError.of(f"the project {self.address}", rule, remedy="add it there, or name a new title")
        images = {PurePosixPath(image.get("name", "")).name: image for image in root.findall("image")}
        count = len(root.findall("image"))
        if len(images) < count:
            remedy = "add cvat.zip in CVAT by hand (--with-images copy)"
            raise InputError.of("the names of images", "must differ in the last part of their paths", remedy=remedy)
        before = {task.id: task for task in self.project.get_tasks()}
        for name in {frame.name for task in before.values() for frame in task.get_frames_info()} & set(images):
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
        sources = {xml_text(name): place for name, place in places(folder).items()}
        with TemporaryDirectory() as staged:
            files = [Path(staged, "images", name) for name in images]
            for file, image in zip(files, images.values(), strict=True):
                put(sources[image.get("name", "")], file, "copy")
                image.set("name", file.name)
            marks = Path(staged, self.FILE)
            ElementTree.ElementTree(root).write(marks, encoding="utf-8", xml_declaration=True)
            self.client.tasks.create_from_data(
                {"name": title, "project_id": self.project.id},
                files,
                data_params={"image_quality": 95, "sorting_method": "predefined"},
                annotation_path=str(marks),
                annotation_format=FORMAT,
            )

    def _export(self) -> LabelExport:
        with TemporaryDirectory() as folder:
            file = Path(folder, "export.zip")
            self.project.export_dataset(EXPORT, str(file), include_images=False)
            with readable(file, "export it by hand"):
                return read_export(file)

    def _document(self, folder: Path) -> ElementTree.Element:
        file = handed_over(folder, self.FILE)
        with readable(file, "select or certify into another folder (--out)"):
            return parsed_xml(file_bytes(file), file, file.stat().st_size)


def _labels(root: ElementTree.Element) -> list[dict[str, str]]:
    return [{"name": label.findtext("name", ""), "type": label.findtext("type") or "any"} for label in root.iter("label")]
