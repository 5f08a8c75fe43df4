"""Run an ONNX file as a backbone by onnxruntime; the backbone is named ``onnx:FILE``."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from howfar.backbones.backbone_family import BackboneFamily, Card, Options, Origin
from howfar.backbones.preprocessing import Preprocess, ResizingBackbone
from howfar.errors import InputError, option
from howfar.weights.onnx_network import OnnxNetwork, hash_onnx, named_tensor_files


class OnnxBackbone(ResizingBackbone):
    """Compute features (F of the paper, eq. 1) by one output or inner tensor of an ONNX file, flattened in C order.

    Several threads may call `embed` at once.
    """

    def __init__(self, name: str, network: OnnxNetwork, options: Options) -> None:
        self.name, self._network = name, network
        if options.output is None and len(network.outputs) > 1:
            raise InputError.of("output", f"must be one of {', '.join(network.outputs)} for {network.file}", None)
        self._output = options.output or network.outputs[0]
        mean, std = tuple(options.mean or network.mean), tuple(options.std or network.std)
        sides = [side if isinstance(side, int) else None for side in network.sides]
        size = options.sides or tuple(side for side in sides if side is not None)
        if len(size) != 2:
            rule = f"must be given for {network.file}, which takes any"
            raise InputError.of("size", rule, None, f"pass {option('size', 224)}, say")
        if any(side is not None and side != given for side, given in zip(sides, size, strict=True)):
            raise InputError.of("size", f"must be that of {network.file}: {sides}", list(size), "leave it out")
        self._preprocess = Preprocess.of(options, (size[0], size[1]), mean)
        self._mean, self._std = np.asarray(mean, dtype=np.float32), np.asarray(std, dtype=np.float32)
        self.identity: Mapping[str, Any] = {
            # The file's path does not change the feature.
            "name": "onnx",
            "weights": hash_onnx(network.file),
            "layer": self._output,
            "pooling": "none",
            "preprocessing": {**self._preprocess.describe(), "mean": [float(x) for x in mean], "std": [float(x) for x in std]},
            "dtype": "float32",
        }
        self.layers = (self.embed(np.zeros((2, *size, 3), dtype=np.uint8)).shape[1],)

    def on(self, device: str) -> Self:
        """Open the file on another device; a device unavailable to onnxruntime raises `InputError`."""
        moved = copy.copy(self)
        moved._network = OnnxNetwork(self._network.file, device, self._output)
        return moved

    def embed(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        """Turn (b, height, width, 3) uint8 into (b, q) float32; another shape or type raises `InputError`."""
        self._preprocess.check_batch(batch)
        scaled = (batch.astype(np.float32) / np.float32(255) - self._mean) / self._std
        features = self._network.run(scaled.transpose(0, 3, 1, 2), self._output)
        return np.ascontiguousarray(features.reshape(len(batch), -1))


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
    return OnnxBackbone(f"onnx:{options.model or file}", OnnxNetwork(file, options.device, options.output), options)


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
