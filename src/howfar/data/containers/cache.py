"""Containers that are open: each is indexed once in a process, and anew when its file has changed."""

from __future__ import annotations

from collections import OrderedDict
from importlib import import_module
from pathlib import Path
from threading import Lock

from howfar.data.containers.container import Container
from howfar.io.location import Location, ending, is_file, is_url, stamp

KINDS = {
    ".tar": "tar:TarShard",
    ".parquet": "parquet:ParquetImages",
    ".pq": "parquet:ParquetImages",
    ".arrow": "arrow:ArrowImages",
}
"""Which class reads which files, by their endings in lower case."""

KEPT = 16
"""Containers that are kept at a time."""


class _Slot:
    """The place of one container among those kept; its lock lets others be used while this one is being indexed."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.stamp: tuple[object, ...] = ()
        self.container: Container | None = None


_door = Lock()
_slots: OrderedDict[Location, _Slot] = OrderedDict()


def opened(place: Location, fresh: bool = False) -> Container:
    """Return the container at a place, indexed before or now.

    Parameters
    ----------
    place
        A file whose ending is one of `KINDS`.
    fresh
        Whether to ask a file behind a URL if it has changed; of a local one that is always looked up.

    Raises
    ------
    HowfarError
        It is not what its ending says.
    OSError
        It cannot be read.
    """
    with _door:
        slot = _slots.setdefault(place, _Slot())
        _slots.move_to_end(place)
        while len(_slots) > KEPT:
            _slots.popitem(last=False)
    with slot.lock:
        if slot.container is not None and not fresh and not isinstance(place, Path):
            return slot.container
        try:
            now = stamp(place)
            if slot.container is None or now != slot.stamp:
                module, _, kind = KINDS[ending(place)].partition(":")
                slot.container = getattr(import_module(f"howfar.data.containers.{module}"), kind)(place)
                slot.stamp = now
        except BaseException:
            with _door:
                _slots.pop(place, None)
            raise
        return slot.container


def find(place: Location) -> tuple[Container, str] | None:
    """The container that a place lies in, and the member's own name; None where it lies in none.

    Raises
    ------
    HowfarError, OSError
        As `opened`.

    Examples
    --------
    >>> find(Path("/data/roads/1.png")) is None
    True
    """
    if isinstance(place, Path):
        for above in place.parents:
            if ending(above) in KINDS and is_file(above):
                return opened(above), place.relative_to(above).as_posix()
        return None
    scheme, _, rest = place.partition("://") if is_url(place) else ("", "", "")
    parts = rest.split("/")
    for count in range(1, len(parts)):
        file = f"{scheme}://{'/'.join(parts[:count])}"
        # A folder, too, may be called train.parquet.
        if ending(file) in KINDS and (file in _slots or is_file(file)):
            return opened(file), "/".join(parts[count:])
    return None
