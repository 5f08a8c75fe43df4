"""An ONNX file as a backbone, run by onnxruntime: ``onnx:FILE``."""

from __future__ import annotations

import copy
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from howfar.backbones.family import BackboneFamily, Card, Options
from howfar.backbones.hub_processor_config import IMAGENET_MEAN, IMAGENET_STD
from howfar.backbones.preprocessing import Preprocess
from howfar.errors import InputError, MissingExtraError, MissingPathError

# In a model's file each tensor that lies beside it is named by an entry "location", a key and a value of protobuf.
_BESIDE: Final = re.compile(rb"\n\x08location\x12([\x01-\x7f])", re.DOTALL)


class Onnx:
    """F of the paper (eq. 1) by an ONNX file: one output, flattened in C order.

    The input is float32, (b, 3, h, w) or (b, h, w, 3), with b free or 1. Several threads may call `embed` at once.

    Parameters
    ----------
    name
        The registered name, with the file's.
    file
        The model.
    options
        `output`, `size`, `mean`, `std`, `fit`, `via` and `device` are read.

    Raises
    ------
    InputError
        The file is no model, or takes or gives another kind of array, or the options do not fit it.
    MissingExtraError
        onnxruntime is absent.
    """

    def __init__(self, name: str, file: Path, options: Options) -> None:
        self.name = name
        self._file = file
        self._providers = _providers(options.device)
        self._session = _session(file, self._providers)
        given = self._session.get_inputs()
        if len(given) != 1 or given[0].type != "tensor(float)" or len(given[0].shape) != 4:
            found = [(one.type, one.shape) for one in given]
            raise InputError.of(f"the input of {file}", "must be one picture, float32 of four axes", found)
        self._input, shape = given[0].name, list(given[0].shape)
        self._last = shape[1] != 3 and shape[3] == 3
        self._one_by_one = shape[0] == 1
        if isinstance(shape[0], int) and shape[0] != 1:
            raise InputError.of(f"the batch of {file}", "must be free, or 1", shape[0], "export it with a dynamic axis")
        self._output = _output(file, [one.name for one in self._session.get_outputs()], options.output)
        size = _size(file, shape[1:3] if self._last else shape[2:], options.sides)
        mean = tuple(IMAGENET_MEAN if options.mean is None else options.mean)
        std = tuple(IMAGENET_STD if options.std is None else options.std)
        red, green, blue = (min(255, max(0, round(255 * part))) for part in mean)
        self._preprocess = Preprocess(size, options.fit, options.via, "bicubic", (red, green, blue))
        self._mean, self._std = np.asarray(mean, dtype=np.float32), np.asarray(std, dtype=np.float32)
        self._identity = {
            # Where the file lies is no part of the feature.
            "name": "onnx",
            "weights": _hash(file),
            "layer": self._output,
            "pooling": "none",
            "preprocessing": {**self._preprocess.describe(), "mean": [float(x) for x in mean], "std": [float(x) for x in std]},
            "dtype": "float32",
        }
        self.layers = self._measure()

    @property
    def identity(self) -> Mapping[str, Any]:
        """Hash of the file and of those that hold its tensors, output, preprocessing and dtype, as JSON values."""
        return self._identity

    def on(self, device: str) -> Self:
        """Open the file again on another device.

        Raises
        ------
        InputError
            onnxruntime has no such device here.
        """
        moved = copy.copy(self)
        moved._providers = _providers(device)
        moved._session = _session(self._file, moved._providers)
        return moved

    def prepare(self, image: Image) -> NDArray[np.uint8]:
        """Return (height, width, 3) uint8.

        Raises
        ------
        ImageError
            The picture is not 8 bits a channel.
        """
        return self._preprocess(image)

    def embed(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        """Turn (b, height, width, 3) uint8 into (b, q) float32.

        Raises
        ------
        InputError
            `batch` is not what `prepare` returns, stacked.
        """
        shape = (*self._preprocess.size, 3)
        if batch.shape[1:] != shape or batch.dtype != np.uint8:
            rule = f"must be uint8 of shape (b, {', '.join(map(str, shape))})"
            raise InputError.of("batch", rule, f"{batch.dtype} {batch.shape}", "stack what prepare returns")
        scaled = (batch.astype(np.float32) / np.float32(255) - self._mean) / self._std
        ready = scaled if self._last else np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))
        pieces = [ready[i : i + 1] for i in range(len(ready))] if self._one_by_one else [ready]
        found = [self._session.run([self._output], {self._input: piece})[0] for piece in pieces]
        if any(one.shape[:1] != piece.shape[:1] for one, piece in zip(found, pieces, strict=True)):
            raise InputError.of("output", "must have a row for each picture", found[0].shape, "name another")
        return np.ascontiguousarray(np.concatenate(found).reshape(len(batch), -1), dtype=np.float32)

    def __getstate__(self) -> dict[str, Any]:
        """All but the session, which cannot be pickled."""
        return {key: value for key, value in self.__dict__.items() if key != "_session"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Open the session again."""
        self.__dict__.update(state)
        self._session = _session(self._file, self._providers)

    def _measure(self) -> tuple[int, ...]:
        try:
            found = self.embed(np.zeros((2, *self._preprocess.size, 3), dtype=np.uint8))
        except InputError:
            raise
        # The runtime's errors share no class but Exception.
        except Exception as error:
            height, width = self._preprocess.size
            raise InputError(f"{self._file} cannot take pictures of {height}×{width} ({_one_line(error)})") from error
        return (found.shape[1],)


def build_onnx(options: Options) -> Onnx:
    """Build a backbone of the ONNX file that `options.weights`, or else the name, says.

    Raises
    ------
    MissingPathError
        There is no such file.
    InputError
        As `Onnx`.
    MissingExtraError
        onnxruntime is absent.
    """
    said = options.weights or options.model
    if said is None:
        raise InputError.of("onnx", "must name a file", None, "write onnx:FILE, or pass weights=FILE")
    file = Path(said).expanduser()
    if not file.is_file():
        raise MissingPathError(f"onnx must name a file, and {file} is none")
    return Onnx(f"onnx:{options.model or file}", file, options)


def _session(file: Path, providers: list[Any]) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError(f"onnx needs onnxruntime: pip install onnxruntime ({error})") from error
    settings = onnxruntime.SessionOptions()
    # Errors are raised; what is merely remarked upon would be printed.
    settings.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(file), settings, providers=providers)
    # The runtime's errors share no class but Exception.
    except Exception as error:
        raise InputError(f"{file} cannot be read as an ONNX model ({_one_line(error)})") from error


def _providers(device: str) -> list[Any]:
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError(f"onnx needs onnxruntime: pip install onnxruntime ({error})") from error
    there = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    kind, _, number = device.partition(":")
    if kind not in ("auto", "cpu", "cuda") or (number and not number.isdecimal()):
        raise InputError.of("device", "must be auto, cpu, cuda or cuda:N for onnx", device)
    if kind == "cuda" and not there:
        raise InputError.of("device", "must be one of onnxruntime's", device, "pass 'auto', or install onnxruntime-gpu")
    # Without TF32, as everywhere.
    cuda = ("CUDAExecutionProvider", {"device_id": int(number or 0), "use_tf32": 0})
    return [cuda, "CPUExecutionProvider"] if there and kind != "cpu" else ["CPUExecutionProvider"]


def _output(file: Path, known: list[str], wanted: str | None) -> str:
    if wanted is None and len(known) == 1:
        return known[0]
    if wanted not in known:
        raise InputError.of("output", f"must be one of {', '.join(known)} for {file}", wanted)
    return wanted


def _size(file: Path, fixed: list[Any], wanted: tuple[int, ...]) -> tuple[int, int]:
    sides = [side if isinstance(side, int) else None for side in fixed]
    found = wanted or tuple(side for side in sides if side is not None)
    if len(found) != 2:
        raise InputError.of("size", f"must be given for {file}, which takes any", None, "pass size=224, say")
    if any(side is not None and side != given for side, given in zip(sides, found, strict=True)):
        raise InputError.of("size", f"must be that of {file}: {sides}", list(found), "leave it out")
    return (found[0], found[1])


def _hash(file: Path) -> str:
    """Of the model's bytes, and of those of the files beside it that hold its tensors."""
    data = file.read_bytes()
    digest = hashlib.sha256(data)
    beside = {data[found.end() : found.end() + found[1][0]] for found in _BESIDE.finditer(data)}
    for name in sorted(beside):
        path = file.parent / name.decode("utf-8", "replace")
        if path.is_file():
            with path.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    return f"sha256:{digest.hexdigest()}"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


ONNX: Final = BackboneFamily(
    Card(
        "onnx",
        None,
        "the file's own",
        "onnx:FILE, or weights=FILE",
        "the weights' own",
        "one output of an ONNX file, run by onnxruntime",
    ),
    build_onnx,
    takes=("model", "device", "weights", "fit", "via", "size", "mean", "std", "output"),
)
