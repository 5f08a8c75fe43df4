"""What a hub's ``preprocessor_config.json`` says of a model's input, without running the processor that it is for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from howfar.errors import InputError

IMAGENET_MEAN: Final = (0.485, 0.456, 0.406)
IMAGENET_STD: Final = (0.229, 0.224, 0.225)
# Pillow's numbers; 4 is its box and 5 its Hamming filter.
_FILTERS: Final = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}


class Input(NamedTuple):
    """A model's input: (height, width) in pixels, empty where it is not said; filter; mean and std on the scale 0-1."""

    size: tuple[int, ...]
    interpolation: str
    mean: tuple[float, ...]
    std: tuple[float, ...]


def input_of(found: Mapping[str, Any], own: int | Sequence[int] | None = None) -> Input:
    """Read a processor's settings.

    The size is that of the crop, where one is made, else that of the resize; an edge stands for a square. What is not said is
    `own` (the size that the model's configuration has) and the usual: bicubic, ImageNet's mean and standard deviation.
    Normalising of any other scale than 0-1 is told on that scale: with values v of 0-255, (f·v − μ) / σ = (v / 255 − μ′) / σ′
    for μ′ = μ / (255 f), σ′ = σ / (255 f).

    Raises
    ------
    InputError
        A value is of another kind.

    Examples
    --------
    >>> input_of({"size": {"shortest_edge": 256}, "crop_size": 224, "image_mean": [0.5] * 3, "image_std": [0.5] * 3})
    Input(size=(224, 224), interpolation='bicubic', mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    """
    cropped = found.get("do_center_crop", "crop_size" in found)
    said = found.get("crop_size") if cropped else None
    size = _sides(said if said is not None else found.get("size")) or _sides(own)
    factor = 255 * (_number(found, "rescale_factor", 1 / 255) if found.get("do_rescale", True) else 1.0)
    shift = 1.0 if found.get("rescale_offset") else 0.0
    mean = _three(found, "image_mean", IMAGENET_MEAN, 0.0)
    std = _three(found, "image_std", IMAGENET_STD, 1.0)
    # EfficientNet's processor may divide by the deviation twice.
    twice = 2 if found.get("include_top", "EfficientNet" in str(found.get("image_processor_type"))) else 1
    number = found.get("resample", 3)
    if number not in _FILTERS:
        raise InputError.of("resample of preprocessor_config.json", "must be a filter of Pillow's, 0 to 3", number)
    return Input(
        size, _FILTERS[number], tuple((one + shift) / factor for one in mean), tuple(one**twice / factor for one in std)
    )


def _number(found: Mapping[str, Any], key: str, usual: float) -> float:
    value = found.get(key, usual)
    if not isinstance(value, (int, float)) or value <= 0:
        raise InputError.of(f"{key} of preprocessor_config.json", "must be a number above 0", value)
    return float(value)


def _three(found: Mapping[str, Any], key: str, usual: tuple[float, ...], none: float) -> tuple[float, ...]:
    if not found.get("do_normalize", True):
        return (none,) * 3
    value = found.get(key)
    if value is None:
        return usual
    values = [value] * 3 if isinstance(value, (int, float)) else value
    if not isinstance(values, list) or len(values) != 3 or not all(isinstance(one, (int, float)) for one in values):
        raise InputError.of(f"{key} of preprocessor_config.json", "must be three numbers", value, f"pass {key[6:]}")
    return tuple(float(one) for one in values)


def _sides(value: Any) -> tuple[int, ...]:
    if isinstance(value, Mapping):
        edge = value.get("shortest_edge") or value.get("longest_edge")
        value = (value["height"], value["width"]) if {"height", "width"} <= value.keys() else edge
    if isinstance(value, int):
        return (value, value)
    return tuple(value) if isinstance(value, (list, tuple)) and all(isinstance(one, int) for one in value) else ()
