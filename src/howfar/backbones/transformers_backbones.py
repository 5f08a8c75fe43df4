"""Build a backbone from any vision model of the transformers library, from the Hugging Face hub or a local folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from howfar.backbones.backbone_family import BackboneFamily, Card, Options, Origin
from howfar.backbones.preprocessing import Preprocess
from howfar.errors import InputError, MissingPathError, option
from howfar.weights import hub_downloads
from howfar.weights.hub_models import REQUIRED_FILES, checked_folder, describe_architecture, errors_as, load_model, read_json

if TYPE_CHECKING:
    from torch import Tensor

    from howfar.backbones.torch_backbone import TorchBackbone


# Pillow's numbers; 4 is its box and 5 its Hamming filter.
_FILTERS: Final = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}


def model_input(
    config: Mapping[str, Any], size: int | Sequence[int] | None = None
) -> tuple[tuple[int, ...], str, tuple[float, ...], tuple[float, ...]]:
    """Read a model's input from a processor's configuration: (height, width) in pixels, resampling filter, mean and std of 0-1.

    The size is the crop's, else the resize's, else `size` (the model's own), else empty; an edge stands for a square.
    Normalisation on another scale is converted to 0-1: for values v of 0-255, (f·v − μ) / σ = (v / 255 − μ′) / σ′ with μ′ = μ /
    (255 f), σ′ = σ / (255 f).
    """
    crop = config.get("crop_size") if config.get("do_center_crop", "crop_size" in config) else None
    sides = _sides(crop if crop is not None else config.get("size")) or _sides(size)
    factor = config.get("rescale_factor", 1 / 255) if config.get("do_rescale", True) else 1.0
    if not isinstance(factor, (int, float)) or factor <= 0:
        raise InputError.of("rescale_factor of preprocessor_config.json", "must be a number above 0", factor)
    factor = 255 * float(factor)
    shift = 1.0 if config.get("rescale_offset") else 0.0
    mean = _three(config, "image_mean", hub_downloads.IMAGENET_MEAN, 0.0)
    std = _three(config, "image_std", hub_downloads.IMAGENET_STD, 1.0)
    # EfficientNet's processor may divide by the deviation twice.
    power = 2 if config.get("include_top", "EfficientNet" in str(config.get("image_processor_type"))) else 1
    number = config.get("resample", 3)
    if not isinstance(number, int) or number not in _FILTERS:
        raise InputError.of("resample of preprocessor_config.json", "must be a filter of Pillow's, 0 to 3", number)
    means, deviations = tuple((value + shift) / factor for value in mean), tuple(value**power / factor for value in std)
    return sides, _FILTERS[number], means, deviations


def _three(config: Mapping[str, Any], key: str, default: tuple[float, ...], without: float) -> tuple[float, ...]:
    if not config.get("do_normalize", True):
        return (without,) * 3
    value = config.get(key)
    if value is None:
        return default
    values = [value] * 3 if isinstance(value, (int, float)) else value
    if not isinstance(values, list) or len(values) != 3 or not all(isinstance(number, (int, float)) for number in values):
        raise InputError.of(f"{key} of preprocessor_config.json", "must be three numbers", value, f"pass {key[6:]}")
    return tuple(float(number) for number in values)


def _sides(value: Any) -> tuple[int, ...]:
    if isinstance(value, Mapping):
        edge = value.get("shortest_edge") or value.get("longest_edge")
        value = (value["height"], value["width"]) if {"height", "width"} <= value.keys() else edge
    if isinstance(value, int):
        return (value, value)
    return tuple(value) if isinstance(value, (list, tuple)) and all(isinstance(side, int) for side in value) else ()


TRANSFORMERS_PACKAGES: Final = ("torch", "transformers", "safetensors")
"""What decides on the names, shapes and bytes of a model's tensors, and on its configuration."""
_READ: Final = frozenset({".json", ".safetensors", ".bin"})


def folder_origin(options: Options) -> Origin | None:
    """List the files of a local model (a folder in the hub's format or a state dict); None for models from the hub."""
    model = None if options.model is None else Path(options.model).expanduser()
    folder = next((path for path in (options.weights, model) if path is not None and path.is_dir()), None)
    state = options.weights if options.weights is not None and options.weights.is_file() else None
    # A state dict needs a configuration: that of a model's name lies in the hub's cache, and may change there.
    if (folder is None and (state is None or model is not None)) or not options.pretrained:
        return None
    if folder is not None:
        # An index of shards may be unreadable, or name weights outside the folder.
        try:
            named = [read_json(file).get("weight_map") for file in folder.glob("*.index.json")]
            shards = {str(shard) for weights in named if weights is not None for shard in weights.values()}
        except (InputError, AttributeError):
            return None
        if any(Path(shard).name != shard for shard in shards):
            return None
    beside = sorted(file for file in folder.iterdir() if file.suffix in _READ and file.is_file()) if folder is not None else []
    return Origin(tuple(beside) if state is None else (state, *beside), TRANSFORMERS_PACKAGES)


def _build_transformers(options: Options) -> TorchBackbone:
    """Build a vision model that transformers' ``AutoModel`` can load."""
    name = f"transformers:{options.model or options.weights}"
    library = hub_downloads.transformers_for(name)
    import torch

    from howfar.backbones.torch_backbone import Feature, TorchBackbone

    config_only = (options.weights is not None and not options.weights.is_dir()) or not options.pretrained
    folder = model_folder(name, options, ((hub_downloads.CONFIG_FILE,),) if config_only else REQUIRED_FILES)
    # The model's type may be unknown to this version of transformers, or its strict configurations refuse a value.
    with errors_as(f"{name}: {folder / hub_downloads.CONFIG_FILE} cannot be read"):
        config = library.AutoConfig.from_pretrained(folder, local_files_only=True)
        with torch.device("meta"):
            model: Any = type(library.AutoModel.from_config(config))
    if config.model_type == "timm_wrapper":
        # timm's preprocessing is not described by a processor's configuration.
        raise InputError.of(name, "must not be one of timm's", str(folder), "write timm:MODEL, with weights=FILE if need be")
    if model.main_input_name != "pixel_values" and not hasattr(model, "get_image_features"):
        raise InputError.of(name, "must be a model of pictures", config.model_type, "of anything else, pass embeddings")
    # A classifier's checkpoint may lack the pooler, which the last hidden state does not need.
    optional = None if options.pool else "pooler"
    network: Any = load_model(name, model, options.weights, options.pretrained, lambda: config, lambda: folder, optional)
    file = folder / hub_downloads.PREPROCESSOR_FILE
    side = getattr(getattr(network.config, "vision_config", network.config), "image_size", None)
    own_side = side if isinstance(side, (int, list, tuple)) else None
    sides, interpolation, own_mean, own_std = model_input(read_json(file) if file.is_file() else {}, own_side)
    size = options.sides or sides
    if len(size) != 2:
        raise InputError.of("size", f"must be given for {name}, which says none", None, f"pass {option('size', 224)}, say")
    mean, std = tuple(options.mean or own_mean), tuple(options.std or own_std)
    layer, pooling = ("pooled", "own") if options.pool else ("last hidden state", "none")
    return TorchBackbone(
        name=name,
        # The folder's path or the hub id does not change the feature.
        kind=f"transformers:{network.config.model_type}",
        model=describe_architecture(network),
        network=network,
        feature=Feature(partial(_pooled if options.pool else _last_hidden, name), layer, pooling),
        preprocess=Preprocess.of(options, (size[0], size[1]), mean, interpolation),
        mean=mean,
        std=std,
        options=options,
    )


def model_folder(name: str, options: Options, required: tuple[tuple[str, ...], ...]) -> Path:
    """Return the folder of a model's files, local or in the hub's cache; one file of each group of `required` must be there."""
    model, weights = options.model, options.weights
    local = weights if weights is not None and weights.is_dir() else None
    if local is None and model is None:
        raise InputError.of("transformers", "must name a model", None, "write transformers:facebook/dinov2-small, say")
    if local is None and model is not None and Path(model).expanduser().is_dir():
        local = Path(model).expanduser()
    if local is None and hub_downloads.HUB_ID.fullmatch(str(model)) is None:
        raise MissingPathError(f"transformers must name a local folder or a hub id, and {model!r} is neither")
    folder = local or hub_downloads.hub_folder(name, str(model), required, (hub_downloads.PREPROCESSOR_FILE,))
    return checked_folder(name, folder, required)


def _last_hidden(name: str, network: Any, batch: Tensor) -> tuple[Tensor, ...]:
    tower = getattr(network, "vision_model", network) if hasattr(network, "get_image_features") else network
    return (_part(name, tower(pixel_values=batch), "last_hidden_state", "name another model, or use howfar.backbones.module"),)


def _pooled(name: str, network: Any, batch: Tensor) -> tuple[Tensor, ...]:
    both = hasattr(network, "get_image_features")
    output = network.get_image_features(pixel_values=batch) if both else network(pixel_values=batch)
    # Some models return (b, c, 1, 1): google/efficientnet-b3, for one.
    return (_part(name, output, "pooler_output", f"pass {option('pool', False)}").flatten(1),)


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
    _build_transformers,
    takes=("model", "device", "weights", "pretrained", "pool", "fit", "via", "size", "mean", "std", "engine", "precision"),
    defaults={"pool": False},
    folder=True,
    origin=folder_origin,
)
