"""Hash ONNX files with their external tensors, and run them by onnxruntime."""

import hashlib
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from howfar.errors import InputError, MissingExtraError, MissingPathError, needing, option
from howfar.weights.hub_downloads import IMAGENET_MEAN, IMAGENET_STD

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
    with needing(f"{name} needs onnxruntime: pip install onnxruntime"), _stderr_to_nowhere():
        library = import_module("onnxruntime")
    library.set_default_logger_severity(_FATAL)
    return library


def open_session(name: str, file: Path | bytes, providers: list[Any], threads: int = 0) -> Any:
    """Open a network's file or bytes with onnxruntime, silently; its errors share no class but Exception. 0: it chooses."""
    library = import_onnxruntime(name)
    settings = library.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.log_severity_level = _FATAL
    return library.InferenceSession(file if isinstance(file, bytes) else str(file), settings, providers=providers)


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


Layout: TypeAlias = Literal["NCHW", "NHWC"]
BYTE: Final = 1 / 255  # divides images of 0-1 where a network takes 0-255
_TYPES: Final = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}


class OnnxNetwork:
    """Run an ONNX file that takes images; layout, type, batch size and sides of its input are read from the graph.

    `sides` are (height, width), text or None where free. `mean` and `std` are the usual normalisation of images of 0-1: that of
    ImageNet, or none for a network that takes 8-bit numbers. `tensor` is given too.
    """

    def __init__(self, file: Path, device: str = "cpu", tensor: str | None = None) -> None:
        if not file.is_file():
            raise MissingPathError(f"no network at {file}: pass an .onnx file")
        self.file, self._providers, self._tensor = file, onnx_providers(device), tensor
        self._session = self._open()
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or len(inputs[0].shape) != 4:
            rule, received = "must take one input (batch, 3, height, width)", [entry.shape for entry in inputs]
            raise InputError.of("network", rule, received, "export one that takes an image")
        entry, shape = inputs[0], list(inputs[0].shape)
        if entry.type not in _TYPES:
            rule = "must take numbers of float32, float16 or uint8"
            raise InputError.of("network", rule, entry.type.removeprefix("tensor(").rstrip(")"), "export it with such an input")
        if isinstance(shape[1], int) and 3 not in (shape[1], shape[3]):
            rule = "must take three colours, (batch, 3, height, width) or (batch, height, width, 3)"
            raise InputError.of("network", rule, entry.shape)
        self.layout: Layout = "NHWC" if shape[3] == 3 and shape[1] != 3 else "NCHW"
        self._input, self.dtype = entry.name, np.dtype(_TYPES[entry.type])
        self._batch = shape[0] if isinstance(shape[0], int) else None
        self.sides = shape[2:] if self.layout == "NCHW" else shape[1:3]
        self.outputs: list[str] = [output.name for output in self._session.get_outputs()]
        usual = ((0.0,) * 3, (BYTE,) * 3) if self.dtype == np.uint8 else (IMAGENET_MEAN, IMAGENET_STD)
        self.mean, self.std = usual

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without the session, which cannot be pickled."""
        return {name: value for name, value in self.__dict__.items() if name != "_session"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the state, and open the session again."""
        self.__dict__.update(state)
        self._session = self._open()

    def run(self, pictures: NDArray[np.float32], output: str | None = None) -> NDArray[np.float32]:
        """Compute an output, the first by default, of normalised images (b, 3, h, w); `InputError` if it cannot be run."""
        fed = pictures if self.layout == "NCHW" else pictures.transpose(0, 2, 3, 1)
        fed = np.ascontiguousarray(np.clip(np.rint(fed), 0, 255) if self.dtype == np.uint8 else fed, self.dtype)
        count = len(fed)
        # The file may be exported for a fixed batch size: the last batch is padded with its last image.
        step = self._batch or count
        fed = np.concatenate([fed, np.repeat(fed[-1:], -count % step, axis=0)]) if count % step else fed
        parts = []
        for start in range(0, len(fed), step):
            part = fed[start : start + step]
            try:
                found = self._session.run([output or self.outputs[0]], {self._input: part})[0]
            # onnxruntime raises many classes of errors, none of them public.
            except Exception as error:
                if "alloc" in str(error).lower():
                    raise MemoryError(self.file.name) from error
                sides = [side for side in self.sides if isinstance(side, int)]
                remedy = f"pass {option('size', sides[0])}" if sides else "pass another size, such as a multiple of 32"
                raise InputError(f"{self.file.name} cannot be run on pictures of shape {part.shape}: {remedy}") from error
            if not isinstance(found, np.ndarray) or found.ndim < 2 or len(found) != len(part):
                received = getattr(found, "shape", type(found).__name__)
                raise InputError.of("the network's output", f"must be numbers for each of {len(part)} pictures", received)
            parts.append(np.asarray(found, np.float32))
        return np.concatenate(parts)[:count]

    def _open(self) -> Any:
        """Open the file or, to give a tensor inside its graph, a copy of the graph that has the tensor as an output."""
        source: Path | bytes = self.file
        try:
            if self._tensor is not None:
                import onnx

                model = onnx.load(str(self.file))
                outputs = [output.name for output in model.graph.output]
                if self._tensor not in {*outputs, *(name for node in model.graph.node for name in node.output)}:
                    rule = f"must be one of {', '.join(outputs)} for {self.file}"
                    raise InputError.of("output", rule, self._tensor, "or the name of a tensor inside it")
                if self._tensor not in outputs:
                    model.graph.output.append(onnx.helper.make_empty_tensor_value_info(self._tensor))
                    source = bytes(model.SerializeToString())
            return open_session(self.file.name, source, self._providers)
        except (MissingExtraError, InputError):
            raise
        except Exception as error:
            # In howfar's words, since onnxruntime's own message names C++ sources.
            refusals = ((re.search(pattern, str(error)), words) for pattern, words in _REFUSALS)
            known = (words.format(*found.groups()) for found, words in refusals if found)
            why = next(known, "it is damaged, or no valid ONNX file")
            if absent := [path.name for path in named_tensor_files(self.file, self.file.read_bytes()) if not path.is_file()]:
                why = f"its weights lie in {', '.join(absent)}, which is not beside it"
            rule = f"must be an ONNX file that onnxruntime can run ({why})"
            raise InputError.of("network", rule, str(self.file)) from error


def onnx_providers(device: str) -> list[Any]:
    """Return onnxruntime's providers for ``auto``, ``cpu``, ``cuda`` or ``cuda:N``; `InputError` for a device it lacks."""
    kind, _, number = device.partition(":")
    if kind not in ("auto", "cpu", "cuda") or (number and not number.isdecimal()):
        raise InputError.of("device", "must be auto, cpu, cuda or cuda:N for onnx", device)
    has_cuda = "CUDAExecutionProvider" in import_onnxruntime("onnx").get_available_providers()
    if kind == "cuda" and not has_cuda:
        raise InputError.of("device", "must be one of onnxruntime's", device, "pass 'auto', or install onnxruntime-gpu")
    # Without TF32, as torch backbones run, so that a feature does not depend on the device.
    cuda = ("CUDAExecutionProvider", {"device_id": int(number or 0), "use_tf32": 0})
    return [cuda, "CPUExecutionProvider"] if has_cuda and kind != "cpu" else ["CPUExecutionProvider"]
