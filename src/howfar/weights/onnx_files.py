"""Hash an ONNX file together with the files beside it that hold its tensors."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Final

# A model's file names each file of tensors beside it in an entry "location", a protobuf key and value.
_EXTERNAL_FILE: Final = re.compile(rb"\n\x08location\x12([\x01-\x7f]|[\x80-\xff][\x01-\x7f])", re.DOTALL)


def hash_onnx(file: Path) -> str:
    """Hash the model's bytes, and those of the files beside it that hold its tensors."""
    data = file.read_bytes()
    digest = hashlib.sha256(data)
    for path in tensor_files(file, data):
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return f"sha256:{digest.hexdigest()}"


def tensor_files(file: Path, data: bytes) -> list[Path]:
    """List the files beside a model, of these bytes, that hold its tensors."""
    return [path for path in _named(file, data) if path.is_file()]


def absent_tensor_files(file: Path) -> list[str]:
    """Name the files of tensors that a model refers to and that are not beside it."""
    if not file.is_file():
        return []
    return [path.name for path in _named(file, file.read_bytes()) if not path.is_file()]


def _named(file: Path, data: bytes) -> list[Path]:
    names = {data[entry.end() : entry.end() + _length(entry[1])] for entry in _EXTERNAL_FILE.finditer(data)}
    return [file.parent / name.decode("utf-8", "replace") for name in sorted(names)]


def _length(digits: bytes) -> int:
    """Read a length of one or two digits of seven bits, the lower one first (protobuf's varint).

    >>> _length(bytes([7])), _length(bytes([128, 1]))
    (7, 128)
    """
    return sum((digit & 0x7F) << (7 * place) for place, digit in enumerate(digits))
