"""Read images from tar shards, Parquet and Arrow files, which hold many images each, without unpacking the files."""

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any, Final

from howfar.data.containers.container_base_classes import Container, ContainerListing, Member
from howfar.data.containers.parquet_and_arrow import ArrowImages, ParquetFile, ParquetImages
from howfar.data.containers.tar_shards import TarShard
from howfar.io.file_location import Location, stamp

KINDS: Final[dict[str, Callable[[Any], Container]]] = {
    ".tar": TarShard,
    ".parquet": ParquetImages,
    ".pq": ParquetImages,
    ".arrow": ArrowImages,
}
"""Which class reads which files, by their endings in lower case."""

KEPT = 16
"""Containers that are kept at a time."""


class _Slot:
    """Cache one container, with a lock of its own so that others stay usable while it is indexed."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.stamp: tuple[object, ...] = ()
        self.container: Container | None = None


_slots_lock = Lock()
_slots: OrderedDict[Location, _Slot] = OrderedDict()


def opened(location: Location, fresh: bool = False, file: ParquetFile | None = None) -> Container:
    """Open the container in a file (`file`, where it is open), or the cached one; `fresh` asks whether a URL has changed."""
    with _slots_lock:
        slot = _slots.setdefault(location, _Slot())
        _slots.move_to_end(location)
        while len(_slots) > KEPT:
            _slots.popitem(last=False)
    with slot.lock:
        if slot.container is not None and not fresh and not isinstance(location, Path):
            return slot.container
        try:
            current = stamp(location)
            if slot.container is None or current != slot.stamp:
                slot.container = KINDS[location.suffix.lower()](file or location)
                slot.stamp = current
        except BaseException:
            with _slots_lock:
                _slots.pop(location, None)
            raise
        return slot.container


def find(location: Location) -> tuple[Container, str] | None:
    """Return the container that a path lies in and the inner path; None outside of containers. Raises as `opened`."""
    if isinstance(location, Path):
        for above in location.parents:
            if above.suffix.lower() in KINDS and above.is_file():
                return opened(above), location.relative_to(above).as_posix()
        return None
    scheme, _, rest = location.partition("://")
    parts = rest.split("/")
    for count in range(1, len(parts)):
        file = location.beside(f"{scheme}://{'/'.join(parts[:count])}")
        # A folder, too, may be called train.parquet.
        if file.suffix.lower() in KINDS and (file in _slots or file.is_file()):
            return opened(file), "/".join(parts[count:])
    return None


__all__ = ["KINDS", "Container", "ContainerListing", "Member", "find", "opened"]
