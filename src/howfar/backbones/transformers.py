"""Build any vision model of transformers as a backbone, by hub id or folder: ``transformers:facebook/dinov2-small``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from howfar.backbones.family import BackboneFamily, Card, Options
from howfar.backbones.hub_models import (
    REQUIRED_FILES,
    checked_folder,
    describe_architecture,
    folder_origin,
    random_model,
    read_json,
    read_model,
)
from howfar.backbones.hub_processor_config import ModelInput, model_input
from howfar.errors import InputError, MissingPathError, one_line
from howfar.weights.hub import CONFIG_FILE, HUB_ID, PREPROCESSOR_FILE, hub_folder, transformers_for

# torch is imported when a network is built, so that listing the cards stays cheap.
if TYPE_CHECKING:
    from torch import Tensor

    from howfar.backbones.torch_backbone import TorchBackbone


def build_transformers(options: Options) -> TorchBackbone:
    """Build a vision model that transformers' ``AutoModel`` can load.

    The feature is the last hidden state, in C order of what the model returns, or its pooled vector with `pool`; for a model
    of images and text, the image tower's hidden state, or the embedding that it compares with text. Weights come from
    `options.weights` (a folder in the hub's format, or a state dict of the model's configuration), or else from the folder
    that `options.model` names, the hub's cache or the hub; they are random, of one seed, where `options.pretrained` is False.
    Input size, filter, mean and standard deviation are those of ``preprocessor_config.json``, unless `options` gives others. A
    model that takes no images or has no such feature raises `InputError`; the other errors are those of `build_published`.
    """
    name = f"transformers:{options.model or options.weights}"
    library = transformers_for(name)
    from howfar.backbones.torch_backbone import Feature, TorchBackbone

    folder = _folder(name, options)
    network = _loaded(name, library, folder, options)
    image = _model_input(name, folder, network, options)
    layer, pooling = ("pooled", "own") if options.pool else ("last hidden state", "none")
    return TorchBackbone.of(
        options,
        name=name,
        # The folder's path or the hub id does not change the feature.
        kind=f"transformers:{network.config.model_type}",
        model=describe_architecture(network),
        network=network,
        feature=Feature(partial(_pooled if options.pool else _last_hidden, name), layer, pooling),
        size=(image.size[0], image.size[1]),
        interpolation=image.interpolation,
        mean=image.mean,
        std=image.std,
    )


def _folder(name: str, options: Options) -> Path:
    """Find the folder of the configuration, and of the weights unless they are given as a file."""
    model, weights = options.model, options.weights
    local = weights if weights is not None and weights.is_dir() else None
    config_only = (weights is not None and local is None) or not options.pretrained
    required = ((CONFIG_FILE,),) if config_only else REQUIRED_FILES
    if local is None and model is None:
        raise InputError.of("transformers", "must name a model", None, "write transformers:facebook/dinov2-small, say")
    if local is None and model is not None and Path(model).expanduser().is_dir():
        local = Path(model).expanduser()
    if local is None and HUB_ID.fullmatch(str(model)) is None:
        raise MissingPathError(f"transformers must name a local folder or a hub id, and {model!r} is neither")
    folder = local or hub_folder(name, str(model), required, (PREPROCESSOR_FILE,))
    return checked_folder(name, folder, required)


def _loaded(name: str, library: Any, folder: Path, options: Options) -> Any:
    import torch

    try:
        config = library.AutoConfig.from_pretrained(folder, local_files_only=True)
        with torch.device("meta"):
            model: Any = type(library.AutoModel.from_config(config))
    # The model's type may be unknown to this version of transformers, or its strict configurations refuse a value.
    except Exception as error:
        raise InputError(f"{name}: {folder / CONFIG_FILE} cannot be read ({one_line(error)})") from error
    if config.model_type == "timm_wrapper":
        # timm's preprocessing is not described by a processor's configuration.
        raise InputError.of(name, "must not be one of timm's", str(folder), "write timm:MODEL, with weights=FILE if need be")
    if model.main_input_name != "pixel_values" and not hasattr(model, "get_image_features"):
        raise InputError.of(name, "must be a model of pictures", config.model_type, "of anything else, pass embeddings")
    # A classifier's checkpoint may lack the pooler, which the last hidden state does not need.
    optional = None if options.pool else "pooler"
    weights = options.weights
    if weights is None and not options.pretrained:
        return random_model(lambda: model(config))
    if weights is None or weights.is_dir():
        return read_model(name, folder, model.from_pretrained, optional)
    from howfar.weights.state_dicts import read_state_dict

    state = read_state_dict(weights)
    return read_model(name, weights, model.from_pretrained, optional, config=config, state_dict=state)


def _model_input(name: str, folder: Path, network: Any, options: Options) -> ModelInput:
    file = folder / PREPROCESSOR_FILE
    config = getattr(network.config, "vision_config", network.config)
    side = getattr(config, "image_size", None)
    image = model_input(read_json(file) if file.is_file() else {}, side if isinstance(side, (int, list, tuple)) else None)
    size = options.sides or image.size
    if len(size) != 2:
        raise InputError.of("size", f"must be given for {name}, which says none", None, "pass size=224, say")
    mean, std = image.mean if options.mean is None else options.mean, image.std if options.std is None else options.std
    return ModelInput(size, image.interpolation, tuple(mean), tuple(std))


def _last_hidden(name: str, network: Any, batch: Tensor) -> tuple[Tensor, ...]:
    tower = getattr(network, "vision_model", network) if hasattr(network, "get_image_features") else network
    return (_part(name, tower(pixel_values=batch), "last_hidden_state", "name another model, or use howfar.backbones.module"),)


def _pooled(name: str, network: Any, batch: Tensor) -> tuple[Tensor, ...]:
    both = hasattr(network, "get_image_features")
    output = network.get_image_features(pixel_values=batch) if both else network(pixel_values=batch)
    # Some models return (b, c, 1, 1): google/efficientnet-b3, for one.
    return (_part(name, output, "pooler_output", "pass pool=False").flatten(1),)


def _part(name: str, output: Any, attribute: str, remedy: str) -> Tensor:
    tensor: Tensor | None = getattr(output, attribute, None)
    if tensor is None:
        raise InputError.of(name, f"must have a {attribute}", type(output).__name__, remedy)
    return tensor


TRANSFORMERS: Final = BackboneFamily(
    Card(
        "transformers",
        None,
        "the model's own",
        "a local folder in the hub's format, or the hub",
        "the weights' own",
        "any vision model of transformers by hub id or folder, as transformers:facebook/dinov2-small: last hidden state",
    ),
    build_transformers,
    takes=("model", "device", "weights", "pretrained", "pool", "fit", "via", "size", "mean", "std", "engine", "precision"),
    defaults={"pool": False},
    folder=True,
    origin=folder_origin,
)
