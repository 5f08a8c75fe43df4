"""Send images with predicted labels to a running Label Studio, read labels back, and serve as its ML backend."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from howfar.data.annotations import LabelExport
from howfar.data.image_bytes import read_bytes
from howfar.data.json_and_tables import file_bytes, parsed_xml, read_json, readable
from howfar.data.label_studio import read_label_studio
from howfar.errors import ImageError, InputError
from howfar.integrations.labelling_host import SECONDS, LabellingHost, handed_over
from howfar.io.file_location import absolute
from howfar.report.labelling_files import INTERFACE


class LabelStudioHost(LabellingHost):
    """Hold one project of a Label Studio server."""

    KEY = "LABEL_STUDIO_API_KEY"
    WHERE = "Label Studio (Account & Settings, Personal Access Token)"

    def _projects(self, key: str) -> Iterator[tuple[str, Any]]:
        from httpx import Client, HTTPError
        from label_studio_sdk import LabelStudio
        from label_studio_sdk.core import ApiError

        self.errors, self.client = (ApiError, HTTPError), Client(timeout=SECONDS)
        self.sdk = LabelStudio(base_url=self.url, api_key=key, httpx_client=self.client)
        yield from ((each.title, each) for each in self.sdk.projects.list())

    def exported(self) -> LabelExport:
        tasks = self.sdk.projects.exports.as_json(self.project.id)
        with readable(self.address, "export it by hand, and import the file"):
            return read_label_studio(tasks)

    def _send(self, folder: Path, files: Mapping[str, str], undo: ExitStack) -> tuple[int, int]:
        tasks, projects = tasks_of(folder), self.sdk.projects
        with handed_over(folder, INTERFACE) as file:
            interface = file.read_text(encoding="utf-8")
        if self.project is None:
            self.project = projects.create(title=self.title, label_config=interface)
            undo.callback(projects.delete, self.project.id)
        number = self.project.id
        exported = projects.exports.as_json(number)
        with readable(self.address, "name a new title"):
            there = {str((task.get("meta") or {}).get("image")) for task in exported}
        if not fits(self.project.label_config, folder, self.address, is_empty=not there):
            projects.update(number, label_config=interface)
        new = [task for task in tasks if task["meta"]["image"] not in there]
        with ExitStack() as unused:
            for task in new:
                upload = self._uploaded(number, files[task["meta"]["image"]])
                unused.callback(self.sdk.files.delete, upload.id)
                task["data"]["image"] = f"/data/{upload.file}"
            if new:
                projects.import_tasks(number, request=new)
            unused.pop_all()
        if any("predictions" in task for task in new):
            projects.update(number, model_version="model", show_collab_predictions=True)
        return len(new), len(tasks)

    def _uploaded(self, number: int, place: str) -> Any:
        try:
            data = bytes(read_bytes(place))
        except ImageError as error:
            raise InputError(f"the image {place} cannot be sent: {error}") from error
        # The SDK's import takes tasks alone, so that files go by the connection beneath it.
        asked: dict[str, Any] = {"params": {"commit_to_project": "false"}, "files": {"file": (Path(place).name, data)}}
        answer = self.sdk._client_wrapper.httpx_client.request(f"api/projects/{number}/import", method="POST", **asked)
        if answer.status_code >= 400:
            raise self.errors[0](status_code=answer.status_code, body=answer.text)  # type: ignore[call-arg]
        with readable(self.url, f"upload {place} by hand"):
            uploaded = int(answer.json()["file_upload_ids"][0])
        return self.sdk.files.get(uploaded)


def fits(there: str, folder: Path, address: str, *, is_empty: bool) -> bool:
    """Return whether a project has an interface at all; raise `InputError` for one of other labels or tools."""
    with readable(address, "name a new title"):
        known = _controls(there.encode("utf-8", "surrogateescape"), address)
    with handed_over(folder, INTERFACE) as ours:
        control, labels = next(iter(_controls(file_bytes(ours), ours).items()), (("a control", ""), {"labels"}))
    if (known or not is_empty) and not labels <= known.get(control, set()):
        kinds = ", ".join(f"{tag} {name!r}" for tag, name in known) or "none of images"
        rule = f"must have {control[0]} {control[1]!r} with {', '.join(sorted(labels))} (it has {kinds})"
        remedy = f"name a new title, or paste {INTERFACE} into its Labeling Setup"
        raise InputError.of(f"the interface of {address}", rule, remedy=remedy)
    return bool(known)


def _controls(interface: bytes, name: object) -> dict[tuple[str, str], set[str]]:
    """Return the labels of each control of images in an interface, which is named in errors."""
    found = parsed_xml(interface, name, len(interface)).iterfind(".//*[@toName='image']")
    return {(each.tag, each.get("name", "")): {label.get("value", "") for label in each} for each in found}


def tasks_of(folder: Path) -> list[dict[str, Any]]:
    """Read the tasks that `howfar select` or `howfar certify` wrote into a folder."""
    with handed_over(folder, "label_studio.json") as file:
        tasks = [{**task, "data": dict(task["data"]), "meta": dict(task["meta"])} for task in read_json(file)]
        named = all(isinstance(each, str) and each for task in tasks for each in (task["data"]["image"], task["meta"]["image"]))
        if not (tasks and named and all(task["meta"]["rank"] > 0 for task in tasks)):
            raise ValueError("it is no list of tasks")
        return tasks


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name that the base class gives it
        """Print nothing."""


class Backend(ThreadingMixIn, WSGIServer):
    """Answer Label Studio as an ML backend: `predict` gives the marks that a folder holds, scored so that rank 1 comes first.

    Label Studio's sampling by uncertainty takes the lowest score first; the score is rank / number of images.
    """

    daemon_threads = True

    def __init__(self, folder: str | Path, port: int, host: str = "127.0.0.1") -> None:
        self.tasks, self.version = tasks_of(absolute(folder)), f"howfar {absolute(folder).name}"
        self.made: dict[str, dict[str, Any]] = {}
        for task in self.tasks:
            marks = (task.get("predictions") or [{"result": []}])[0]["result"]
            of_task = {"result": marks, "score": task["meta"]["rank"] / len(self.tasks), "model_version": self.version}
            self.made |= {str(task["meta"]["image"]): of_task, str(task["data"]["image"]): of_task}
        try:
            super().__init__((host, port), _Quiet)
        except OSError as error:
            raise InputError.of("port", f"must be free ({error.strerror})", port, "name another") from error
        self.set_app(self._answer)

    def predict(self, tasks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return a prediction for each task, without marks for an image that the folder does not hold."""
        empty = {"result": [], "score": 1.0, "model_version": self.version}
        names = [((task.get("meta") or {}).get("image"), task["data"].get("image")) for task in tasks]
        return [self.made.get(str(name)) or self.made.get(str(address), empty) for name, address in names]

    def _answer(self, request: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        """Predict, or say that the backend runs to all else that Label Studio asks: it learns nothing."""
        status, document = "200 OK", dict[str, Any](status="UP", model_class="howfar", model_version=self.version)
        try:
            length = int(request.get("CONTENT_LENGTH") or 0)
            if not 0 <= length <= 64_000_000:
                raise ValueError("a body of that length is not taken")
            body = request["wsgi.input"].read(length)
            if request["PATH_INFO"] == "/predict":
                document = {"results": self.predict(json.loads(body)["tasks"])}
            elif request["PATH_INFO"] not in ("/", "/health", "/setup", "/train", "/webhook"):
                status, document = "404 Not Found", {"detail": "no such page"}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            status, document = "400 Bad Request", {"detail": "not a request of Label Studio"}
        start(status, [("Content-Type", "application/json")])
        return [json.dumps(document).encode()]
