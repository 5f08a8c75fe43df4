"""A small torch backbone of two maps, and pictures for it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from howfar.backbones.backbone_family import Options
from howfar.backbones.preprocessing import Preprocess
from howfar.backbones.torch_backbone import Feature, TorchBackbone
from howfar.options import Engines, Floats

SIZE = (32, 24)


class Small(nn.Module):
    """Two layers, with normalisation and dropout, so that training mode would show."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 4, 3, stride=4), nn.BatchNorm2d(4), nn.SiLU(), nn.Dropout(0.5))
        self.second = nn.Conv2d(4, 8, 3, stride=2)


def maps(network: Any, batch: Tensor) -> list[Tensor]:
    first = network.first(batch)
    return [first, network.second(first)]


def small(
    feature: Callable[..., Any] = maps, seed: int = 0, engine: Engines = "auto", precision: Floats = "32", **options: Any
) -> TorchBackbone:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Small()
    mean, std, run = (0.1, 0.2, 0.3), (0.5, 0.6, 0.7), Options(device="cpu", engine=engine, precision=precision)
    given: dict[str, Any] = {"preprocess": Preprocess(SIZE), "mean": mean, "std": std, "options": run, **options}
    return TorchBackbone(name="small", model="small", network=network, feature=Feature(feature, "both", "none"), **given)


def pictures(count: int = 5, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, *SIZE, 3), dtype=np.uint8)
