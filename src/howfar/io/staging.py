"""Write several files that belong together into a folder beside their place, to be moved there at once when all are whole."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree

from howfar.io.atomic import STAGING, naming, put_in_place, synced
from howfar.io.lock import alone, locked


@contextmanager
def staging(root: Path) -> Iterator[Path]:
    """Give a new folder below `root` to write into, which is removed when the block ends, with what is still in it.

    What killed writers left there is removed first. A writer that lives is told by its lock on the folder.

    Examples
    --------
    >>> import tempfile
    >>> root = Path(tempfile.mkdtemp())
    >>> with staging(root) as folder:
    ...     _ = (folder / "note").write_text("whole")
    ...     move_in(folder, root, ["note"])
    >>> [path.name for path in root.iterdir()]
    ['note']
    """
    for left in root.glob(f"{STAGING}*"):
        _remove_abandoned(left)
    folder = root / f"{STAGING}{secrets.token_hex(8)}"
    try:
        with naming(folder):
            folder.mkdir()
        with locked(folder):
            yield folder
    finally:
        rmtree(folder, ignore_errors=True)


def move_in(folder: Path, root: Path, names: list[str]) -> None:
    """Sync files of a staging folder, then move each over the one of its name in `root`, in the given order.

    The bytes of all are on the disk before the first takes its place.
    """
    for name in names:
        with naming(root / name):
            synced(folder / name)
    for name in names:
        with naming(root / name):
            put_in_place(folder / name, root / name)
    with suppress(OSError):  # some systems do not sync folders
        synced(root, os.O_RDONLY)


def cut_off(root: Path) -> list[str]:
    """List the files that a killed writer had in a staging folder below `root`, "" for the folder; none where there is none.

    Those of a writer that lives are not among them.

    Examples
    --------
    >>> import tempfile
    >>> root = Path(tempfile.mkdtemp())
    >>> (root / f"{STAGING}0123").mkdir()
    >>> cut_off(root), cut_off(root / "other")
    ([''], [])
    """
    folders = [folder for folder in sorted(root.glob(f"{STAGING}*")) if _is_abandoned(folder)] if root.is_dir() else []
    return [name for folder in folders for name in ("", *sorted(file.name for file in folder.glob("*")))]


def _remove_abandoned(folder: Path) -> None:
    # Another writer may remove it at the same time.
    with suppress(OSError), alone(folder, otherwise=False) as free:
        if free:
            rmtree(folder, ignore_errors=True)


def _is_abandoned(folder: Path) -> bool:
    with suppress(OSError), alone(folder) as free:
        return free
    return False
