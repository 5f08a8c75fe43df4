"""Send images with predicted labels to a running CVAT server as a task, and read the finished labels back (`CvatHost`)."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any
from xml.etree import ElementTree

from howfar.data.annotation_archives import put
from howfar.data.annotations import LabelExport
from howfar.data.json_and_tables import file_bytes, parsed_xml, readable
from howfar.data.label_files import read_export
from howfar.errors import InputError
from howfar.formatting_and_escaping import xml_text
from howfar.integrations.labelling_host import SECONDS, LabellingHost, handed_over


class CvatHost(LabellingHost):
    """Hold one project of a CVAT server."""

    KEY = "CVAT_ACCESS_TOKEN"
    WHERE = "CVAT (Profile, Security, Personal Access Tokens)"

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

    def _send(self, folder: Path, files: Mapping[str, str], undo: ExitStack) -> tuple[int, int]:
        root, labels = drawn(folder)
        if self.project is None:
            self.project = self.client.projects.create({"name": self.title, "labels": labels})
            undo.callback(self.project.remove)
        known = {label.name: str(label.type) for label in self.project.get_labels()}
        for label in labels:
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
        if not images:
            return 0, count
        undo.callback(lambda: [task.remove() for task in self.project.get_tasks() if task.id not in before])
        sources = {xml_text(name): place for name, place in files.items()}
        with TemporaryDirectory() as staged:
            # CVAT calls a file by the last part of its name, so that images and marks go there under that.
            copies = [Path(staged, "images", name) for name in images]
            for file, image in zip(copies, images.values(), strict=True):
                put(sources[image.get("name", "")], file, "copy")
                image.set("name", file.name)
            marks = Path(staged, "marks.xml")
            ElementTree.ElementTree(root).write(marks, encoding="utf-8", xml_declaration=True)
            self.client.tasks.create_from_data(
                {"name": f"{folder.name} {len(before) + 1}", "project_id": self.project.id},
                copies,
                data_params={"image_quality": 95, "sorting_method": "predefined"},
                annotation_path=str(marks),
                annotation_format="CVAT 1.1",
            )
        return len(images), count

    def exported(self) -> LabelExport:
        with TemporaryDirectory() as folder:
            file = Path(folder, "export.zip")
            self.project.export_dataset("CVAT for images 1.1", str(file), include_images=False)
            with readable(file, "export it by hand"):
                return read_export(file)


def drawn(folder: Path) -> tuple[ElementTree.Element, list[dict[str, str]]]:
    """Read the images and marks that `howfar select` or `howfar certify` wrote into a folder, and their labels."""
    with handed_over(folder, "cvat.xml") as file:
        root = parsed_xml(file_bytes(file), file, file.stat().st_size)
    labels = root.iter("label")
    return root, [{"name": each.findtext("name", ""), "type": each.findtext("type") or "any"} for each in labels]
