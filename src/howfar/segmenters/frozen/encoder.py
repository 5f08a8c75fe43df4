"""Load a backbone as a frozen encoder whose feature maps, one for each stride, are what a decoder learns from."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from howfar import registry
from howfar.errors import HowfarError, InputError, MissingPathError, one_line
from howfar.segmenters.frozen.spatial_maps import maps_of, prepare
from howfar.segmenters.normalisation import Normalise
from howfar.weights.hub import HUB_ID, transformers_for

LITE0 = "efficientnet_lite0"
LITE0_TIMM = "timm:tf_efficientnet_lite0"


class Encoder(nn.Module):
    """Compute a frozen network's feature maps: always in evaluation mode, without gradients, largest map first.

    `network` is one of timm or transformers; `mean` and `std` are of each channel of a 0-1 image, `size` (height, width) of
    the images that it was made for. `weights` is the hash of its weights, None where they are random. A network without
    feature maps raises `InputError`.
    """

    def __init__(self, network: nn.Module, statistics: Mapping[str, Any], size: tuple[int, int], weights: str | None) -> None:
        super().__init__()
        self.normalise = Normalise(statistics["mean"], statistics["std"])
        # The backbone left it channels last, which a file of weights cannot be written from.
        layout: dict[str, Any] = {"memory_format": torch.contiguous_format}
        self.network = prepare(network).requires_grad_(False).to(**layout)
        self.size, self.weights = size, weights
        self.eval()
        maps = self(torch.zeros(1, 3, *size))
        self.channels = tuple(map_.shape[1] for map_ in maps)
        self.strides = tuple(_stride(size, map_) for map_ in maps)
        self.multiple = math.lcm(*self.strides)

    def forward(self, pictures: Tensor) -> tuple[Tensor, ...]:
        """Compute maps (b, c, h', w') of images (b, 3, h, w) of 0-1; a network that cannot take them raises `InputError`."""
        with torch.no_grad():
            try:
                return maps_of(self.network, self.normalise(pictures))
            except HowfarError:
                raise
            # Each network has its own error for an input that it cannot take.
            except Exception as error:
                shape = tuple(pictures.shape[2:])
                raise InputError(f"the encoder cannot take pictures of {shape[0]}×{shape[1]} ({one_line(error)})") from error

    def train(self, mode: bool = True) -> Encoder:
        """Stay in evaluation mode, so that batch norm statistics do not change in training."""
        return super().train(False)

    def describe(self) -> Mapping[str, Any]:
        """Give JSON values from which `restore_encoder` builds the network, and the hash of its weights."""
        config = getattr(self.network, "config", None)
        described: dict[str, Any] = {"size": list(self.size), "encoder_weights": self.weights}
        if config is None:
            return {**described, "timm": _timm_name(self.network)}
        values = json.loads(config.to_json_string(use_diff=False))
        # The folder's path is kept among the options; code of a hub's is never run.
        kept = {key: values[key] for key in values if key not in ("_name_or_path", "auto_map")}
        return {**described, "transformers": type(self.network).__name__, "config": kept}


def load_encoder(encoder: str, pretrained: bool | Path) -> Encoder:
    """Load the encoder that a backbone's name, a hub id or a local folder names.

    `pretrained` is True for its published weights, a file of weights, or False for random ones. The errors are those of
    `howfar.load_backbone`; a backbone without feature maps raises `InputError`.
    """
    name = encoder
    if ":" not in encoder and (Path(encoder).expanduser().is_dir() or HUB_ID.fullmatch(encoder)):
        name = f"transformers:{encoder}"
    elif "/" in encoder and ":" not in encoder:
        raise MissingPathError(f"frozen's encoder must be a backbone's name, a folder, or a hub id, and {encoder!r} is none")
    if name == LITE0 and pretrained is not True:
        # The backbone of that name has the packaged weights and no others.
        name = LITE0_TIMM
    return _loaded(name, encoder, pretrained)


def restore_encoder(architecture: Mapping[str, Any]) -> Encoder:
    """Build an encoder with random weights from what a checkpoint holds; what does not describe one raises `InputError`."""
    sides, timm, kind = (architecture.get(key) for key in ("size", "timm", "transformers"))
    if not _is_size(sides) or not (isinstance(timm, str) or isinstance(kind, str)):
        raise InputError("the checkpoint does not hold the description of a frozen encoder: train again")
    size, weights = _pair(sides), architecture.get("encoder_weights")
    if isinstance(timm, str):
        return _loaded(f"timm:{timm}", f"timm:{timm}", False, size, weights)
    network = _of_config(str(kind), architecture.get("config"))
    # The statistics come with the checkpoint's weights.
    return Encoder(network, {"mean": (0.0,) * 3, "std": (1.0,) * 3}, size, weights)


def _of_config(kind: str, config: Any) -> nn.Module:
    """Build a model of transformers by the name of its class and its configuration, with random weights."""
    library = transformers_for("frozen")
    made: Any = getattr(library, kind, None)
    known = isinstance(made, type) and issubclass(made, library.PreTrainedModel)
    if not known or not isinstance(config, Mapping):
        raise InputError("the checkpoint does not hold the description of a frozen encoder: train again")
    try:
        network: nn.Module = made(made.config_class.from_dict(dict(config)))
    # transformers and the libraries that it uses each fail in their own ways.
    except Exception as error:
        raise InputError(f"the configuration of the checkpoint's encoder cannot be read ({one_line(error)})") from error
    return network


def _loaded(
    name: str, called: str, pretrained: bool | Path, size: tuple[int, int] | None = None, weights: str | None = None
) -> Encoder:
    registered, _, model = name.partition(":")
    # Backbones lie above segmenters, and are reached by their registered names alone.
    family = registry.load("backbones", registered)
    given: dict[str, Any] = {"device": "cpu", "pool": False, "engine": "torch"}
    given = {option: value for option, value in given.items() if option in family.takes}
    given |= {"model": model} if model else {}
    given |= {"weights": pretrained} if isinstance(pretrained, Path) else {} if pretrained else {"pretrained": False}
    given |= {"size": size} if size and "size" in family.takes else {}
    backbone = family.build(family.options(given))
    network = getattr(backbone, "network", None)
    if not isinstance(network, nn.Module):
        raise _without_maps(called)
    used = backbone.identity["preprocessing"]
    hashed = weights if pretrained is False else backbone.identity["weights"]
    try:
        return Encoder(network, used, size or _pair(used["size"]), hashed)
    except InputError as error:
        raise InputError(f"{called}: {error}") from error


def _without_maps(called: str) -> InputError:
    rule = "must be a network of timm or transformers that has feature maps"
    return InputError.of("frozen's encoder", rule, called, f"name {LITE0}, timm:resnet18 or facebook/dinov2-small, say")


def _is_size(sides: Any) -> bool:
    return isinstance(sides, list) and len(sides) == 2 and all(isinstance(side, int) and 0 < side < 1 << 14 for side in sides)


def _pair(size: Any) -> tuple[int, int]:
    height, width = size
    return int(height), int(width)


def _stride(size: tuple[int, int], map_: Tensor) -> int:
    stride, rest = divmod(size[0], map_.shape[2])
    if rest or size[1] != stride * map_.shape[3]:
        shape = f"{map_.shape[2]}×{map_.shape[3]} of pictures of {size[0]}×{size[1]}"
        raise InputError.of("frozen's encoder", "must have maps whose sides divide the picture's", shape)
    return stride


def _timm_name(network: Any) -> str:
    """Name a timm network with the tag of its published weights, on which its sizes may depend."""
    import timm

    config = network.pretrained_cfg
    name, tag = str(config["architecture"]), config.get("tag")
    return f"{name}.{tag}" if tag and f"{name}.{tag}" in timm.list_pretrained(f"{name}.*") else name
