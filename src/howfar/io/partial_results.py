"""Keep the finished parts of a long run on disk, so that a killed run resumes where it stopped.

The key of a part is a digest of all that its values depend on, the version of the installed howfar included. A part is written
whole or not at all, and is removed when the run's result has been written.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howfar.io.atomic_writes import TEMPORARY, appearing
from howfar.io.file_locks import alone

STATE = ".state"
"""Ending of a file that holds the state of a run, to go on from."""
TRACKED = ".tracked"
"""Ending of a file that names the run of a tracker to which a training is logged."""
_PART = ".npz"
_KEY = "howfar.key"
"""The array of a part that holds its key."""


def digest(value: Any) -> str:
    """Return the first 32 hexadecimal digits of a JSON value's SHA-256."""
    return sha256(json.dumps(value, sort_keys=True, default=_listed).encode()).hexdigest()[:32]


def _listed(value: object) -> list[Any]:
    """Convert a sequence that is no list or tuple, such as a column of texts, to a list for JSON."""
    if isinstance(value, Sequence):
        return list(value)
    raise TypeError(f"{type(value).__name__} is no JSON value")


def part_key(*depends_on: Any) -> str:
    """Return the key of a run's part: a digest of the JSON values it depends on and of howfar's version."""
    return digest([metadata.version("howfar"), *depends_on])


@dataclass(frozen=True)
class KeptArrays:
    """Keep a run's finished parts in a folder, one file of named arrays each; keep nothing if the folder is None."""

    folder: Path | None

    def __contains__(self, key: str) -> bool:
        return self.folder is not None and self._file(self.folder, key).is_file()

    def read(self, key: str) -> dict[str, NDArray[Any]] | None:
        """Read a part; None if it is missing or damaged and must be computed anew."""
        if self.folder is not None:
            # Opened here, since numpy leaves a damaged file open. Nobody has listed which errors a spoilt zip, or a header in
            # it, ends in: those of zlib, struct and the tokenizer are among them.
            path = self._file(self.folder, key)
            with suppress(Exception), path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                # Before numpy reads: told by a spoilt header to read less, it never comes to where the checksum is compared.
                if arrays.zip.testzip() is not None:
                    return None
                part = dict(arrays)
                # Under another part's name it is another part; earlier versions wrote no key.
                return part if str(part.pop(_KEY, key)) == key else None
        return None

    def keep(self, key: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write a part; if the disk refuses or the folder is gone, the part is only computed again later."""
        if self.folder is not None:
            with suppress(OSError):
                # Not its parents: a task on a machine that does not share them leaves nothing behind there.
                self.folder.mkdir(exist_ok=True)
                with appearing(self._file(self.folder, key)) as file:
                    np.savez(file, **dict[str, Any](arrays, **{_KEY: np.array(key)}))

    def forget(self) -> None:
        """Remove all parts, also of other settings, and the folder unless it holds other files."""
        if self.folder is not None:
            with suppress(OSError):
                for file in [*self.folder.glob(f"*{_PART}"), *self.folder.glob(f"*{TEMPORARY}")]:
                    file.unlink(missing_ok=True)
                self.folder.rmdir()

    @staticmethod
    def _file(folder: Path, key: str) -> Path:
        return folder / f"{key}{_PART}"


def remove_abandoned(folder: Path) -> None:
    """Remove the states and unfinished writes that killed runs left in a folder, unless another run shares its lock."""
    if not folder.is_dir():
        return
    with alone(folder, otherwise=False) as idle:
        # Earlier versions called a half of a state .part.
        for ending in (STATE, TRACKED, TEMPORARY, ".part") if idle else ():
            for file in folder.glob(f"*{ending}"):
                file.unlink(missing_ok=True)


def code_stamp(*folders: str) -> str:
    """Return a hash of the sizes and times of the code files in some of howfar's folders."""
    root = Path(__file__).parents[1]
    files = [file for folder in folders for file in (root / folder).rglob("*.py")]
    stamps = [(str(file.relative_to(root)), (stamp := file.stat()).st_size, stamp.st_mtime_ns) for file in files]
    return sha256(repr(sorted(stamps)).encode()).hexdigest()
