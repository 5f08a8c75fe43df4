"""Any vision model of the transformers library: by hub id or local folder, as ``transformers:facebook/dinov2-small``."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from howfar.backbones.family import BackboneFamily, Card, Options
from howfar.backbones.hub_models import (
    WANTED,
    checked_folder,
    model_word,
    one_line,
    random_model,
    read_json,
    read_model,
    transformers_for,
)
from howfar.backbones.hub_processor_config import Input, input_of
from howfar.backbones.preprocessing import Preprocess
from howfar.errors import InputError, MissingPathError
from howfar.weights.hub import CONFIG_FILE, PREPROCESSOR_FILE, hub_folder

# torch is imported when a network is built, so that listing the cards stays cheap.
if TYPE_CHECKING:
    from torch import Tensor

    from howfar.backbones.torch_backbone import Network

HUB_ID: Final = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


def build_transformers(options: Options) -> Network:
    """Build a vision model that transformers' ``AutoModel`` knows.

    The feature is the last hidden state, in C order of what the model returns, or its pooled vector with `pool`; of a model
    of pictures and text, its picture's tower, or the embedding that it compares with text. Weights come from
    `options.weights` (a folder in the hub's format, or a state dict of the model's configuration), or else from the folder
    that `options.model` names, the hub's cache or the hub; they are random, of one seed, where `options.pretrained` is False.
    Input size, filter, mean and standard deviation are those of ``preprocessor_config.json``, unless `options` says others.

    Raises
    ------
    MissingExtraError
        transformers or torch is absent.
    MissingPathError
        A folder lacks a file, or the hub's files are neither cached nor within reach.
    InputError
        The model takes no pictures or has no such feature, or the weights are damaged.
    """
    name = f"transformers:{options.model or options.weights}"
    library = transformers_for(name)
    from howfar.backbones.torch_backbone import Feature, Network

    folder = _folder(name, options)
    network = _loaded(name, library, folder, options)
    seen = _seen(name, folder, network, options)
    layer, pooling = ("pooled", "own") if options.pool else ("last hidden state", "none")
    red, green, blue = (min(255, max(0, round(255 * part))) for part in seen.mean)
    return Network(
        name=name,
        # Where it lies, or what the hub calls it, is no part of the feature.
        kind=f"transformers:{network.config.model_type}",
        model=model_word(network),
        network=network,
        feature=Feature(partial(_pooled if options.pool else _last_hidden, name), layer, pooling),
        preprocess=Preprocess((seen.size[0], seen.size[1]), options.fit, options.via, seen.interpolation, (red, green, blue)),
        mean=seen.mean,
        std=seen.std,
        device=options.device,
        engine=options.engine,
        precision=options.precision,
    )


def _folder(name: str, options: Options) -> Path:
    """Where the configuration lies, and the weights unless a file of them is given."""
    model, weights = options.model, options.weights
    given = weights if weights is not None and weights.is_dir() else None
    alone = (weights is not None and given is None) or not options.pretrained
    wanted = ((CONFIG_FILE,),) if alone else WANTED
    if given is None and model is None:
        raise InputError.of("transformers", "must name a model", None, "write transformers:facebook/dinov2-small, say")
    if given is None and model is not None and Path(model).expanduser().is_dir():
        given = Path(model).expanduser()
    if given is None and HUB_ID.fullmatch(str(model)) is None:
        raise MissingPathError(f"transformers must name a local folder or a hub id, and {model!r} is neither")
    found = given or hub_folder(name, str(model), wanted, (PREPROCESSOR_FILE,))
    return checked_folder(name, found, wanted)


def _loaded(name: str, library: Any, folder: Path, options: Options) -> Any:
    import torch

    try:
        config = library.AutoConfig.from_pretrained(folder, local_files_only=True)
        with torch.device("meta"):
            model: Any = type(library.AutoModel.from_config(config))
    # A type that this transformers does not know, and values that its strict configurations refuse.
    except Exception as error:
        raise InputError(f"{name}: {folder / CONFIG_FILE} cannot be read ({one_line(error)})") from error
    if config.model_type == "timm_wrapper":
        # What its pictures must look like stands elsewhere than a processor's settings.
        raise InputError.of(name, "must not be one of timm's", str(folder), "write timm:MODEL, with weights=FILE if need be")
    if model.main_input_name != "pixel_values" and not hasattr(model, "get_image_features"):
        raise InputError.of(name, "must be a model of pictures", config.model_type, "of anything else, pass embeddings")
    # A classifier's checkpoint may lack the pooler, of which the last hidden state has no need.
    optional = None if options.pool else "pooler"
    weights = options.weights
    if weights is None and not options.pretrained:
        return random_model(lambda: model(config))
    if weights is None or weights.is_dir():
        return read_model(name, folder, model.from_pretrained, optional)
    from howfar.weights.state_dicts import read_state_dict

    state = read_state_dict(weights)
    return read_model(name, weights, model.from_pretrained, optional, config=config, state_dict=state)


def _seen(name: str, folder: Path, network: Any, options: Options) -> Input:
    file = folder / PREPROCESSOR_FILE
    config = getattr(network.config, "vision_config", network.config)
    own = getattr(config, "image_size", None)
    found = input_of(read_json(file) if file.is_file() else {}, own if isinstance(own, (int, list, tuple)) else None)
    size = options.sides or found.size
    if len(size) != 2:
        raise InputError.of("size", f"must be given for {name}, which says none", None, "pass size=224, say")
    return Input(
        size,
        found.interpolation,
        tuple(found.mean if options.mean is None else options.mean),
        tuple(found.std if options.std is None else options.std),
    )


def _last_hidden(name: str, network: Any, batch: Tensor) -> tuple[Tensor, ...]:
    tower = getattr(network, "vision_model", network) if hasattr(network, "get_image_features") else network
    return (_part(name, tower(pixel_values=batch), "last_hidden_state", "name another model, or use howfar.backbones.module"),)


def _pooled(name: str, network: Any, batch: Tensor) -> tuple[Tensor, ...]:
    both = hasattr(network, "get_image_features")
    output = network.get_image_features(pixel_values=batch) if both else network(pixel_values=batch)
    # google/efficientnet-b3, say, has its means as (b, c, 1, 1).
    return (_part(name, output, "pooler_output", "pass pool=False").flatten(1),)


def _part(name: str, output: Any, attribute: str, remedy: str) -> Tensor:
    part: Tensor | None = getattr(output, attribute, None)
    if part is None:
        raise InputError.of(name, f"must have a {attribute}", type(output).__name__, remedy)
    return part


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
)
