"""Define a segmenter with a frozen encoder (any backbone of timm or transformers) and a small trained decoder."""

from __future__ import annotations

import inspect
import json
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch
import torch.nn.functional as functional
import xxhash
from torch import Tensor, nn

from howfar import registry
from howfar.errors import HowfarError, InputError, MissingPathError, one_line
from howfar.segmenters.input_normalisation import Normalise, OneMapNetwork, check_sides
from howfar.weights.hub_downloads import HUB_ID
from howfar.weights.hub_models import model_of


def prepare(network: nn.Module) -> nn.Module:
    """Remove a network's classifier or trained pooling; timm ViTs then accept any size divisible by the patch size."""
    changed: Any = network
    if hasattr(network, "config") and hasattr(network.config, "to_json_string"):
        pooler = getattr(network, "pooler", None)
        if isinstance(pooler, nn.Module) and any(True for _ in pooler.parameters()):
            # Many published weights lack it, and no map needs it.
            changed.pooler = None
        return network
    if not hasattr(network, "forward_intermediates") or not hasattr(network, "pretrained_cfg"):
        rule = "must be a network of timm or transformers that has feature maps"
        raise InputError.of("frozen's encoder", rule, type(network).__name__, "name timm:resnet18, say")
    changed.reset_classifier(0)
    if hasattr(network, "dynamic_img_size"):
        # What timm itself sets for a network that it makes with dynamic_img_size=True.
        from timm.layers.format import Format

        changed.dynamic_img_size = True
        patches = changed.patch_embed
        patches.strict_img_size, patches.flatten, patches.output_fmt = False, False, Format.NHWC
    return network


def maps_of(network: Any, pictures: Tensor) -> tuple[Tensor, ...]:
    """Compute the last map of each stride, (b, c, h', w'), largest first, of normalised images (b, 3, h, w).

    Tokens of a ViT become a grid of patches; those that stand for no patch (class, registers) are left out.
    """
    maps: Sequence[Tensor | None]
    if hasattr(network, "forward_intermediates"):
        strides = [entry["reduction"] for entry in network.feature_info]
        last = sorted({stride: index for index, stride in enumerate(strides)}.values())
        maps = network.forward_intermediates(pictures, indices=last, norm=True, intermediates_only=True)
    else:
        tower = getattr(network, "vision_model", network) if hasattr(network, "get_image_features") else network
        option = "interpolate_pos_encoding"
        more = {option: True} if option in inspect.signature(tower.forward).parameters else {}
        output = tower(pixel_values=pictures, output_hidden_states=True, **more)
        states = getattr(output, "reshaped_hidden_states", None) or getattr(output, "hidden_states", None) or ()
        config = getattr(tower.config, "vision_config", tower.config)
        # The last hidden state comes last: of a ViT it is the last block's, normalised.
        every = [*states, getattr(output, "last_hidden_state", None)]
        maps = [_grid(state, pictures, getattr(config, "patch_size", None)) for state in every if state is not None]
    by_size = {(map_.shape[2], map_.shape[3]): map_ for map_ in maps if map_ is not None}
    if not by_size:
        rule = "must have maps or tokens that lie in a grid of patches"
        raise InputError.of("frozen's encoder", rule, type(network).__name__, "name another")
    return tuple(by_size[size] for size in sorted(by_size, reverse=True))


def _grid(state: Tensor, pictures: Tensor, patch: Any) -> Tensor | None:
    """Return a hidden state as (b, c, h', w'); None if it is not a grid with the image's proportions."""
    height, width = pictures.shape[2:]
    if state.ndim == 4:
        return state if state.shape[2] * width == state.shape[3] * height else None
    if state.ndim != 3 or not isinstance(patch, (int, list, tuple)):
        return None
    down, across = (patch, patch) if isinstance(patch, int) else patch
    rows, columns = height // down, width // across
    # Tokens of no patch come before those of the patches.
    beside = state.shape[1] - rows * columns
    if beside < 0:
        return None
    return state[:, beside:].transpose(1, 2).reshape(len(state), -1, rows, columns)


LITE0 = "efficientnet_lite0"
LITE0_TIMM = "timm:tf_efficientnet_lite0"


class Encoder(nn.Module):
    """Compute a frozen network's feature maps, largest first, always in evaluation mode and without gradients.

    `size` is (height, width) of the images that it was made for, `weights` the hash of its weights, None where they are random.
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
        self.strides = tuple(size[0] // map_.shape[2] for map_ in maps)
        for stride, map_ in zip(self.strides, maps, strict=True):
            if size != (stride * map_.shape[2], stride * map_.shape[3]):
                shape = f"{map_.shape[2]}×{map_.shape[3]} of pictures of {size[0]}×{size[1]}"
                raise InputError.of("frozen's encoder", "must have maps whose sides divide the picture's", shape)
        self.multiple = math.lcm(*self.strides)

    def forward(self, pictures: Tensor) -> tuple[Tensor, ...]:
        """Compute maps (b, c, h', w') of images (b, 3, h, w) of 0-1; an unsupported image size raises `InputError`."""
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
        """Stay in evaluation mode, so that training does not change batch norm statistics."""
        return super().train(False)

    def describe(self) -> Mapping[str, Any]:
        """Return JSON values for `restore_encoder`, with the hash of the weights."""
        config = getattr(self.network, "config", None)
        described: dict[str, Any] = {"size": list(self.size), "encoder_weights": self.weights}
        if config is None:
            import timm

            # The tag of published weights, on which a network's sizes may depend, is part of the name.
            published: Any = self.network.pretrained_cfg
            name, tag = str(published["architecture"]), published.get("tag")
            tagged = tag and f"{name}.{tag}" in timm.list_pretrained(f"{name}.*")
            return {**described, "timm": f"{name}.{tag}" if tagged else name}
        values = json.loads(config.to_json_string(use_diff=False))
        # The folder's path is kept among the options; code of a hub's is never run.
        kept = {key: values[key] for key in values if key not in ("_name_or_path", "auto_map")}
        return {**described, "transformers": type(self.network).__name__, "config": kept}


def restore_encoder(architecture: Mapping[str, Any]) -> Encoder:
    """Build an encoder with random weights from a checkpoint's description; raises `InputError` if that is invalid."""
    sides, timm, kind = (architecture.get(key) for key in ("size", "timm", "transformers"))
    sized = isinstance(sides, list) and len(sides) == 2 and all(isinstance(side, int) and 0 < side < 1 << 14 for side in sides)
    if not sized or not (isinstance(timm, str) or isinstance(kind, str)):
        raise InputError("the checkpoint does not hold the description of a frozen encoder: train again")
    size, weights = _pair(sides), architecture.get("encoder_weights")
    if isinstance(timm, str):
        return _loaded(f"timm:{timm}", f"timm:{timm}", False, size, weights)
    network = model_of("frozen", str(kind), architecture.get("config"), "the checkpoint")
    # The statistics come with the checkpoint's weights.
    return Encoder(network, {"mean": (0.0,) * 3, "std": (1.0,) * 3}, size, weights)


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
        rule = "must be a network of timm or transformers that has feature maps"
        remedy = f"name {LITE0}, timm:resnet18 or facebook/dinov2-small, say"
        raise InputError.of("frozen's encoder", rule, called, remedy)
    used = backbone.identity["preprocessing"]
    hashed = weights if pretrained is False else backbone.identity["weights"]
    try:
        return Encoder(network, used, size or _pair(used["size"]), hashed)
    except InputError as error:
        raise InputError(f"{called}: {error}") from error


def _pair(size: Any) -> tuple[int, int]:
    height, width = size
    return int(height), int(width)


Kind: TypeAlias = Literal["conv", "linear"]
_FINE = 2  # stride at which the convolutions stop enlarging; what is left is bilinear


class SpatialDecoder(nn.Module):
    """Compute logits (b, 1, h, w) from maps (b, cᵢ, hᵢ, wᵢ), largest first.

    Each map is normalised by batch norm and mapped linearly (1 × 1) to one channel (``linear``) or to `width` of them
    (``conv``); all are enlarged bilinearly to the largest map and added. ``linear`` ends here. ``conv`` goes on with a 3 × 3
    convolution, and with one more after each doubling of the sides until the stride is below 4.
    """

    def __init__(self, channels: Sequence[int], strides: Sequence[int], kind: Kind, width: int) -> None:
        super().__init__()
        inner = 1 if kind == "linear" else width
        self.norms = nn.ModuleList(nn.BatchNorm2d(count) for count in channels)
        # One bias is enough for a sum.
        self.joins = nn.ModuleList(nn.Conv2d(count, inner, 1, bias=place == 0) for place, count in enumerate(channels))
        doublings = 0
        while kind == "conv" and strides[0] / 2**doublings >= 2 * _FINE:
            doublings += 1
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(inner, inner, 3, padding=1, bias=False), nn.BatchNorm2d(inner), nn.ReLU())
            for _ in range(doublings + 1 if kind == "conv" else 0)
        )
        self.last = nn.Conv2d(width, 1, 1) if kind == "conv" else nn.Identity()

    def forward(self, maps: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
        """Compute logits at `size` (height, width)."""
        joined = [join(norm(map_)) for norm, join, map_ in zip(self.norms, self.joins, maps, strict=True)]
        x = torch.stack([_enlarged(map_, joined[0].shape[2:]) for map_ in joined]).sum(0) if len(joined) > 1 else joined[0]
        for place, block in enumerate(self.blocks):
            x = block(x if place == 0 else _enlarged(x, (2 * x.shape[2], 2 * x.shape[3])))
        return _enlarged(self.last(x), size)


def _enlarged(map_: Tensor, size: Sequence[int]) -> Tensor:
    if tuple(map_.shape[2:]) == tuple(size):
        return map_
    return functional.interpolate(map_, tuple(size), mode="bilinear", align_corners=False)


_LOG = logging.getLogger("howfar")


class KeptFeatures:
    """Cache the maps of distinct images in up to `limit` bytes; maps of further images are recomputed each time.

    Each image is encoded by itself, so that neither its batch nor what is kept changes a bit of its maps. Nothing is evicted,
    since all images come in every epoch. Maps are kept on the CPU.
    """

    def __init__(self, encode: Callable[[Tensor], tuple[Tensor, ...]], limit: int) -> None:
        self._encode, self._left = encode, limit
        self._maps: dict[bytes, tuple[Tensor, ...]] = {}
        self._full = False

    def __call__(self, pictures: Tensor) -> tuple[Tensor, ...]:
        """Return the maps of a batch (b, 3, h, w), on the batch's device."""
        each = []
        for picture in pictures[:, None]:
            key = xxhash.xxh3_128_digest(picture.cpu().contiguous().numpy().data)
            maps = self._maps.get(key)
            if maps is None:
                maps = tuple(map_.cpu() for map_ in self._encode(picture.contiguous(memory_format=torch.channels_last)))
                size = sum(map_.nbytes for map_ in maps)
                if size <= self._left:
                    self._left -= size
                    self._maps[key] = maps
                elif not self._full:
                    self._full = True
                    _LOG.warning(
                        "the features of %d pictures fill the memory that they may take; those of the others are computed anew "
                        "in each epoch: give more (--memory), a smaller size, or fewer views",
                        len(self._maps),
                    )
            each.append(maps)
        # Copies: what was computed in inference mode cannot be learnt from itself.
        return tuple(torch.cat(maps).to(pictures.device) for maps in zip(*each, strict=True))


class Frozen(OneMapNetwork):
    """Segment by a frozen encoder's feature maps and a trained decoder; a training draws from `views` flips and turns."""

    name = "frozen"

    def __init__(self, encoder: Encoder, kind: Kind, width: int, views: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = SpatialDecoder(encoder.channels, encoder.strides, kind, width)
        self.multiple, self.views = encoder.multiple, views
        self._kept: KeptFeatures | None = None

    def forward(self, pictures: Tensor) -> Tensor:
        """Compute logits (b, 1, h, w) of images (b, 3, h, w) of 0-1; sides unsupported by the encoder raise `InputError`."""
        check_sides(self.name, pictures, self.multiple)
        maps = self.encoder(pictures) if self._kept is None else self._kept(pictures)
        logits: Tensor = self.decoder(maps, (pictures.shape[2], pictures.shape[3]))
        return logits

    def encode(self, pictures: Tensor) -> tuple[Tensor, ...]:
        """Compute the encoder's maps, one per stride, largest first; for a ViT, the patch grid."""
        check_sides(self.name, pictures, self.multiple)
        maps: tuple[Tensor, ...] = self.encoder(pictures)
        return maps

    @contextmanager
    def keeping_features(self, limit: int) -> Iterator[None]:
        """Cache encoder features within the block, in at most `limit` bytes, so that each image is encoded once."""
        self._kept = KeptFeatures(self.encode, limit)
        try:
            yield
        finally:
            self._kept = None


def build(options: Any, pretrained: bool | Path) -> Frozen:
    """Build the network with the encoder that the options name: a backbone's name, a hub id or a local folder."""
    name = encoder = options.encoder
    if ":" not in encoder and (Path(encoder).expanduser().is_dir() or HUB_ID.fullmatch(encoder)):
        name = f"transformers:{encoder}"
    elif "/" in encoder and ":" not in encoder:
        raise MissingPathError(f"frozen's encoder must be a backbone's name, a folder, or a hub id, and {encoder!r} is none")
    if name == LITE0 and pretrained is not True:
        # The backbone of that name has the packaged weights and no others.
        name = LITE0_TIMM
    return Frozen(_loaded(name, encoder, pretrained), options.decoder, options.width, options.views)


def restore(options: Any, architecture: Mapping[str, Any]) -> Frozen:
    """Build the network from its description, without the encoder's folder."""
    return Frozen(restore_encoder(architecture), options.decoder, options.width, options.views)
