"""Run an ONNX file as a backbone, by onnxruntime: ``onnx:FILE``."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from howfar.backbones.backbone_family import BackboneFamily, Card, Options, Origin
from howfar.backbones.preprocessing import Preprocess, mean_colour
from howfar.errors import InputError, MissingExtraError, MissingPathError, option
from howfar.weights.onnx_files import hash_onnx, import_onnxruntime, named_tensor_files, open_session, why_refused
from howfar.weights.published import IMAGENET_MEAN, IMAGENET_STD


class OnnxBackbone:
    """Compute features (F of the paper, eq. 1) by an ONNX file with one output, flattened in C order.

    The input is float32, (b, 3, h, w) or (b, h, w, 3), with b free or 1. Several threads may call `embed` at once.
    """

    def __init__(self, name: str, file: Path, options: Options) -> None:
        self.name = name
        self._file = file
        self._providers = _providers(options.device)
        self._session = _session(file, self._providers)
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or inputs[0].type != "tensor(float)" or len(inputs[0].shape) != 4:
            received = [(entry.type, entry.shape) for entry in inputs]
            raise InputError.of(f"the input of {file}", "must be one picture, float32 of four axes", received)
        self._input, shape = inputs[0].name, list(inputs[0].shape)
        self._channels_last = shape[1] != 3 and shape[3] == 3
        self._batch_of_one = shape[0] == 1
        if isinstance(shape[0], int) and shape[0] != 1:
            raise InputError.of(f"the batch of {file}", "must be free, or 1", shape[0], "export it with a dynamic axis")
        self._output = _output(file, [entry.name for entry in self._session.get_outputs()], options.output)
        size = _size(file, shape[1:3] if self._channels_last else shape[2:], options.sides)
        mean = tuple(IMAGENET_MEAN if options.mean is None else options.mean)
        std = tuple(IMAGENET_STD if options.std is None else options.std)
        self._preprocess = Preprocess(size, options.fit, options.via, "bicubic", mean_colour(mean))
        self._mean, self._std = np.asarray(mean, dtype=np.float32), np.asarray(std, dtype=np.float32)
        self.identity: Mapping[str, Any] = {
            # The file's path does not change the feature.
            "name": "onnx",
            "weights": hash_onnx(file),
            "layer": self._output,
            "pooling": "none",
            "preprocessing": {**self._preprocess.describe(), "mean": [float(x) for x in mean], "std": [float(x) for x in std]},
            "dtype": "float32",
        }
        self.layers = self._measure()

    def on(self, device: str) -> Self:
        """Open the file on another device; a device unavailable to onnxruntime raises `InputError`."""
        moved = copy.copy(self)
        moved._providers = _providers(device)
        moved._session = _session(self._file, moved._providers)
        return moved

    def prepare(self, image: Image) -> NDArray[np.uint8]:
        """Resize an image as `Preprocess` does."""
        return self._preprocess(image)

    def embed(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        """Turn (b, height, width, 3) uint8 into (b, q) float32; another shape or type raises `InputError`."""
        self._preprocess.check_batch(batch)
        scaled = (batch.astype(np.float32) / np.float32(255) - self._mean) / self._std
        array = scaled if self._channels_last else np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))
        pieces = [array[i : i + 1] for i in range(len(array))] if self._batch_of_one else [array]
        outputs = [self._session.run([self._output], {self._input: piece})[0] for piece in pieces]
        if any(output.shape[:1] != piece.shape[:1] for output, piece in zip(outputs, pieces, strict=True)):
            raise InputError.of("output", "must have a row for each picture", outputs[0].shape, "name another")
        return np.ascontiguousarray(np.concatenate(outputs).reshape(len(batch), -1), dtype=np.float32)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without the session, which cannot be pickled."""
        return {key: value for key, value in self.__dict__.items() if key != "_session"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the state, and open the session again."""
        self.__dict__.update(state)
        self._session = _session(self._file, self._providers)

    def _measure(self) -> tuple[int, ...]:
        try:
            features = self.embed(np.zeros((2, *self._preprocess.size, 3), dtype=np.uint8))
        except InputError:
            raise
        # The runtime's errors share no class but Exception.
        except Exception as error:
            height, width = self._preprocess.size
            remedy = "pass another size, such as a multiple of 32"
            raise InputError(f"{self._file} cannot take pictures of {height}×{width}: {remedy}") from error
        return (features.shape[1],)


def _onnx_origin(options: Options) -> Origin | None:
    """List the ONNX file and its external tensor files; None if the file does not exist."""
    file = _file(options)
    if file is None or not file.is_file():
        return None
    tensors = filter(Path.is_file, named_tensor_files(file, file.read_bytes()))
    return Origin((file, *tensors), ("onnxruntime", "onnxruntime-gpu"))


def _file(options: Options) -> Path | None:
    path = options.weights or options.model
    return None if path is None else Path(path).expanduser()


def _build_onnx(options: Options) -> OnnxBackbone:
    """Build a backbone from the ONNX file at `options.weights`, or else at the path in the name."""
    file = _file(options)
    if file is None:
        raise InputError.of("onnx", "must name a file", None, f"write onnx:FILE, or pass {option('weights', 'FILE')}")
    if not file.is_file():
        raise MissingPathError(f"onnx must name a file, and {file} is none")
    return OnnxBackbone(f"onnx:{options.model or file}", file, options)


def _session(file: Path, providers: list[Any]) -> Any:
    try:
        return open_session("onnx", file, providers)
    except MissingExtraError:
        raise
    # The runtime's errors share no class but Exception.
    except Exception as error:
        raise InputError(f"{file} cannot be read as an ONNX model ({why_refused(error, file)})") from error


def _providers(device: str) -> list[Any]:
    has_cuda = "CUDAExecutionProvider" in import_onnxruntime("onnx").get_available_providers()
    kind, _, number = device.partition(":")
    if kind not in ("auto", "cpu", "cuda") or (number and not number.isdecimal()):
        raise InputError.of("device", "must be auto, cpu, cuda or cuda:N for onnx", device)
    if kind == "cuda" and not has_cuda:
        raise InputError.of("device", "must be one of onnxruntime's", device, "pass 'auto', or install onnxruntime-gpu")
    # Without TF32, as torch backbones run, so that a feature does not depend on the device.
    cuda = ("CUDAExecutionProvider", {"device_id": int(number or 0), "use_tf32": 0})
    return [cuda, "CPUExecutionProvider"] if has_cuda and kind != "cpu" else ["CPUExecutionProvider"]


def _output(file: Path, names: list[str], wanted: str | None) -> str:
    if wanted is None and len(names) == 1:
        return names[0]
    if wanted not in names:
        raise InputError.of("output", f"must be one of {', '.join(names)} for {file}", wanted)
    return wanted


def _size(file: Path, fixed: list[Any], wanted: tuple[int, ...]) -> tuple[int, int]:
    sides = [side if isinstance(side, int) else None for side in fixed]
    size = wanted or tuple(side for side in sides if side is not None)
    if len(size) != 2:
        raise InputError.of("size", f"must be given for {file}, which takes any", None, f"pass {option('size', 224)}, say")
    if any(side is not None and side != given for side, given in zip(sides, size, strict=True)):
        raise InputError.of("size", f"must be that of {file}: {sides}", list(size), "leave it out")
    return (size[0], size[1])


ONNX: Final = BackboneFamily(
    Card(
        "onnx",
        None,
        "the file's own",
        "onnx:FILE, or weights=FILE",
        "the weights' own",
        "one output of an ONNX file, run by onnxruntime",
    ),
    _build_onnx,
    takes=("model", "device", "weights", "fit", "via", "size", "mean", "std", "output"),
    origin=_onnx_origin,
)
