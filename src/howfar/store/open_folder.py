"""Open a store's folder by path or URL, and turn errors of its disk or service into messages with a remedy."""

import errno
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TypeAlias

from howfar.errors import InputError, StoreError, one_line
from howfar.io.file_location import EXTRAS, as_location, is_url
from howfar.store.local_folder import LocalFolder, MappedMatrix
from howfar.store.remote_folder import RangedMatrix, RemoteFolder


class ShardGoneError(Exception):
    """Report a shard that is no longer there: another process packed it away."""


class ShardDamagedError(Exception):
    """Report a shard whose files contradict each other or their checksums, or are cut short."""


Folder: TypeAlias = LocalFolder | RemoteFolder
"""A folder whose files appear whole or not at all; failures raise `OSError`, missing files `FileNotFoundError`."""
FileMatrix: TypeAlias = MappedMatrix | RangedMatrix
"""A (count, q) matrix in a file, read in pieces."""


def folder_at(folder: str | Path) -> Folder:
    """Return the folder at a path or at a URL that fsspec knows (``s3://bucket/folder``, ``gs://``, ``az://``).

    Raises `MissingExtraError` where the URL's file system is not installed, and `InputError` where fsspec knows none such.
    """
    text = str(folder)
    if not text.strip() or (not text.partition("://")[2].strip("/") and is_url(text)):
        raise InputError.of("store", "must be a folder or a URL with one in it", folder, "write DIR or s3://BUCKET/FOLDER")
    if isinstance(folder, str) and not is_url(text) and ":/" in text and text.partition(":/")[0].lower() in EXTRAS:
        raise InputError.of("store", "must have two slashes after the colon of a URL", folder, "write s3://BUCKET/FOLDER")
    location = as_location(folder, "store")
    return LocalFolder(location) if isinstance(location, Path) else RemoteFolder(location)


_REMEDIES: Final[Mapping[int, str]] = {
    errno.ENOSPC: "the disk is full: make room, or name a store on another disk (--store)",
    errno.EDQUOT: "the quota is used up: make room, or name a store on another disk (--store)",
    errno.EROFS: "the disk can only be read: name a store elsewhere (--store)",
    errno.EIO: "the disk fails: check it, or name a store elsewhere (--store)",
    errno.EFBIG: "raise the limit of file sizes (ulimit -f unlimited)",
    errno.EEXIST: "a file stands there: name a folder (--store)",
    errno.ENOTDIR: "a part of the path is a file: name a folder (--store)",
    errno.EMFILE: "raise the limit of open files (ulimit -n 4096)",
}
_RIGHTS: Final = "mend its rights, or give another folder"
_KEYS: Final[Mapping[str, str]] = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
"""Environment variables in which the library behind a URL's scheme looks for keys."""


def reason_and_remedy(folder: Folder, error: OSError) -> tuple[str, str]:
    """Explain why a disk or service refused, and the remedy: room, another folder, its rights, or a service's keys."""
    if folder.near:
        return one_line(error, 200), _REMEDIES.get(error.errno or 0, _RIGHTS)
    reason = one_line(error.strerror or error, 200)
    keys = _KEYS.get(str(folder.path).partition("://")[0])
    return reason, f"see that it can be reached, and by which keys{f' ({keys})' if keys else ''}"


def refusal(folder: Folder, doing: str, error: OSError) -> StoreError:
    """Make the error for a failed store operation ("read", "write to", "remove"), with the folder and the remedy."""
    reason, remedy = reason_and_remedy(folder, error)
    return StoreError(f"the store cannot {doing} {folder.path}: {reason}; {remedy}")
