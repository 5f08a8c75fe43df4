"""Torch networks as backbones: layers, devices, precision, and memory that does not suffice."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import howfar
from howfar.backbones.backbone_family import Options
from howfar.backbones.preprocessing import Preprocess
from howfar.backbones.torch_backbone import Feature, TorchBackbone, _exact
from howfar.errors import HowfarError
from howfar.segmenters import build_segmenter
from worlds.small_backbone import maps, pictures, small


def test_layers_are_flattened_in_c_order_and_concatenated() -> None:
    backbone = small()
    assert backbone.layers == (192, 48)
    batch = pictures(2)
    scaled = (batch.astype(np.float32) / 255 - np.float32([0.1, 0.2, 0.3])) / np.float32([0.5, 0.6, 0.7])
    with torch.no_grad():
        parts = maps(small().network, torch.from_numpy(scaled.transpose(0, 3, 1, 2).copy()))
    expected = np.concatenate([part.contiguous().numpy().reshape(2, -1) for part in parts], axis=1)
    np.testing.assert_allclose(backbone.embed(batch), expected, rtol=1e-5, atol=1e-5)


def test_tf32_is_off_on_cuda_and_put_back() -> None:
    before = torch._C._get_cudnn_allow_tf32()
    with _exact(torch.device("cuda")):
        assert not torch._C._get_cudnn_allow_tf32()
        assert torch._C._get_cudnn_deterministic()
    assert torch._C._get_cudnn_allow_tf32() == before
    with _exact(torch.device("cpu")):
        assert torch._C._get_cudnn_allow_tf32() == before


SIZE = (16, 16)


class Hungry(nn.Module):
    """Has room for `room` pictures at a time, and notes how many it was given."""

    def __init__(self, room: int, error: Callable[[], Exception]) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3)
        self.room, self.error = room, error
        self.given: list[int] = []


def fed(network: Any, batch: Tensor) -> list[Tensor]:
    network.given.append(len(batch))
    if len(batch) > network.room:
        raise network.error()
    return [network.first(batch)]


ERRORS = [
    lambda: torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3 GiB"),
    lambda: RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried"),
    lambda: RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."),
    lambda: RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"),
    lambda: RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    MemoryError,
]


def hungry(room: int, error: Callable[[], Exception] = ERRORS[0]) -> tuple[TorchBackbone, Hungry]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Hungry(room, error)
    given: dict[str, Any] = {"mean": (0.0,) * 3, "std": (1.0,) * 3, "options": Options(device="cpu", engine="torch")}
    made = TorchBackbone(
        name="hungry", model="h", network=network, feature=Feature(fed, "a", "none"), preprocess=Preprocess(SIZE), **given
    )
    network.given.clear()
    return made, network


@pytest.mark.parametrize("error", ERRORS)
def test_a_batch_that_does_not_fit_is_halved(error: Callable[[], Exception]) -> None:
    roomy, _ = hungry(99)
    narrow, network = hungry(3, error)
    batch = np.random.default_rng(0).integers(0, 256, (10, *SIZE, 3), dtype=np.uint8)
    np.testing.assert_allclose(narrow.embed(batch), roomy.embed(batch), atol=1e-6)
    assert network.given == [10, 5, 2, 2, 1, 2, 2, 1]
    # It is remembered.
    narrow.embed(batch[:3])
    assert network.given[8:] == [2, 1]


def test_a_network_that_does_not_fit_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(nn.Module, "to", full)
    with pytest.raises(HowfarError, match="hungry does not fit the memory of cpu"):
        hungry(9)


def test_mixed_precision_is_another_feature_nearby() -> None:
    full, mixed = (
        howfar.load_backbone("efficientnet_lite0", engine="torch"),
        howfar.load_backbone("efficientnet_lite0", precision="bf16"),
    )
    batch = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)
    exact, rounded = full.embed(batch), mixed.embed(batch)
    cosines = (exact * rounded).sum(axis=1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(rounded, axis=1)
    assert (cosines > 0.999).all()
    assert np.abs(exact - rounded).max() > 1e-5
    assert rounded.dtype == np.float32
    assert mixed.identity["dtype"] == "bfloat16"
    assert {**mixed.identity, "dtype": "float32"} == full.identity


# q of the paper's models at full size, from shapes alone: networks without weights, in their published configuration

SEGMENTERS = {"deepcrack": (6_121_472, 448), "unetplusplus": (2_740_864, 448), "adsam": (1_048_576, 1024)}


@pytest.mark.parametrize("name", SEGMENTERS)
def test_length_of_trained_segmenters(name: str) -> None:
    length, side = SEGMENTERS[name]
    options = {"encoder": "b3"} if name == "unetplusplus" else {}
    with torch.device("meta"), torch.no_grad():
        network = build_segmenter(name, options, pretrained=False).eval()
        maps = network.encode(torch.rand(1, 3, side, side))
    assert sum(one.numel() for one in maps) == length
