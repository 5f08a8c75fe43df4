"""List what installed packages register, without reading all of their descriptions each time."""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from importlib import metadata
from typing import Any


def entry_points(group: str) -> metadata.EntryPoints:
    """List the entry points of a group; what is installed is read once, and again where a folder of packages has changed."""
    found: metadata.EntryPoints = _installed(tuple((folder, _changed(folder)) for folder in sys.path)).select(group=group)
    return found


@lru_cache(maxsize=1)
def _installed(_: tuple[tuple[str, int], ...]) -> Any:
    return metadata.entry_points()


def _changed(folder: str) -> int:
    try:
        return os.stat(folder or ".").st_mtime_ns  # noqa: PTH116  # pathlib takes longer to load than this answer takes
    except OSError:
        return 0
