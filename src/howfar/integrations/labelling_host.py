"""Hand images to a running labelling tool, and take their labels back: ``labelstudio://HOST/PROJECT``, ``cvat://HOST/PROJECT``.

What goes there are the files that `howfar select` and `howfar certify` write for these tools. A new host is a class registered
under the entry point group ``howfar.labelling_hosts``, by the scheme of its addresses.
"""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, ClassVar, Final
from urllib.parse import unquote

from howfar import registry
from howfar.data.label_marks import LabelExport
from howfar.errors import HowfarError, InputError, MissingExtraError, MissingPathError, one_line
from howfar.progress import stage
from howfar.report.section import plural
from howfar.studies.label_import import site_of

SECONDS: Final = 60.0
"""How long a host may take for an answer."""
_HERE: Final = ("localhost", "127.0.0.1", "[::1]")
_ADDRESS: Final = re.compile(
    r"(?P<tool>[a-z]+)(?P<plain>\+http)?://(?P<place>(?P<host>\[[0-9a-f:]+\]|[^][/?#:\s]+)(:\d+)?)/(?P<project>[^/?][^?]*)",
    re.IGNORECASE,
)


class LabellingHost(ABC):
    """Hold one project of a labelling tool, None where a title is new; making one changes nothing there.

    A tool's class imports its SDK in `_projects`, sets `errors` to what that raises, logs in, and yields the projects with
    their titles. `_create` makes the project for the labels of a folder, `_remove` removes it. `_add` sends what the project
    lacks of a folder, or nothing of it, and returns how many images that were, and how many the folder has.
    """

    KEY: ClassVar[str]
    WHERE: ClassVar[str]
    """The environment variable of the key, and where in the tool one is made."""
    FILE: ClassVar[str]
    """The file of a folder of `howfar select` that is handed over."""
    errors: tuple[type[Exception], ...] = ()
    client: Any = None

    def __init__(self, address: str, url: str, project: str) -> None:
        self.address, self.url, self.title = address, url, project
        self.tool = re.split("[+:]", address)[0].lower()
        key = os.environ.get(self.KEY, "").strip()
        if not key:
            raise InputError(f"{self.KEY} must hold your key: make one in {self.WHERE}, and export {self.KEY}=…")
        try:
            with self._asking():
                self.project = self._of_title(self._projects(key))
        except BaseException:
            self.close()
            raise

    @abstractmethod
    def _projects(self, key: str) -> Iterable[tuple[str, Any]]: ...

    @abstractmethod
    def _create(self, folder: Path) -> Any: ...

    @abstractmethod
    def _add(self, folder: Path) -> tuple[int, int]: ...

    @abstractmethod
    def _remove(self) -> None: ...

    @abstractmethod
    def _export(self) -> LabelExport: ...

    def close(self) -> None:
        """Close the connection."""
        if self.client is not None:
            self.client.close()

    def send(self, folder: Path) -> str:
        """Send the images of a folder that the project lacks, in their order, with the model's marks; return a line on it."""
        handed_over(folder, self.FILE)
        with self._asking():
            is_new = self.project is None
            if is_new:
                self.project = self._create(folder)
            try:
                new, of = self._add(folder)
            except BaseException:
                if is_new:
                    self._remove()
                raise
        there = f", {of - new} were there" if of > new else ""
        return f"to label: {new} {plural(new, 'image', 'images')} sent{there}: {self.url}/projects/{self.project.id}"

    def labels(self) -> LabelExport:
        """Return the labels of the project, which must be there."""
        if self.project is None:
            raise InputError.of("project", f"must be one of {self.url}", self.title, "check the title")
        with self._asking():
            return self._export()

    def _of_title(self, projects: Iterable[tuple[str, Any]]) -> Any:
        is_number = self.title.isdecimal()
        same = [each for title, each in projects if self.title == (str(each.id) if is_number else title)]
        if len(same) > 1:
            numbers = " or ".join(str(each.id) for each in same)
            raise InputError.of("project", "must be the title of one project", self.title, f"write its number, {numbers}")
        if is_number and not same:
            raise InputError.of("project", f"must be one of {self.url}", self.title, "write a number or a title of its list")
        return same[0] if same else None

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Turn a missing SDK, its errors in the block, and those of the network beneath it, into one line with the remedy."""
        try:
            with stage(f"asking {self.url}"):
                yield
        except HowfarError:
            raise
        except ImportError as error:
            line = f"{self.tool}:// needs its SDK ({one_line(error)}): pip install 'howfar[{self.tool}]'"
            raise MissingExtraError(line) from error
        except Exception as error:
            if isinstance(error, self.errors):
                raise InputError(self._fault(error)) from error
            # A host that is no such tool may answer anything, over which an SDK stumbles in its own way.
            reason = one_line(f"{type(error).__name__}: {error}", 80)
            raise InputError(f"{self.url} does not answer as {self.tool} does ({reason}): check the address") from error

    def _fault(self, error: Exception) -> str:
        status, body = getattr(error, "status_code", getattr(error, "status", None)), getattr(error, "body", None) or error
        if status in (401, 403):
            return f"{self.url} refuses the key in {self.KEY}: make a new one there, or ask for access to {self.title!r}"
        if status is None:
            tool, _, rest = self.address.partition("://")
            other = f"write {tool}+http://{rest} if it has no https" if self.url.startswith("https") else "check its port"
            return f"no answer from {self.url} ({one_line(error) or type(error).__name__}): start it, or {other}"
        detail = body.get("detail", body) if isinstance(body, dict) else body
        return f"{self.url} refuses to do so (status {status}: {one_line(detail, 300)}): see {self.title!r} there"


def connect(text: str, argument: str = "to") -> LabellingHost:
    """Return the project at an address; raise `HowfarError` for a host that is absent, a refused key, or no such project."""
    tools = registry.ordered("labelling_hosts")
    if "@" in text.partition("://")[2].partition("/")[0]:
        raise InputError.of(argument, "must be without a user or key", remedy="keys are environment variables")
    parts = _ADDRESS.fullmatch(text)
    if parts is None or parts["tool"].lower() not in tools:
        known = " or ".join(f"{name}://HOST/PROJECT" for name in tools)
        raise InputError.of(argument, f"must be {known}", text, "PROJECT is the project's number or title")
    kind = "http" if parts["plain"] or parts["host"].lower() in _HERE else "https"
    made = registry.load("labelling_hosts", parts["tool"].lower())
    host: LabellingHost = made(text, f"{kind}://{parts['place']}", unquote(parts["project"].strip("/")))
    return host


def labels_at(text: str) -> LabelExport:
    """Return the labels of the project at an address."""
    with closing(connect(text, "labels")) as host:
        return host.labels()


def handed_over(folder: Path, name: str) -> Path:
    """Return a file that `howfar select` or `howfar certify` wrote for a tool; raise where it is missing."""
    if not (folder / name).is_file():
        raise MissingPathError(f"no {name} in {folder}: pass a folder of howfar select or certify, of images in files")
    return folder / name


def places(folder: Path) -> dict[str, str]:
    """Return the file or URL of each image of a folder of `howfar select` or `certify`, by its name."""
    return {item.name: str(item.path) for item in site_of(folder, None, ()).dataset.items}
