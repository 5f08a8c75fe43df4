"""Networks that need more memory than there is, and mixed precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import howfar
from howfar.backbones.preprocessing import Preprocess
from howfar.backbones.torch_backbone import Feature, TorchBackbone, fitting
from howfar.errors import HowfarError, InputError
from howfar.pipeline.embedding import _batch_size

SIZE = (16, 16)


def pictures(count: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, *SIZE, 3), dtype=np.uint8)


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


def hungry(room: int, error: Callable[[], Exception] = ERRORS[0], **options: Any) -> tuple[TorchBackbone, Hungry]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Hungry(room, error)
    given: dict[str, Any] = {"mean": (0.0,) * 3, "std": (1.0,) * 3, "device": "cpu", "engine": "torch", **options}
    made = TorchBackbone(
        name="hungry", model="h", network=network, feature=Feature(fed, "a", "none"), preprocess=Preprocess(SIZE), **given
    )
    network.given.clear()
    return made, network


@pytest.mark.parametrize("error", ERRORS)
def test_a_batch_that_does_not_fit_is_halved(error: Callable[[], Exception]) -> None:
    roomy, _ = hungry(99)
    narrow, network = hungry(3, error)
    batch = pictures(10)
    np.testing.assert_allclose(narrow.embed(batch), roomy.embed(batch), atol=1e-6)
    assert network.given == [10, 5, 2, 2, 1, 2, 2, 1]
    # It is remembered.
    narrow.embed(batch[:3])
    assert network.given[8:] == [2, 1]


def test_one_picture_too_many_is_one_line() -> None:
    narrow, network = hungry(99)
    network.room = 0
    with pytest.raises(HowfarError, match=r"hungry needs more memory than cpu has for one picture of 16×16: choose a smaller"):
        narrow.embed(pictures(2))


@pytest.mark.parametrize("error", ERRORS)
def test_one_picture_too_many_at_the_first_trial(error: Callable[[], Exception]) -> None:
    with pytest.raises(HowfarError, match=r"hungry needs more memory than cpu has for one picture of 16×16"):
        hungry(0, error)


def test_a_network_that_does_not_fit_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(nn.Module, "to", full)
    with pytest.raises(HowfarError, match="hungry does not fit the memory of cpu"):
        hungry(9)


def test_another_error_is_not_taken_for_it() -> None:
    narrow, network = hungry(99, lambda: RuntimeError("shapes differ"))
    network.room = 0
    with pytest.raises(RuntimeError, match="shapes differ"):
        narrow.embed(pictures(2))
    assert network.given == [2]


@pytest.mark.parametrize(("free", "each", "expected"), [(32e9, 1e9, 16), (31.9e9, 1e9, 8), (1.0, 1e9, 1), (1e12, 1.0, 256)])
def test_what_fits(free: float, each: float, expected: int) -> None:
    assert fitting(free, each) == expected


def test_the_narrowest_backbone_sets_the_batch() -> None:
    one, other = hungry(9)[0], hungry(9)[0]
    assert _batch_size([one, other]) == 16
    one.batch_size, other.batch_size = 64, 32
    # The trivial ones are content with any.
    assert _batch_size([one, other, howfar.load_backbone("pixels")]) == 32
    assert _batch_size([howfar.load_backbone("pixels")]) == 16


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


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"precision": "fp16", "device": "cpu"}, "precision must be 32 or bf16 on a CPU, got 'fp16'"),
        ({"precision": "64"}, "precision must be one of 32, bf16, fp16, got '64'"),
        ({"engine": "tensorrt"}, "engine must be one of auto, torch, compile, got 'tensorrt'"),
    ],
)
def test_what_cannot_be_is_one_line(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        howfar.load_backbone("efficientnet_lite0", **options)


def test_what_overflows_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    made, network = hungry(9)
    # As on a GPU: a CPU takes no fp16.
    made._dtype = torch.float16
    monkeypatch.setattr(made, "_set", lambda: torch.no_grad())
    network.first.weight.data.fill_(float("inf"))
    with pytest.raises(HowfarError, match="beyond what fp16 holds"):
        made.embed(pictures(1))
