"""Send images to CVAT, Label Studio or another labelling server, read the labels there, and serve pre-annotations.

The files that `howfar select` and `howfar certify` write for these tools are sent. A new host is a class registered under the
entry point group ``howfar.labelling_hosts``, by the scheme of its addresses.
"""

import json
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path, PurePosixPath
from socketserver import ThreadingMixIn
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Final
from urllib.parse import unquote
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from xml.etree import ElementTree

from howfar import registry
from howfar.data.annotation_formats import read_label_studio
from howfar.data.annotation_packing import put
from howfar.data.annotations import LabelExport
from howfar.data.image_bytes import read_bytes
from howfar.data.label_files import read_export
from howfar.data.untrusted_documents_and_tables import file_bytes, parsed_xml, read_json, readable
from howfar.errors import HowfarError, ImageError, InputError, MissingExtraError, MissingPathError, blaming, one_line
from howfar.formatting_and_escaping import xml_text
from howfar.io.file_location import absolute
from howfar.progress import stage
from howfar.report.labelling_files import INTERFACE
from howfar.report.section import plural
from howfar.studies.label_import import site_of

SECONDS: Final = 60.0
"""How long a host may take for an answer."""
_ADDRESS: Final = re.compile(
    r"(?i)(?P<tool>[a-z]+)(?P<plain>\+http)?://(?P<place>(?P<host>\[[0-9a-f:]+\]|[^][/?#:\s]+)(:\d+)?)/(?P<project>[^/?][^?]*)"
)


class LabellingHost(ABC):
    """Hold one project of a labelling tool, None where a title is new; making one changes nothing there.

    A tool's class imports its SDK in `_projects`, sets `errors` to what that raises, logs in, and yields the projects with
    their titles. `_send` makes the project of a new title, sends it what it lacks of a folder with these files by name, stacks
    how that is undone, and returns how many images that were, and how many the folder has.
    """

    KEY: ClassVar[str]
    WHERE: ClassVar[str]
    """The environment variable of the key, and where in the tool one is made."""
    errors: tuple[type[Exception], ...] = ()
    client: Any = None

    def __init__(self, address: str, url: str, project: str) -> None:
        self.address, self.url, self.title = address, url, project
        self.tool = re.split("[+:]", address)[0].lower()
        if not (key := os.environ.get(self.KEY, "").strip()):
            raise InputError(f"{self.KEY} must hold your key: make one in {self.WHERE}, and export {self.KEY}=…")
        try:
            with self.asking():
                is_number = project.isdecimal()
                same = [one for title, one in self._projects(key) if project == (str(one.id) if is_number else title)]
            if len(same) > 1:
                numbers = " or ".join(str(one.id) for one in same)
                raise InputError.of("project", "must be the title of one project", project, f"write its number, {numbers}")
            if is_number and not same:
                raise InputError.of("project", f"must be one of {url}", project, "write a number or a title of its list")
            self.project: Any = same[0] if same else None
        except BaseException:
            if self.client is not None:
                self.client.close()
            raise

    @abstractmethod
    def _projects(self, key: str) -> Iterable[tuple[str, Any]]: ...

    @abstractmethod
    def _send(self, folder: Path, files: Mapping[str, str], undo: ExitStack) -> tuple[int, int]: ...

    @abstractmethod
    def exported(self) -> LabelExport:
        """Return the labels of the project, which must be there."""

    def send(self, folder: Path) -> str:
        """Send the images of a folder that the project lacks, in their order, with the model's marks; return a line on it."""
        files = {item.name: str(item.path) for item in site_of(folder, None, ()).dataset.items}
        with self.asking(), ExitStack() as undo:
            new, of = self._send(folder, files, undo)
            undo.pop_all()
        there = f", {of - new} were there" if of > new else ""
        return f"to label: {new} {plural(new, 'image', 'images')} sent{there}: {self.url}/projects/{self.project.id}"

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Turn a missing SDK, its errors in the block, and those of the network beneath it, into one line with the remedy."""
        try:
            with stage(f"asking {self.url}"):
                yield
        except HowfarError:
            raise
        except ImportError as error:
            needed = f"its SDK ({one_line(error)}): pip install 'howfar[{self.tool}]'"
            raise MissingExtraError(f"{self.tool}:// needs {needed}") from error
        except Exception as error:
            status, body = getattr(error, "status_code", getattr(error, "status", None)), getattr(error, "body", None) or error
            if not isinstance(error, self.errors) or status == 200:
                # A host that is no such tool may answer anything, over which an SDK stumbles in its own way.
                reason = one_line(f"{type(error).__name__}: {error}", 80)
                line = f"{self.url} does not answer as {self.tool} does ({reason}): check the address"
            elif status in (401, 403):
                line = f"{self.url} refuses the key in {self.KEY}: make a new one there, or ask for access to {self.title!r}"
            elif status is None:
                tool, _, rest = self.address.partition("://")
                other = f"write {tool}+http://{rest} if it has no https" if self.url.startswith("https") else "check its port"
                line = f"no answer from {self.url} ({one_line(error) or type(error).__name__}): start it, or {other}"
            else:
                detail = one_line(body.get("detail", body) if isinstance(body, dict) else body, 300)
                line = f"{self.url} refuses to do so (status {status}: {detail}): see {self.title!r} there"
            raise InputError(line) from error


def connect(text: str, argument: str = "to") -> LabellingHost:
    """Return the project at an address; raise `HowfarError` for an absent host, a refused key, or an unknown project."""
    tools = registry.ordered("labelling_hosts")
    if "@" in text.partition("://")[2].partition("/")[0]:
        raise InputError.of(argument, "must be without a user or key", remedy="keys are environment variables")
    parts = _ADDRESS.fullmatch(text)
    if parts is None or parts["tool"].lower() not in tools:
        known = " or ".join(f"{name}://HOST/PROJECT" for name in tools)
        raise InputError.of(argument, f"must be {known}", text, "PROJECT is the project's number or title")
    kind = "http" if parts["plain"] or parts["host"].lower() in ("localhost", "127.0.0.1", "[::1]") else "https"
    made: type[LabellingHost] = registry.load("labelling_hosts", parts["tool"].lower())
    return made(text, f"{kind}://{parts['place']}", unquote(parts["project"].strip("/")))


def labels_at(text: str) -> LabelExport:
    """Return the labels of the project at an address; raise `InputError` if the project does not exist."""
    host = connect(text, "labels")
    with closing(host.client), host.asking():
        if host.project is None:
            raise InputError.of("project", f"must be one of {host.url}", host.title, "check the title")
        return host.exported()


@contextmanager
def handed_over(folder: Path, name: str) -> Iterator[Path]:
    """Yield the path of a file that `howfar select` or `certify` wrote for a tool; raise for a missing or damaged file."""
    if not (folder / name).is_file():
        raise MissingPathError(f"no {name} in {folder}: pass a folder of howfar select or certify, of images in files")
    with readable(folder / name, "select or certify into another folder (--out)"):
        yield folder / name


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
        with blaming(f"the image {place} cannot be sent", ImageError):
            data = bytes(read_bytes(place))
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
    """Answer Label Studio with a folder's marks, scored rank / images, as its sampling takes the lowest score first."""

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
