"""What every file that holds images can do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol


class Member(NamedTuple):
    """One image within a container, not yet read.

    `own` is what follows the container's place and ``/``; `name` what its maker called it, where that is known; `mask` is as
    `own`, of its ground truth; `label` its class.
    """

    own: str
    name: str | None = None
    mask: str | None = None
    label: str | None = None


@dataclass(frozen=True)
class Listing:
    """The images of a container in the order of the file, and what in it is none, each with the reason."""

    members: tuple[Member, ...]
    faults: tuple[tuple[str, str], ...] = ()


class Container(Protocol):
    """A file that holds images. Made of a place; its methods are called from several threads at a time."""

    def listing(self) -> Listing:
        """List the images, without reading one."""
        ...

    def has(self, own: str) -> bool:
        """Whether there is such a member."""
        ...

    def read(self, own: str) -> bytes:
        """Return the bytes of one member.

        Raises
        ------
        ImageError
            There is none, or it is cut short.
        """
        ...
