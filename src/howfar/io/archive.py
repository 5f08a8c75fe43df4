"""Write and read a zip file of named arrays and a JSON manifest, in which nothing can be executed.

The manifest is ``manifest.json``, and each array an ``.npy`` member.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howfar.errors import InputError, MissingPathError, StoreError, one_line
from howfar.io.atomic import appearing
from howfar.io.npy import read_array
from howfar.memory import check_file

MANIFEST = "manifest.json"
_ARRAY = ".npy"
# A fixed moment, so that the same content is the same file.
_MOMENT = (1980, 1, 1, 0, 0, 0)
_DAMAGED = (zipfile.BadZipFile, zlib.error, KeyError, ValueError, EOFError, OSError, RuntimeError, OverflowError)


def write(path: Path, manifest: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write a manifest of JSON values and arrays by name to one file, which appears whole or not at all.

    Arrays are stored uncompressed, since measured numbers hardly shrink. Raises `InputError` where the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "one.zip"
    >>> write(file, {"kind": "note"}, {"x": np.arange(3)})
    >>> read(file)
    ({'kind': 'note'}, {'x': array([0, 1, 2])})
    """
    text = json.dumps(manifest, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    try:
        with appearing(path) as file, zipfile.ZipFile(file, "w") as archive:
            archive.writestr(zipfile.ZipInfo(MANIFEST, _MOMENT), text, zipfile.ZIP_DEFLATED)
            for name, array in arrays.items():
                with archive.open(zipfile.ZipInfo(f"{name}{_ARRAY}", _MOMENT), "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)
    except OSError as error:
        raise InputError.of("file", f"must be one that can be written ({error.strerror or error})", str(path)) from error


def read(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read the manifest and the arrays of an archive, by name.

    Raises `MissingPathError` where there is no such file, and `StoreError` where it is no such archive or is damaged: every
    member carries a checksum. Raises `InputError` where its members take more memory than is allowed, once unpacked.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "one.zip"
    >>> _ = file.write_text("text")
    >>> read(file)
    Traceback (most recent call last):
    howfar.errors.StoreError: ... is no such archive, or is damaged (BadZipFile: File is not a zip file)
    """
    if not path.exists():
        raise MissingPathError(f"nothing at {path}: check the path")
    if path.is_dir():
        raise InputError.of("file", "must be a profile or another archive of howfar", f"{path}, a folder", "name the file")
    try:
        with zipfile.ZipFile(path) as archive:
            check_file(unpacked_bytes(archive), path, path.stat().st_size)
            document = json.loads(archive.read(MANIFEST))
            names = [name for name in archive.namelist() if name.endswith(_ARRAY)]
            arrays = {name.removesuffix(_ARRAY): _array(archive, name) for name in names}
    except InputError:
        raise
    except _DAMAGED as error:
        reason = f"{type(error).__name__}: {one_line(error, 120)}"
        raise StoreError(f"{path} is no such archive, or is damaged ({reason})") from error
    if not isinstance(document, dict):
        raise StoreError(f"{path} is no such archive: its manifest is no JSON object")
    return document, arrays


def _array(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    # Whole first: the length is what the archive says, and the checksum is compared before the header is believed.
    return read_array(archive.read(name))


def unpacked_bytes(archive: zipfile.ZipFile) -> int:
    """Compute from a zip file's directory how many bytes its members take when all are read, the largest one twice.

    A member is never unpacked beyond the size that stands in the directory.

    Examples
    --------
    >>> import io
    >>> with zipfile.ZipFile(io.BytesIO(), "w") as archive:
    ...     archive.writestr("note.txt", "text")
    ...     unpacked_bytes(archive)
    8
    """
    sizes = [member.file_size for member in archive.infolist()]
    return sum(sizes) + max(sizes, default=0)
