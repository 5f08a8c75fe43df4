"""Say in one line what a store's disk or service refused, and what to do about it."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import Final

from howfar.errors import StoreError, one_line
from howfar.store.folder import Folder

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
    """Say why a disk or a service refused, and what helps: room, another folder, its rights, or the keys of a service.

    Examples
    --------
    >>> from howfar.store.folder import folder_at
    >>> full = OSError(errno.ENOSPC, "No space left on device")
    >>> reason_and_remedy(folder_at("shelf"), full)[1]
    'the disk is full: make room, or name a store on another disk (--store)'
    >>> reason_and_remedy(folder_at("memory://shelf"), OSError(errno.EIO, "no such key", "memory://shelf"))
    ('no such key', 'see that it can be reached, and by which keys')
    """
    if folder.near:
        return one_line(error, 200), _REMEDIES.get(error.errno or 0, _RIGHTS)
    reason = one_line(error.strerror or error, 200)
    keys = _KEYS.get(str(folder.path).partition("://")[0])
    return reason, f"see that it can be reached, and by which keys{f' ({keys})' if keys else ''}"


def refusal(folder: Folder, doing: str, error: OSError) -> StoreError:
    """Make the error of what a store could not do ("read", "write to", "remove"), which names the folder and the remedy.

    Examples
    --------
    >>> from howfar.store.folder import folder_at
    >>> print(refusal(folder_at("memory://shelf"), "read", OSError("no such key")))
    the store cannot read memory://shelf: no such key; see that it can be reached, and by which keys
    """
    reason, remedy = reason_and_remedy(folder, error)
    return StoreError(f"the store cannot {doing} {folder.path}: {reason}; {remedy}")
