"""Hand images to a running labelling tool, and take their labels back: ``labelstudio://HOST/PROJECT``, ``cvat://HOST/PROJECT``.

What goes there are the files that `howfar select` and `howfar certify` write for these tools. A new host is a class registered
under the entry point group ``howfar.labelling_hosts``, by the scheme of its addresses.
"""

from __future__ import annotations

import os
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import unquote, urlsplit

from howfar import registry
from howfar.errors import HowfarError, InputError, MissingExtraError, one_line
from howfar.report.section import plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from howfar.data.label_marks import LabelExport

_HERE: Final = ("localhost", "127.0.0.1", "::1")
PLAIN: Final = "+http"


@dataclass(frozen=True)
class Address:
    """Hold the address of a project as it was written, the URL of its host, and the project's number or title."""

    text: str
    url: str
    project: str


class LabellingHost(Protocol):
    """Hold one project of a labelling tool; making one asks the host for it, and changes nothing there."""

    def __init__(self, address: Address) -> None: ...

    def send(self, folder: Path) -> str:
        """Send the images of a folder of `howfar select` or `certify` that the project lacks, and say in a line how many.

        In an error, what was sent is taken back.
        """
        ...

    def labels(self) -> LabelExport:
        """Return the labels of the project."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


def connect(text: str, argument: str = "to") -> LabellingHost:
    """Return the project at an address; raise `HowfarError` for a host that is absent, a refused key, or no such project."""
    scheme, separator, rest = text.partition("://")
    base = scheme.lower().removesuffix(PLAIN)
    form = f"{base}://HOST/PROJECT"
    if not separator or base not in registry.names("labelling_hosts"):
        known = " or ".join(f"{name}://HOST/PROJECT" for name in registry.ordered("labelling_hosts"))
        raise InputError.of(argument, f"must be {known}", text)
    parts = urlsplit(f"//{rest}")
    project = unquote(parts.path.strip("/"))
    try:
        port = parts.port
    except ValueError:
        port = -1
    if not parts.hostname or not project or port == -1 or parts.query:
        raise InputError.of(argument, f"must be {form}", text, "PROJECT is the project's number or title")
    if "@" in parts.netloc:
        raise InputError.of(argument, f"must be {form} without a user or key", f"{base}://…", "keys are environment variables")
    kind = "http" if parts.hostname in _HERE or scheme.lower().endswith(PLAIN) else "https"
    host: LabellingHost = registry.load("labelling_hosts", base)(Address(text, f"{kind}://{parts.netloc}", project))
    return host


def labels_at(text: str) -> LabelExport:
    """Return the labels of the project at an address."""
    with closing(connect(text, "labels")) as host:
        return host.labels()


def key(variable: str, where: str) -> str:
    """Return the key in an environment variable; raise `InputError` where there is none."""
    found = os.environ.get(variable, "").strip()
    if not found:
        raise InputError(f"{variable} must hold your key: make one in {where}, and export {variable}=…")
    return found


def extra(package: str, name: str) -> MissingExtraError:
    """Return the error for a missing SDK."""
    return MissingExtraError(f"{name}:// needs {package}: pip install 'howfar[{name}]'")


def sent(new: int, of: int, where: str) -> str:
    """Say how many images of a folder were sent to a project."""
    there = f", {of - new} were there" if of > new else ""
    return f"to label: {new} {plural(new, 'image', 'images')} sent{there}: {where}"


@contextmanager
def asking(address: Address, variable: str, *errors: type[Exception]) -> Iterator[None]:
    """Turn the errors of an SDK in the block, and of the network beneath it, into one line with the remedy."""
    try:
        yield
    except HowfarError:
        raise
    except errors as error:
        raise InputError(_said(address, variable, error)) from error


def _said(address: Address, variable: str, error: Exception) -> str:
    status = getattr(error, "status_code", getattr(error, "status", None))
    body: Any = getattr(error, "body", None) or error
    if status in (401, 403):
        return f"{address.url} refuses the key in {variable}: make a new one there, or ask for access to {address.project!r}"
    if status is None:
        scheme, _, rest = address.text.partition("://")
        other = f"write {scheme}{PLAIN}://{rest} if it has no https" if address.url.startswith("https") else "check its port"
        return f"no answer from {address.url} ({one_line(error)}): start it, or {other}"
    detail = body.get("detail", body) if isinstance(body, dict) else body
    return f"{address.url} refuses to do so (status {status}: {one_line(detail, 300)}): see {address.project!r} there"
