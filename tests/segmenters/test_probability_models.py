"""Networks of any make read as probabilities: every option of a Reading, ONNX as the module itself, each refusal a line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from howfar.errors import HowfarError, InputError, MissingPathError
from howfar.segmenters.predictor import Reading, of_module, of_onnx

CPU = torch.device("cpu")
SIDE = 16


def pictures(count: int = 2, side: int = SIDE) -> np.ndarray:
    return np.random.default_rng(0).random((count, 3, side, side), dtype=np.float32)


def convolution(channels: int, seed: int = 0) -> nn.Conv2d:
    torch.manual_seed(seed)
    return nn.Conv2d(3, channels, 3, padding=1)


def onnx_file(file: Path, convolved: nn.Conv2d, *, batch: int | str = "b", side: int | str = "s", outputs: str = "") -> Path:
    """The convolution as an ONNX graph, made by hand; `outputs`: Sigmoid or Softmax after it."""
    nodes = [helper.make_node("Conv", ["x", "weight", "bias"], ["y"], pads=[1, 1, 1, 1])]
    if outputs:
        nodes += [helper.make_node(outputs, ["y"], ["p"], **({"axis": 1} if outputs == "Softmax" else {}))]
    shapes = {"x": [batch, 3, side, side], "p" if outputs else "y": [batch, convolved.out_channels, side, side]}
    entry, output = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items())
    tensors = [numpy_helper.from_array(getattr(convolved, part).detach().numpy(), part) for part in ("weight", "bias")]
    graph = helper.make_graph(nodes, "network", [entry], [output], tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), file)
    return file


class Given(nn.Module):
    """Gives what it was told to."""

    def __init__(self, found: Any) -> None:
        super().__init__()
        self.found = found

    def forward(self, x: Tensor) -> Any:
        return self.found


@pytest.mark.parametrize("reading", [Reading(), Reading(mean=(0.1, 0.2, 0.3), std=(1.0, 2.0, 4.0))])
def test_a_foreign_module_is_fed_normalised_pictures(reading: Reading) -> None:
    network, x = convolution(1), pictures()
    found = of_module(network, CPU, reading)(x)
    mean, std = (np.array(one, np.float32).reshape(1, 3, 1, 1) for one in (reading.mean, reading.std))
    with torch.no_grad():
        wanted = torch.sigmoid(network(torch.from_numpy((x - mean) / std)))[:, 0]
    np.testing.assert_allclose(found, wanted.numpy(), atol=1e-6)
    assert Reading().mean == (0.485, 0.456, 0.406)


def test_of_two_channels_the_second_is_foreground() -> None:
    logits = torch.randn(2, 2, 3, 3)
    wanted = logits.softmax(1)
    np.testing.assert_allclose(Reading().foreground(logits), wanted[:, 1], rtol=1e-5)
    np.testing.assert_allclose(Reading(output="probabilities").foreground(wanted), wanted[:, 1], rtol=1e-6)
    np.testing.assert_allclose(Reading(channel=0).foreground(logits), wanted[:, 0], rtol=1e-5)


def line(kind: type[HowfarError], run: Callable[[], Any]) -> str:
    with pytest.raises(kind) as caught:
        run()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("reading", "found", "words"),
    [
        ({}, torch.zeros(2, 2), "the network's output must be (batch, channels, height, width), got (2, 2)"),
        ({}, {"out": torch.zeros(1, 1, 2, 2)}, "the network's output must be one tensor, got 'dict'"),
        ({"channel": 2}, torch.zeros(1, 2, 2, 2), "channel must be one of the network's 2, got 2"),
        (
            {"output": "probabilities"},
            torch.full((1, 1, 2, 2), 1.5),
            "must lie within 0-1, got '1.5 to 1.5': pass output='logits'",
        ),
        ({}, torch.full((1, 1, 2, 2), torch.nan), "must lie within 0-1, got 'nan to nan': it gave NaN: look at its weights"),
        ({"output": "scores"}, None, "output must be logits or probabilities, got 'scores'"),
        ({"mean": (0.5, 0.5)}, None, "mean must be three numbers, for red, green and blue, got (0.5, 0.5)"),
        ({"std": (0.5, 0.0, 0.5)}, None, "std must be above 0, got [0.5, 0.0, 0.5]"),
    ],
)
def test_outputs_that_are_no_maps_and_readings_that_make_no_sense(reading: dict[str, Any], found: Any, words: str) -> None:
    assert words in line(InputError, lambda: of_module(Given(found), CPU, Reading(**reading))(pictures()))


@pytest.mark.parametrize(
    ("channels", "reading", "outputs"),
    [
        (1, Reading(), ""),
        (2, Reading(mean=(0.5,) * 3, std=(0.5,) * 3), ""),
        (3, Reading(channel=2), ""),
        (1, Reading(output="probabilities"), "Sigmoid"),
        (2, Reading(output="probabilities", channel=0), "Softmax"),
    ],
)
def test_an_onnx_network_gives_the_maps_of_the_module_itself(channels, reading, outputs, tmp_path):
    convolved = convolution(channels)
    last = {"": nn.Identity(), "Sigmoid": nn.Sigmoid(), "Softmax": nn.Softmax(1)}[outputs]
    found = of_onnx(onnx_file(tmp_path / "n.onnx", convolved, outputs=outputs), reading)(pictures())
    wanted = of_module(nn.Sequential(convolved, last), CPU, reading)(pictures())
    assert (found.dtype, found.shape) == (np.float32, (2, SIDE, SIDE))
    np.testing.assert_allclose(found, wanted, atol=1e-6)


@pytest.mark.parametrize("batch", [1, 2, 3, 7])
def test_an_onnx_network_of_a_fixed_batch(batch: int, tmp_path: Path) -> None:
    convolved = convolution(1)
    read = of_onnx(onnx_file(tmp_path / "n.onnx", convolved, batch=batch, side=SIDE), Reading())
    for count in (1, 4, 5):
        wanted = of_module(convolved, CPU, Reading())(pictures(count))
        np.testing.assert_allclose(read(pictures(count)), wanted, atol=1e-6)


def test_files_that_are_no_onnx_network(tmp_path: Path) -> None:
    assert "no network at" in line(MissingPathError, lambda: of_onnx(tmp_path / "none.onnx", Reading()))
    for content in (b"", b"text", onnx_file(tmp_path / "n.onnx", convolution(1)).read_bytes()[:-50]):
        (tmp_path / "bad.onnx").write_bytes(content)
        words = line(InputError, lambda: of_onnx(tmp_path / "bad.onnx", Reading()))
        assert "network must be an ONNX file that onnxruntime can run" in words
    read = of_onnx(onnx_file(tmp_path / "n.onnx", convolution(1), batch=1, side=32), Reading())
    assert "n.onnx cannot be run on pictures of shape (1, 3, 16, 16): " in line(InputError, lambda: read(pictures(1)))
