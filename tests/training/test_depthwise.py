from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from howfar.training.compute import depthwise_in_float32, is_depthwise


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, groups=8), nn.Conv2d(8, 8, 3, groups=4))


def dtypes(layers: nn.Sequential) -> list[torch.dtype]:
    seen: list[torch.dtype] = []
    handles = [layer.register_forward_hook(lambda _, __, out: seen.append(out.dtype)) for layer in layers]
    with torch.autocast("cpu", torch.bfloat16):
        layers(torch.ones(1, 3, 12, 12))
    for handle in handles:
        handle.remove()
    return seen


def test_depthwise_layers_alone_compute_in_float32_and_only_inside() -> None:
    layers = network()
    assert [is_depthwise(layer) for layer in layers] == [False, True, False]
    with depthwise_in_float32(layers):
        assert dtypes(layers) == [torch.bfloat16, torch.float32, torch.bfloat16]
    assert dtypes(layers) == [torch.bfloat16] * 3
    with pytest.raises(KeyError), depthwise_in_float32(layers):
        raise KeyError
    assert "forward" not in vars(layers[1])


def test_a_convolution_of_one_channel_is_none_of_them() -> None:
    assert not is_depthwise(nn.Conv2d(1, 1, 3))


def test_gradients_are_those_of_float32() -> None:
    layer = nn.Conv2d(8, 8, 3, groups=8)

    def gradient() -> Tensor:
        layer.zero_grad()
        layer(torch.arange(512.0).reshape(1, 8, 8, 8) / 512).square().sum().backward()
        assert layer.weight.grad is not None
        return layer.weight.grad.clone()

    exact = gradient()
    with torch.autocast("cpu", torch.bfloat16):
        rounded = gradient()
        with depthwise_in_float32(layer):
            torch.testing.assert_close(gradient(), exact, rtol=0, atol=0)
    assert not torch.equal(rounded, exact)
