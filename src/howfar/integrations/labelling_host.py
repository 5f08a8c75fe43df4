"""Hand images to a running labelling tool, and take their labels back: ``labelstudio://HOST/PROJECT``, ``cvat://HOST/PROJECT``.

What goes there are the files that `howfar select` and `howfar certify` write for these tools. A new host is a class registered
under the entry point group ``howfar.labelling_hosts``, by the scheme of its addresses.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, ClassVar, Final, NamedTuple
from urllib.parse import unquote, urlsplit

from howfar import registry
from howfar.data.documents import readable, texts_of_csv
from howfar.data.label_marks import LabelExport
from howfar.errors import HowfarError, InputError, MissingExtraError, MissingPathError, one_line
from howfar.report.section import plural
from howfar.wording import unguarded

_HERE: Final = ("localhost", "127.0.0.1", "::1")
PLAIN: Final = "+http"


class Address(NamedTuple):
    """Hold the address of a project as it was written, the URL of its host, and the project's number or title."""

    text: str
    url: str
    project: str


class LabellingHost(ABC):
    """Hold one project of a labelling tool, None where a title is new; making one changes nothing there."""

    KEY: ClassVar[str]
    WHERE: ClassVar[str]
    """The environment variable of the key, and where in the tool one is made."""
    SDK: ClassVar[str]
    FILE: ClassVar[str]
    """The file of a folder of `howfar select` that is handed over."""
    errors: tuple[type[Exception], ...]

    def __init__(self, address: Address) -> None:
        self.address = address
        try:
            self.load()
        except ImportError as error:
            extra = address.text.partition(":")[0].removesuffix(PLAIN)
            raise MissingExtraError(f"{extra}:// needs {self.SDK}: pip install 'howfar[{extra}]'") from error
        key = os.environ.get(self.KEY, "").strip()
        if not key:
            raise InputError(f"{self.KEY} must hold your key: make one in {self.WHERE}, and export {self.KEY}=…")
        try:
            with self.asking():
                self.project = self._of_address(self.projects(key))
        except BaseException:
            self.close()
            raise

    @abstractmethod
    def load(self) -> None:
        """Import the tool's SDK, and set `errors` to those it raises."""

    @abstractmethod
    def projects(self, key: str) -> Iterable[tuple[str, Any]]:
        """Log in, and yield the projects with their titles."""

    @abstractmethod
    def create(self, folder: Path) -> Any:
        """Make the project for the labels of a folder."""

    @abstractmethod
    def add(self, folder: Path) -> tuple[int, int]:
        """Send what the project lacks of a folder, or nothing of it; return how many images, and how many the folder has."""

    @abstractmethod
    def remove(self) -> None:
        """Remove the project."""

    @abstractmethod
    def export(self) -> LabelExport:
        """Return the labels of the project."""

    @abstractmethod
    def close(self) -> None:
        """Close the connection."""

    def send(self, folder: Path) -> str:
        """Send the images of a folder that the project lacks, in their order, with the model's marks; return a line on it."""
        if not (folder / self.FILE).is_file():
            raise MissingPathError(f"no {self.FILE} in {folder}: pass a folder of howfar select or certify, of images in files")
        with self.asking():
            is_new = self.project is None
            if is_new:
                self.project = self.create(folder)
            try:
                new, of = self.add(folder)
            except BaseException:
                if is_new:
                    self.remove()
                raise
        there = f", {of - new} were there" if of > new else ""
        return f"to label: {new} {plural(new, 'image', 'images')} sent{there}: {self.address.url}/projects/{self.project.id}"

    def labels(self) -> LabelExport:
        """Return the labels of the project, which must be there."""
        if self.project is None:
            raise InputError.of("project", f"must be one of {self.address.url}", self.address.project, "check the title")
        with self.asking():
            return self.export()

    def _of_address(self, projects: Iterable[tuple[str, Any]]) -> Any:
        wanted, url = self.address.project, self.address.url
        same = [each for title, each in projects if wanted == (str(each.id) if wanted.isdecimal() else title)]
        if len(same) > 1:
            numbers = " or ".join(str(each.id) for each in same)
            raise InputError.of("project", "must be the title of one project", wanted, f"write its number, {numbers}")
        if wanted.isdecimal() and not same:
            raise InputError.of("project", f"must be one of {url}", wanted, "write a number or a title of its list")
        return same[0] if same else None

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Turn the errors of the SDK in the block, and of the network beneath it, into one line with the remedy."""
        try:
            yield
        except HowfarError:
            raise
        except self.errors as error:
            raise InputError(self._said(error)) from error

    def _said(self, error: Exception) -> str:
        text, url, project = self.address
        status, body = getattr(error, "status_code", getattr(error, "status", None)), getattr(error, "body", None) or error
        if status in (401, 403):
            return f"{url} refuses the key in {self.KEY}: make a new one there, or ask for access to {project!r}"
        if status is None:
            scheme, _, rest = text.partition("://")
            other = f"write {scheme}{PLAIN}://{rest} if it has no https" if url.startswith("https") else "check its port"
            return f"no answer from {url} ({one_line(error)}): start it, or {other}"
        detail = body.get("detail", body) if isinstance(body, dict) else body
        return f"{url} refuses to do so (status {status}: {one_line(detail, 300)}): see {project!r} there"


def connect(text: str, argument: str = "to") -> LabellingHost:
    """Return the project at an address; raise `HowfarError` for a host that is absent, a refused key, or no such project."""
    scheme, separator, rest = text.partition("://")
    base = scheme.lower().removesuffix(PLAIN)
    if not separator or base not in registry.names("labelling_hosts"):
        known = " or ".join(f"{name}://HOST/PROJECT" for name in registry.ordered("labelling_hosts"))
        raise InputError.of(argument, f"must be {known}", text)
    parts = urlsplit(f"//{rest}")
    if "@" in parts.netloc:
        raise InputError.of(argument, "must be without a user or key", f"{base}://…", "keys are environment variables")
    project, name, colon, port = (
        unquote(parts.path.strip("/")),
        parts.hostname,
        *parts.netloc.rpartition("]")[2].partition(":")[1:],
    )
    if not name or not project or (colon and not port.isdecimal()) or parts.query:
        remedy = "PROJECT is the project's number or title"
        raise InputError.of(argument, f"must be {base}://HOST/PROJECT", text, remedy)
    kind = "http" if name in _HERE or scheme.lower().endswith(PLAIN) else "https"
    host: LabellingHost = registry.load("labelling_hosts", base)(Address(text, f"{kind}://{parts.netloc}", project))
    return host


def labels_at(text: str) -> LabelExport:
    """Return the labels of the project at an address."""
    with closing(connect(text, "labels")) as host:
        return host.labels()


AGAIN: Final = "select or certify again"


def places(folder: Path, names: Iterable[str], spelt: Callable[[str], str] = str) -> list[str]:
    """Return the files or URLs of named images in a folder of `howfar select` or `certify`; `spelt` alters the names there."""
    file = folder / "chosen.csv"
    with readable(file, AGAIN):
        table = texts_of_csv(file).map(unguarded)
        known = dict(zip(table["name"].map(spelt), table["image"], strict=True))
        return [known[name] for name in names]
