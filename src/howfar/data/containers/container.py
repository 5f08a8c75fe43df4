"""Define what every file that holds images can do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from howfar.io.location import Location


class Member(NamedTuple):
    """Name one image within a container, not yet read.

    `own` is what follows the container's place and ``/``; `name` what its maker called it, where that is known; `mask` is as
    `own`, of its ground truth; `label` its class.
    """

    own: str
    name: str | None = None
    mask: str | None = None
    label: str | None = None


@dataclass(frozen=True)
class Listing:
    """Hold the images of a container in the order of the file, and what in it is none, each with the reason."""

    members: tuple[Member, ...]
    faults: tuple[tuple[str, str], ...] = ()


class Container(Protocol):
    """Read a file that holds images; the methods are called from several threads at a time."""

    def listing(self) -> Listing:
        """List the images, without reading one."""
        ...

    def has(self, own: str) -> bool:
        """Return whether there is such a member."""
        ...

    def read(self, own: str) -> bytes | Location:
        """Return the bytes of one member, or where they lie if the container holds their location alone.

        Raises `ImageError` where there is none, or it is cut short.
        """
        ...
