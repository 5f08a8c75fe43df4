"""Define the interface of files that hold images: list their members, look one up and read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from howfar.io.location import Location


class Member(NamedTuple):
    """Name one image within a container, not yet read.

    `inner_path` is what follows the container's location and ``/``; `name` is what its maker called it, where that is known;
    `mask` is the inner path of its ground truth, and `label` its class.
    """

    inner_path: str
    name: str | None = None
    mask: str | None = None
    label: str | None = None


@dataclass(frozen=True)
class Listing:
    """Hold the images of a container in the order of the file, and what in it is no image, each with the reason."""

    members: tuple[Member, ...]
    faults: tuple[tuple[str, str], ...] = ()


class Container(Protocol):
    """Read a file that holds images; the methods are called from several threads at a time."""

    def listing(self) -> Listing:
        """List the images, without reading one."""
        ...

    def has(self, inner_path: str) -> bool:
        """Return whether there is such a member."""
        ...

    def read(self, inner_path: str) -> bytes | Location:
        """Return the bytes of one member, or where they lie if the container holds their location alone.

        Raises `ImageError` where there is none, or it is cut short.
        """
        ...
