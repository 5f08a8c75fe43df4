"""Read a model's input size, filter and normalisation from the hub's ``preprocessor_config.json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from howfar.errors import InputError
from howfar.weights.hub import IMAGENET_MEAN, IMAGENET_STD

# Pillow's numbers; 4 is its box and 5 its Hamming filter.
_FILTERS: Final = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}


class ModelInput(NamedTuple):
    """Hold (height, width) of a model's input in pixels, empty if unknown; its filter; mean and std on the scale 0-1."""

    size: tuple[int, ...]
    interpolation: str
    mean: tuple[float, ...]
    std: tuple[float, ...]


def model_input(config: Mapping[str, Any], size: int | Sequence[int] | None = None) -> ModelInput:
    """Read the input size, filter, mean and standard deviation from a processor's configuration.

    The size is that of the crop, where one is made, else that of the resize; an edge stands for a square. Defaults are `size`
    (from the model's own configuration), bicubic, and ImageNet's mean and standard deviation. Normalisation on another scale
    is converted to 0-1: with values v of 0-255, (f·v − μ) / σ = (v / 255 − μ′) / σ′ for μ′ = μ / (255 f), σ′ = σ / (255 f).

    Raises
    ------
    InputError
        A value is of another kind.

    Examples
    --------
    >>> model_input({"size": {"shortest_edge": 256}, "crop_size": 224, "image_mean": [0.5] * 3, "image_std": [0.5] * 3})
    ModelInput(size=(224, 224), interpolation='bicubic', mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    """
    crop = config.get("crop_size") if config.get("do_center_crop", "crop_size" in config) else None
    sides = _sides(crop if crop is not None else config.get("size")) or _sides(size)
    factor = 255 * (_number(config, "rescale_factor", 1 / 255) if config.get("do_rescale", True) else 1.0)
    shift = 1.0 if config.get("rescale_offset") else 0.0
    mean = _three(config, "image_mean", IMAGENET_MEAN, 0.0)
    std = _three(config, "image_std", IMAGENET_STD, 1.0)
    # EfficientNet's processor may divide by the deviation twice.
    power = 2 if config.get("include_top", "EfficientNet" in str(config.get("image_processor_type"))) else 1
    number = config.get("resample", 3)
    if not isinstance(number, int) or number not in _FILTERS:
        raise InputError.of("resample of preprocessor_config.json", "must be a filter of Pillow's, 0 to 3", number)
    means, deviations = tuple((value + shift) / factor for value in mean), tuple(value**power / factor for value in std)
    return ModelInput(sides, _FILTERS[number], means, deviations)


def _number(config: Mapping[str, Any], key: str, default: float) -> float:
    value = config.get(key, default)
    if not isinstance(value, (int, float)) or value <= 0:
        raise InputError.of(f"{key} of preprocessor_config.json", "must be a number above 0", value)
    return float(value)


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
