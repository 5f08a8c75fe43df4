"""An ONNX file as a backbone."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, save
from PIL import Image

from howfar.backbones import load_backbone
from howfar.errors import HowfarError, InputError, MissingPathError
from howfar.protocols import Backbone
from howfar.testing.backbone_suite import BackboneTests
from howfar.weights.onnx_network import onnx_providers
from worlds.onnx_network import save_onnx


class TestOnnx(BackboneTests):
    length = 4 * 8 * 10

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def make(self, **options: Any) -> Backbone:
        return load_backbone(f"onnx:{save_onnx(self.folder / 'net.onnx')}", **({"output": "map"} | options))

    def changes(self) -> Iterable[Mapping[str, Any]]:
        weights = save_onnx(self.folder / "other.onnx", seed=1)
        return (
            {"weights": weights},
            {"output": "pooled"},
            {"fit": "crop"},
            {"via": 448},
            {"mean": (0, 0, 0)},
            {"std": (1, 1, 1)},
        )


class TestOneByOne(TestOnnx):
    """Exported for a batch of one, channels last."""

    def make(self, **options: Any) -> Backbone:
        file = save_onnx(self.folder / "net.onnx", (1, 16, 20, 3))
        return load_backbone(f"onnx:{file}", **({"output": "map"} | options))

    def changes(self) -> Iterable[Mapping[str, Any]]:
        return {"output": "pooled"}, {"fit": "crop"}


def test_agrees_with_the_convolution(tmp_path: Path) -> None:
    import torch

    file = save_onnx(tmp_path / "net.onnx", ("b", 3, "h", "w"))
    backbone = load_backbone("onnx", weights=file, size=(16, 20), mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6), output="map")
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (70, 90, 3), dtype=np.uint8))
    pixels = np.asarray(picture.resize((20, 16), Image.Resampling.BICUBIC), dtype=np.float32) / 255
    scaled = (pixels - np.float32([0.1, 0.2, 0.3])) / np.float32([0.4, 0.5, 0.6])
    weight = torch.from_numpy(np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32))
    expected = torch.conv2d(torch.from_numpy(scaled.transpose(2, 0, 1).copy())[None], weight, stride=2, padding=1)
    found = backbone.embed(backbone.prepare(picture)[None])[0]
    np.testing.assert_allclose(found, expected.numpy().reshape(-1), rtol=1e-4, atol=1e-4)
    assert backbone.identity["preprocessing"]["mean"] == [0.1, 0.2, 0.3]
    assert backbone.identity["layer"] == "map"


def test_a_network_of_a_fixed_batch_gives_the_features_of_one_of_any(tmp_path: Path) -> None:
    free, eight = (
        load_backbone(f"onnx:{save_onnx(tmp_path / f'{size}.onnx', (size, 3, 16, 20))}", output="map") for size in ("b", 8)
    )
    batch = np.random.default_rng(0).integers(0, 256, (9, 16, 20, 3), dtype=np.uint8)
    np.testing.assert_allclose(eight.embed(batch), free.embed(batch), rtol=1e-5, atol=1e-5)


def test_a_network_of_8_bit_pictures_is_given_the_pixels(tmp_path: Path) -> None:
    nodes = [helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT), helper.make_node("GlobalAveragePool", ["f"], ["y"])]
    entry = helper.make_tensor_value_info("x", TensorProto.UINT8, ("b", 3, 16, 20))
    graph = helper.make_graph(nodes, "net", [entry], [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), tmp_path / "net.onnx")
    batch = np.random.default_rng(0).integers(0, 256, (3, 16, 20, 3), dtype=np.uint8)
    found = load_backbone(f"onnx:{tmp_path / 'net.onnx'}").embed(batch)
    np.testing.assert_allclose(found, batch.mean(axis=(1, 2)), rtol=1e-6)


def test_tensors_beside_the_file_are_part_of_the_weights(tmp_path: Path) -> None:
    folders = [tmp_path / "a", tmp_path / "b", tmp_path / "c"]
    for folder, seed in zip(folders, (0, 1, 0), strict=True):
        folder.mkdir()
        save_onnx(folder / "net.onnx", seed=seed, beside=True)
    assert (folders[0] / "net.onnx").read_bytes() == (folders[1] / "net.onnx").read_bytes()
    first, other, same = (load_backbone(f"onnx:{folder / 'net.onnx'}", output="map").identity["weights"] for folder in folders)
    assert first == same
    assert first != other


def test_what_is_refused(tmp_path: Path) -> None:
    def refused(kind: type[HowfarError], text: str, name: str = "onnx", **options: Any) -> None:
        with pytest.raises(kind, match=text) as caught:
            load_backbone(name, **options)
        assert "\n" not in str(caught.value)

    file = save_onnx(tmp_path / "net.onnx")
    free = save_onnx(tmp_path / "free.onnx", ("b", 3, "h", "w"))
    (tmp_path / "text.onnx").write_text("text")
    refused(InputError, "onnx must name a file, got None: write onnx:FILE, or pass weights=FILE")
    refused(MissingPathError, "no network at .*absent.onnx: pass an .onnx file", f"onnx:{tmp_path / 'absent.onnx'}")
    refused(MissingPathError, "weights must be a file, and .* is a folder", weights=tmp_path)
    refused(InputError, "network must be an ONNX file that onnxruntime can run .*text.onnx", weights=tmp_path / "text.onnx")
    refused(InputError, "output must be one of map, pooled for .*net.onnx, got None", weights=file)
    refused(InputError, "output must be one of map, pooled for .*net.onnx, got 'x'", weights=file, output="x")
    refused(InputError, "size must be given for .*free.onnx, which takes any", weights=free, output="map")
    refused(InputError, r"size must be that of .*: \[16, 20\], got \[16, 16\]", weights=file, output="map", size=16)
    refused(InputError, "onnx takes no pool, got 'False'", weights=file, output="map", pool=False)
    refused(
        InputError, "device must be auto, cpu, cuda or cuda:N for onnx, got 'mps'", weights=file, output="map", device="mps"
    )
    half = save_onnx(tmp_path / "half.onnx", ("b", 3, 16, 20), kind=TensorProto.INT32)
    refused(InputError, "network must be an ONNX file|network must take numbers of float32", weights=half, output="map")


def test_on_cuda_nothing_is_rounded_to_tf32(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="device must be one of onnxruntime's, got 'cuda': pass 'auto'"):
        onnx_providers("cuda")
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"])
    assert onnx_providers("cpu") == ["CPUExecutionProvider"]
    for device, number in (("auto", 0), ("cuda", 0), ("cuda:1", 1)):
        assert onnx_providers(device)[0] == ("CUDAExecutionProvider", {"device_id": number, "use_tf32": 0})
