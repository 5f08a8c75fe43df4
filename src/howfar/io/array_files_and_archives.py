"""Read NumPy files that may be damaged, and write and read zip archives of ``manifest.json`` and named ``.npy`` arrays."""

import io
import json
import lzma
import threading
import zipfile
import zlib
from collections.abc import Callable, Mapping
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from howfar.errors import InputError, MissingPathError, StoreError, one_line
from howfar.io.atomic_writes import appearing
from howfar.memory import check_file

MAGIC = b"\x93NUMPY"
_PARSING = threading.Lock()


class Header(NamedTuple):
    """Hold an array file's header: shape, column-major flag, type, and offset of the numbers."""

    shape: tuple[int, ...]
    by_columns: bool
    dtype: np.dtype[Any]
    offset: int

    @property
    def nbytes(self) -> int:
        """Return the size of the numbers in bytes."""
        return prod(self.shape) * self.dtype.itemsize


def read_header(stream: BinaryIO, size: int) -> Header:
    """Read the header of an array file of `size` bytes; raise `ValueError` if it is damaged or cut short."""
    if stream.read(len(MAGIC)) != MAGIC:
        raise ValueError("it does not begin as an .npy file does")
    try:
        header = _parsed(stream)
    except Exception as error:  # NumPy reads it as Python's source text: a tokenizer's errors, too, may come out of that
        raise ValueError(f"its header is damaged: {one_line(error, 80)}") from error
    if header.dtype.hasobject or header.dtype.itemsize == 0:
        raise ValueError(f"it holds {header.dtype}, not plain numbers")
    # True counts as 1 to NumPy, and is no length.
    if any(type(side) is not int or side < 0 for side in header.shape) or header.offset + header.nbytes > size:
        raise ValueError(f"its header names {header.shape} of {header.dtype}, and {max(0, size - header.offset)} bytes follow")
    return header


def _parsed(stream: BinaryIO) -> Header:
    """Parse a header with NumPy, one thread at a time, since NumPy reads it as Python source text.

    Python 3.11 counts how deep such a text is nested for all threads together, and raises SystemError where two parse at once
    (https://github.com/python/cpython/issues/106905); another library may do so beside us, so that it is tried again.
    """
    with _PARSING:
        for last in (False, False, True):
            stream.seek(0)
            version = np.lib.format.read_magic(stream)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            try:
                return Header(*read(stream), stream.tell())
            except SystemError:
                if last:
                    raise
    raise AssertionError


def read_array(data: bytes) -> NDArray[Any]:
    """Load an array from the bytes of its file; raise `ValueError` if they are damaged."""
    header = read_header(io.BytesIO(data), len(data))
    flat = np.frombuffer(data, header.dtype, count=prod(header.shape), offset=header.offset)
    return flat.reshape(header.shape, order="F" if header.by_columns else "C").copy(order="K")


def read_packed_array(data: bytes, check: Callable[[int], None]) -> NDArray[Any]:
    """Load the only array of a ``.npz`` file, once `check` of its unpacked bytes agrees; `ValueError` if it is damaged."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if len(members) != 1:
                names = ", ".join(member.filename for member in members[:3])
                raise ValueError(f"it holds {len(members)} arrays ({names}), and one is wanted")
            check(members[0].file_size)
            with archive.open(members[0]) as file:
                return read_array(file.read(members[0].file_size + 1))
    except (zipfile.BadZipFile, OSError, EOFError, zlib.error, lzma.LZMAError, LookupError, RuntimeError) as error:
        raise ValueError(f"it is damaged: {one_line(error, 80)}") from error


def map_array(path: Path) -> NDArray[Any]:
    """Map a file's array into memory, read-only; raise `ValueError` if it is damaged, and `OSError` as `open` does."""
    with path.open("rb") as stream:
        header = read_header(stream, path.stat().st_size)
    if not header.nbytes:  # nothing can be mapped
        return np.empty(header.shape, header.dtype)
    order: Any = "F" if header.by_columns else "C"
    return np.memmap(path, header.dtype, "r", header.offset, header.shape, order)


MANIFEST = "manifest.json"
_ARRAY = ".npy"
# A fixed moment, so that the same content is the same file.
_MOMENT = (1980, 1, 1, 0, 0, 0)
_DAMAGED = (zipfile.BadZipFile, zlib.error, KeyError, ValueError, EOFError, OSError, RuntimeError, OverflowError)


def write(path: Path, manifest: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write a manifest of JSON values and named uncompressed arrays to one file, whole or not at all."""
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
    """Read the manifest and the named arrays of an archive; raise `StoreError` if a checksum or anything else is wrong."""
    if not path.exists():
        raise MissingPathError(f"nothing at {path}: check the path")
    if path.is_dir():
        raise InputError.of("file", "must be a profile or another archive of howfar", f"{path}, a folder", "name the file")
    try:
        with zipfile.ZipFile(path) as archive:
            check_file(unpacked_bytes(archive), path, path.stat().st_size)
            document = json.loads(archive.read(MANIFEST))
            names = [name for name in archive.namelist() if name.endswith(_ARRAY)]
            # Whole first: the length is what the archive says, and the checksum is compared before the header is believed.
            arrays = {name.removesuffix(_ARRAY): read_array(archive.read(name)) for name in names}
    except InputError:
        raise
    except _DAMAGED as error:
        reason = f"{type(error).__name__}: {one_line(error, 120)}"
        raise StoreError(f"{path} is no profile or other archive of howfar, or is damaged ({reason}): make it again") from error
    if not isinstance(document, dict):
        raise StoreError(f"{path} is no profile or other archive of howfar: its manifest is no JSON object")
    return document, arrays


def unpacked_bytes(archive: zipfile.ZipFile) -> int:
    """Compute from a zip file's directory the bytes of all unpacked members, counting the largest twice."""
    sizes = [member.file_size for member in archive.infolist()]
    return sum(sizes) + max(sizes, default=0)
