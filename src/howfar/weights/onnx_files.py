"""Hash ONNX files with the files of their tensors, and open their networks by onnxruntime."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from howfar.errors import MissingExtraError

# A model's file names each file of tensors beside it in an entry "location", a protobuf key and value.
_EXTERNAL_FILE: Final = re.compile(rb"\n\x08location\x12([\x01-\x7f]|[\x80-\xff][\x01-\x7f])", re.DOTALL)


def hash_onnx(file: Path) -> str:
    """Hash a model's bytes and those of its external tensor files."""
    data = file.read_bytes()
    digest = hashlib.sha256(data)
    for path in filter(Path.is_file, named_tensor_files(file, data)):
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return f"sha256:{digest.hexdigest()}"


def named_tensor_files(file: Path, data: bytes) -> list[Path]:
    """List the tensor files that a model with these bytes names beside it, whether they exist or not."""
    names = {data[entry.end() : entry.end() + _length(entry[1])] for entry in _EXTERNAL_FILE.finditer(data)}
    return [file.parent / name.decode("utf-8", "replace") for name in sorted(names)]


def _length(digits: bytes) -> int:
    """Decode a length of one or two 7-bit digits, the lower one first (protobuf's varint)."""
    return sum((digit & 0x7F) << (7 * place) for place, digit in enumerate(digits))


_FATAL = 4  # the severity from which onnxruntime logs: it prints an error that it raises as well, over several lines
_REFUSALS: Final = (
    (
        r"IR version: (\d+), max supported IR version: (\d+)",
        "it is of IR version {}, and this onnxruntime reads up to {}: update it",
    ),
    (r"Opset (\d+) is under development", "it is of opset {}, which is newer than this onnxruntime: export it with opset 17"),
    (r"No opset import for domain '([\w.]*)'", "its operators of {} are unknown to onnxruntime"),
    (r"([\w.]*:?\w+)\(-?\d+\) is not a registered function/op", "its operator {} is unknown to onnxruntime"),
    (r"No Op registered for (\w+)", "its operator {} is unknown to onnxruntime"),
    (r"bad_alloc|[Ff]ailed to allocate", "there is not memory enough for it"),
    (r"Could not find an implementation for (\w+)", "its operator {} has a type of numbers that onnxruntime does not compute"),
)
"""How onnxruntime words what it refuses, and what a line says of it."""


def import_onnxruntime(name: str) -> Any:
    """Import onnxruntime for the network `name`, silently: at first it prints on stderr which devices it did not find."""
    if sys.modules.get("onnxruntime") is not None:
        return sys.modules["onnxruntime"]
    try:
        with _stderr_to_nowhere():
            library = import_module("onnxruntime")
    except ImportError as error:
        raise MissingExtraError(f"{name} needs onnxruntime: pip install onnxruntime ({error})") from error
    library.set_default_logger_severity(_FATAL)
    return library


def open_session(name: str, file: Path, providers: list[Any], threads: int = 0) -> Any:
    """Open a network's file with onnxruntime, silently; its errors share no class but Exception. 0 threads: it chooses."""
    library = import_onnxruntime(name)
    settings = library.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.log_severity_level = _FATAL
    return library.InferenceSession(str(file), settings, providers=providers)


@contextmanager
def _stderr_to_nowhere() -> Iterator[None]:
    """Discard what the process writes to stderr, including output of C libraries."""
    try:
        kept = os.dup(2)
    except OSError:  # there is no stderr
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(nowhere)
        os.close(kept)


def why_refused(error: object, file: Path) -> str:
    """Explain briefly why onnxruntime does not open a file, without its own message, which names C++ sources."""
    named = named_tensor_files(file, file.read_bytes()) if file.is_file() else []
    if absent := [path.name for path in named if not path.is_file()]:
        return f"its weights lie in {', '.join(absent)}, which is not beside it"
    for pattern, words in _REFUSALS:
        found = re.search(pattern, str(error))
        if found:
            return words.format(*found.groups())
    return "it is damaged, or no valid ONNX file"
