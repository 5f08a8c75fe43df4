"""Work with a running Label Studio: send it images with the model's marks, take labels back, and be its ML backend."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from howfar.data.documents import file_bytes, parsed_xml, read_json, readable
from howfar.data.image_bytes import read_bytes
from howfar.data.label_marks import LabelExport
from howfar.data.label_studio import read_label_studio
from howfar.errors import ImageError, InputError, MissingPathError
from howfar.integrations.labelling_host import AGAIN, Address, LabellingHost, places
from howfar.io.location import absolute
from howfar.report.labelling_files import INTERFACE

TASKS: Final = "label_studio.json"
MOST_BYTES: Final = 64_000_000
"""Bytes of one request to the backend."""
_EMPTY: Final = ("", "<View></View>")


class LabelStudioHost(LabellingHost):
    """Hold one project of a Label Studio server."""

    KEY = "LABEL_STUDIO_API_KEY"
    WHERE = "Label Studio (Account & Settings, Personal Access Token)"
    SDK = "label-studio-sdk"
    FILE = TASKS
    http: Any = None

    def load(self) -> None:
        from httpx import Client, HTTPError
        from label_studio_sdk import LabelStudio
        from label_studio_sdk.core import ApiError

        self.make_client, self.make_connection, self.errors = LabelStudio, Client, (ApiError, HTTPError)

    def projects(self, key: str) -> Iterator[tuple[str, Any]]:
        self.http = self.make_connection(timeout=60.0)
        self.client = self.make_client(base_url=self.address.url, api_key=key, httpx_client=self.http)
        yield from ((each.title, each) for each in self.client.projects.list())

    def create(self, folder: Path) -> Any:
        return self.client.projects.create(title=self.address.project, label_config=_interface(folder))

    def remove(self) -> None:
        self.client.projects.delete(self.project.id)

    def close(self) -> None:
        if self.http is not None:
            self.http.close()

    def export(self) -> LabelExport:
        tasks = self.client.projects.exports.as_json(self.project.id)
        with readable(self.address.text, "export it by hand, and import the file"):
            return read_label_studio(tasks)

    def add(self, folder: Path) -> tuple[int, int]:
        number, tasks = self.project.id, tasks_of(folder)
        exported = self.client.projects.exports.as_json(number)
        with readable(self.address.text, "name a new title"):
            there = {str((task.get("meta") or {}).get("image")) for task in exported}
        if self.project.label_config.strip() in _EMPTY and not there:
            self.client.projects.update(number, label_config=_interface(folder))
        else:
            _check_interface(self.project.label_config, folder / INTERFACE, self.address)
        new = [task for task in tasks if task["meta"]["image"] not in there]
        files = places(folder, [task["meta"]["image"] for task in new])
        uploads: list[Any] = []
        try:
            for task, file in zip(new, files, strict=True):
                uploads.append(self._uploaded(number, file))
                task["data"]["image"] = f"/data/{uploads[-1].file}"
            if new:
                self.client.projects.import_tasks(number, request=new)
        except BaseException:
            for upload in uploads:
                self.client.files.delete(upload.id)
            raise
        if any("predictions" in task for task in new):
            self.client.projects.update(number, model_version="model", show_collab_predictions=True)
        return len(new), len(tasks)

    def _uploaded(self, number: int, place: str) -> Any:
        try:
            data = bytes(read_bytes(place))
        except ImageError as error:
            raise InputError(f"the image {place} cannot be sent: {error}") from error
        # The SDK's import takes tasks alone, so that files go by the connection beneath it.
        asked: dict[str, Any] = {"params": {"commit_to_project": "false"}, "files": {"file": (Path(place).name, data)}}
        answer = self.client._client_wrapper.httpx_client.request(f"api/projects/{number}/import", method="POST", **asked)
        if answer.status_code >= 400:
            raise self.errors[0](status_code=answer.status_code, body=answer.text)  # type: ignore[call-arg]
        with readable(self.address.url, f"upload {place} by hand"):
            uploaded = int(answer.json()["file_upload_ids"][0])
        return self.client.files.get(uploaded)


def _interface(folder: Path) -> str:
    return (folder / INTERFACE).read_text(encoding="utf-8")


def tasks_of(folder: Path) -> list[dict[str, Any]]:
    """Read the tasks that `howfar select` or `howfar certify` wrote into a folder."""
    if not (folder / TASKS).is_file():
        raise MissingPathError(f"no {TASKS} in {folder}: pass a folder of howfar select or certify, of images in files")
    with readable(folder / TASKS, AGAIN):
        tasks: list[dict[str, Any]] = read_json(folder / TASKS)
        if not all(isinstance(each, str) for task in tasks for each in (task["data"]["image"], task["meta"]["image"])):
            raise ValueError("an image of it has no name")
        return tasks


def _check_interface(there: str, ours: Path, address: Address) -> None:
    """Raise `InputError` for a project that is not for labels of this kind, or lacks one of them."""

    def controls(data: bytes, name: object) -> dict[tuple[str, str], set[str]]:
        found = [each for each in parsed_xml(data, name, len(data)).iter() if each.get("toName") == "image"]
        return {(each.tag, each.get("name", "")): {label.get("value", "") for label in each} for each in found}

    with readable(address.text, "name a new title"):
        known = controls(there.encode(), address.text)
    with readable(ours, AGAIN):
        control, labels = next(iter(controls(file_bytes(ours), ours).items()), (("a control", ""), {"labels"}))
    if not labels <= known.get(control, set()):
        kinds = ", ".join(f"{tag} {name!r}" for tag, name in known) or "none of images"
        rule = f"must have {control[0]} {control[1]!r} with {', '.join(sorted(labels))} (it has {kinds})"
        remedy = f"name a new title, or paste {INTERFACE} into its Labeling Setup"
        raise InputError.of(f"the interface of {address.text}", rule, remedy=remedy)


class Backend(ThreadingHTTPServer):
    """Answer Label Studio as an ML backend: `predict` gives the marks that a folder holds, scored so that rank 1 comes first.

    Label Studio's sampling by uncertainty takes the lowest score first; the score is rank / number of images.
    """

    daemon_threads = True

    def __init__(self, folder: str | Path, port: int, host: str = "127.0.0.1") -> None:
        tasks = tasks_of(absolute(folder))
        self.version = f"howfar {absolute(folder).name}"
        with readable(absolute(folder) / TASKS, AGAIN):
            self.of_name = {task["meta"]["image"]: self._prediction(task, len(tasks)) for task in tasks}
        self.of_address = {task["data"]["image"]: self.of_name[task["meta"]["image"]] for task in tasks}
        try:
            super().__init__((host, port), _Answer)
        except OSError as error:
            raise InputError.of("port", f"must be free ({error.strerror})", port, "name another") from error

    def _prediction(self, task: Mapping[str, Any], count: int) -> dict[str, Any]:
        made: Sequence[Mapping[str, Any]] = task.get("predictions") or [{"result": []}]
        return {"result": made[0]["result"], "score": task["meta"]["rank"] / count, "model_version": self.version}

    def predict(self, tasks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return a prediction for each task, without marks for an image that the folder does not hold."""
        empty = {"result": [], "score": 1.0, "model_version": self.version}
        named = [(task, (task.get("meta") or {}).get("image")) for task in tasks]
        return [
            self.of_name.get(str(name)) or self.of_address.get(task["data"].get("image", ""), empty) for task, name in named
        ]


class _Answer(BaseHTTPRequestHandler):
    """Answer one request of Label Studio's protocol of ML backends."""

    server: Backend

    def do_GET(self) -> None:
        """Say that the backend runs."""
        self._answer({"status": "UP", "model_class": "howfar"} if self.path in ("/", "/health") else None)

    def do_POST(self) -> None:
        """Predict, or acknowledge a setup, a training or a changed annotation, of which nothing is learnt."""
        try:
            length = int(self.headers.get("Content-Length") or 0)
            if not 0 <= length <= MOST_BYTES:
                raise ValueError("a body of that length is not taken")
            asked = json.loads(self.rfile.read(length) or "{}")
            if self.path == "/predict":
                self._answer({"results": self.server.predict(asked["tasks"])})
            else:
                known = self.path in ("/setup", "/train", "/webhook")
                self._answer({"model_version": self.server.version, "status": "ok"} if known else None)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            self._answer({"detail": "not a request of Label Studio"}, 400)

    def _answer(self, document: Mapping[str, Any] | None, status: int = 200) -> None:
        data = json.dumps(document or {"detail": "no such page"}).encode()
        self.send_response(status if document is not None else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Print nothing for each request."""
