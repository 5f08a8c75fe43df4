"""A convolution as an ONNX file."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def save_onnx(
    path: Path, shape: Any = ("b", 3, 16, 20), seed: int = 0, kind: int = TensorProto.FLOAT, beside: bool = False
) -> Path:
    """A convolution (4 channels, stride 2) with the outputs `map` and `pooled`; its tensor may lie beside the file."""
    weight = np.random.default_rng(seed).normal(size=(4, 3, 3, 3)).astype(np.float32)
    last = shape[1] != 3
    nodes = [helper.make_node("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2])] if last else []
    nodes += [
        helper.make_node("Conv", ["t" if last else "x", "w"], ["map"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("GlobalAveragePool", ["map"], ["pooled"]),
    ]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("map", "pooled")]
    entry = helper.make_tensor_value_info("x", kind, shape)
    graph = helper.make_graph(nodes, "net", [entry], outputs, [numpy_helper.from_array(weight, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    where: dict[str, Any] = {"save_as_external_data": True, "location": f"{path.name}.data", "size_threshold": 0}
    onnx.save_model(model, path, **(where if beside else {}))
    return path
