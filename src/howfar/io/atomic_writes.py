"""Write files atomically: a single file by a temporary name, or several files by a staging folder and renaming."""

import errno
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from howfar.errors import InputError
from howfar.io.file_location import absolute
from howfar.io.file_locks import alone, locked

TEMPORARY = ".tmp"
"""Ending of a file that is being written; what a kill leaves under such a name is of no use."""
PATIENCE = 2.0
"""Seconds for which Windows is asked again to replace a file that is open."""
_PART = re.compile(rf"\.[0-9a-f]{{16}}{re.escape(TEMPORARY)}")
STAGING = ".writing-"
"""Beginning of the name of a folder in which files that belong together are being written."""


@contextmanager
def appearing(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing that appears as `path`, whole and synced, if the block ends without an exception."""
    with taking_place(path) as temporary, temporary.open("wb") as file:
        yield file


def replace(path: Path, write: Callable[[Path], Any]) -> None:
    """Let a function write to a temporary path, then move the result over `path`: readers see the old file or the new one."""
    with taking_place(path) as temporary:
        write(temporary)


def replace_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file whole or not at all, replacing an earlier one."""
    replace(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_new_text(file: str | Path, text: str, what: str) -> Path:
    """Write a file that the user then edits, and return its path; raise `InputError` if it exists, as `what` it is called."""
    path = absolute(file)
    if path.exists():
        raise InputError.of(what, "must not be there yet", str(file), "name another, or delete it")
    if not path.parent.is_dir():
        raise InputError.of(what, "must be in a folder that is there", str(file))
    replace_text(path, text)
    return path


@contextmanager
def taking_place(path: Path) -> Iterator[Path]:
    """Yield a temporary file that replaces `path` if the block ends well; remove temporary files that killed writers left."""
    with ExitStack() as lock:
        with naming(path):
            _remove_abandoned(path.parent)
            temporary = _locked_part(path, lock)
        try:
            with naming(path):
                yield temporary
                # The bytes are synced before the name is given, and the folder after: behind a name that is seen lie its bytes.
                synced(temporary)
                put_in_place(temporary, path)
        except BaseException:
            with suppress(OSError):  # the reason is told, and not that a disk which refuses keeps a part
                temporary.unlink(missing_ok=True)
            raise
    with suppress(OSError):  # some systems do not sync folders
        synced(path.parent, os.O_RDONLY)


def _locked_part(path: Path, lock: ExitStack) -> Path:
    """Make an empty temporary file beside a path, locked as long as `lock` is open."""
    while True:
        # The target's own name is left out: it may be as long as a name can be.
        part = path.with_name(f".{secrets.token_hex(8)}{TEMPORARY}")
        lock.enter_context(locked(part))
        if part.exists():  # another writer removes what it finds before it is locked
            return part


def _remove_abandoned(folder: Path) -> None:
    with suppress(OSError):
        for left in folder.glob(f".*{TEMPORARY}"):
            if _PART.fullmatch(left.name):
                with suppress(OSError), alone(left, otherwise=False, make=False) as free:
                    if free:
                        left.unlink(missing_ok=True)


def put_in_place(temporary: Path, path: Path) -> None:
    """Move a finished file over the existing file; on Windows try for two seconds while another process has either open."""
    last = time.monotonic() + (PATIENCE if os.name == "nt" else 0.0)
    while True:
        try:
            temporary.replace(path)
            return
        except PermissionError:
            if time.monotonic() >= last:
                raise
            time.sleep(0.05)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Add the path being written to a system error that names no path (as of a full disk) or a temporary one."""
    try:
        yield
    except OSError as error:
        named = str(error.filename or TEMPORARY)
        own = named.endswith(TEMPORARY) or f"{os.sep}{STAGING}" in named
        number = error.errno or _reason(str(error), path)
        if not own or number is None:
            raise
        raise OSError(number, os.strerror(number), str(path)) from error


def synced(path: Path, flags: int = os.O_RDWR) -> None:
    """Wait until a file's bytes or, with `os.O_RDONLY`, a folder's names are on the disk."""
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _reason(words: str, path: Path) -> int | None:
    """Find the errno of a failed write in a library's message: numpy counts the bytes, pyarrow quotes the number."""
    quoted = re.search(r"\[errno (\d+)\]", words, re.IGNORECASE)
    if quoted is not None:
        return int(quoted[1])
    if not re.search(r"requested and \d+ written", words):
        return None
    return errno.ENOSPC if shutil.disk_usage(path.parent).free < 2**20 else errno.EFBIG


@contextmanager
def staging(root: Path) -> Iterator[Path]:
    """Yield a new folder below `root` until the block ends; folders that killed writers left are removed first."""
    for left in root.glob(f"{STAGING}*"):
        # Another writer may remove it at the same time.
        with suppress(OSError), alone(left, otherwise=False) as free:
            if free:
                shutil.rmtree(left, ignore_errors=True)
    folder = root / f"{STAGING}{secrets.token_hex(8)}"
    try:
        with naming(folder):
            folder.mkdir()
        with locked(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def move_in(folder: Path, root: Path, names: list[str]) -> None:
    """Sync a staging folder's files, then move each over its namesake in `root`, in the given order."""
    for name in names:
        with naming(root / name):
            synced(folder / name)
    for name in names:
        with naming(root / name):
            put_in_place(folder / name, root / name)
    with suppress(OSError):  # some systems do not sync folders
        synced(root, os.O_RDONLY)


def cut_off(root: Path) -> list[str]:
    """List the files that killed writers left in staging folders below `root`, with "" for each folder."""
    names: list[str] = []
    for folder in sorted(root.glob(f"{STAGING}*")) if root.is_dir() else ():
        with suppress(OSError), alone(folder) as free:
            names += ["", *sorted(file.name for file in folder.glob("*"))] if free else []
    return names
