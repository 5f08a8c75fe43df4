from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from howfar.backbones.preprocessing import Preprocess
from howfar.backbones.torch_backbone import Feature, TorchBackbone, _exact, resolve_device
from howfar.errors import InputError
from howfar.protocols import Backbone
from howfar.testing.backbone_suite import BackboneTests


class Two(nn.Module):
    """Two maps, of 4 and 8 channels."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, stride=4)
        self.second = nn.Conv2d(4, 8, 3, stride=2)
        self.drop = nn.Dropout(0.5)


def both(network: Any, batch: Tensor) -> list[Tensor]:
    first = network.drop(network.first(batch))
    return [first, network.second(first)]


def only_second(network: Any, batch: Tensor) -> list[Tensor]:
    return both(network, batch)[1:]


def words(network: Any, batch: Tensor) -> Any:
    return ["not", "tensors"]


BOTH = Feature(both, "first+second", "none")


def two(feature: Feature = BOTH, seed: int = 0, dtype: torch.dtype = torch.float32) -> TorchBackbone:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Two().to(dtype)
    preprocess = Preprocess((32, 24))
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)
    return TorchBackbone(name="two", model="two", network=network, feature=feature, preprocess=preprocess, mean=mean, std=std)


class TestTwoLayers(BackboneTests):
    length = 4 * 8 * 6 + 8 * 3 * 2

    def make(self, **options: Any) -> Backbone:
        options.pop("device", None)
        return two(**options)

    def changes(self) -> Iterable[Mapping[str, Any]]:
        return ({"feature": Feature(only_second, "second", "none")}, {"seed": 1})


def test_layers_are_flattened_in_c_order_and_concatenated() -> None:
    backbone = two()
    assert backbone.layers == (192, 48)
    batch = np.random.default_rng(0).integers(0, 256, (2, 32, 24, 3), dtype=np.uint8)
    plain = two()._network
    scaled = (batch.astype(np.float32) / 255 - np.float32([0.1, 0.2, 0.3])) / np.float32([0.5, 0.6, 0.7])
    with torch.no_grad():
        first = plain.first(torch.from_numpy(scaled.transpose(0, 3, 1, 2).copy()))
        second = plain.second(first)
    expected = np.concatenate([part.contiguous().numpy().reshape(2, -1) for part in (first, second)], axis=1)
    np.testing.assert_allclose(backbone.embed(batch), expected, rtol=1e-5, atol=1e-5)


def test_frozen_and_in_evaluation() -> None:
    network = two()._network
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_double_precision_becomes_single() -> None:
    backbone = two(dtype=torch.float64)
    assert {parameter.dtype for parameter in backbone._network.parameters()} == {torch.float32}


def test_feature_that_is_no_tensor() -> None:
    with pytest.raises(InputError, match="the feature of two must be tensors"):
        two(Feature(words, "words", "none"))


def test_device_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert resolve_device("auto").type == resolve_device("cpu").type == "cpu"
    for name in ("gpu", "", "xpu", "meta"):
        with pytest.raises(InputError, match="device must be auto, cpu, cuda, cuda:N or mps"):
            resolve_device(name)
    with pytest.raises(InputError, match="device must be on this machine, got 'cuda'"):
        resolve_device("cuda")


def test_cuda_is_taken_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device("auto") == torch.device("cuda")
    assert resolve_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(InputError, match="got 'cuda:2'"):
        resolve_device("cuda:2")


def test_tf32_is_off_on_cuda_and_put_back() -> None:
    before = torch._C._get_cudnn_allow_tf32()
    with _exact(torch.device("cuda")):
        assert not torch._C._get_cudnn_allow_tf32()
        assert torch._C._get_cudnn_deterministic()
    assert torch._C._get_cudnn_allow_tf32() == before
    with _exact(torch.device("cpu")):
        assert torch._C._get_cudnn_allow_tf32() == before
