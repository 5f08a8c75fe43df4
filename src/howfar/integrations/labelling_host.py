"""Connect to a labelling server by an address such as ``cvat://HOST/PROJECT``, to send images and read labels back.

The files that `howfar select` and `howfar certify` write for these tools are sent. A new host is a class registered under the
entry point group ``howfar.labelling_hosts``, by the scheme of its addresses.
"""

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, ClassVar, Final
from urllib.parse import unquote

from howfar import registry
from howfar.data.annotations import LabelExport
from howfar.data.json_and_tables import readable
from howfar.errors import HowfarError, InputError, MissingExtraError, MissingPathError, one_line
from howfar.progress import stage
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
