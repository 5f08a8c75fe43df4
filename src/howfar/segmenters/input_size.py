"""Check that images given to a segmenter are RGB and have sides that its pooling layers can divide."""

from __future__ import annotations

from torch import Tensor

from howfar.errors import InputError


def check_sides(name: str, pictures: Tensor, multiple: int) -> None:
    """Raise `InputError` unless images are (b, 3, h, w) with h and w multiples of `multiple`; it names the segmenter."""
    shape = tuple(pictures.shape)
    if len(shape) != 4 or shape[1] != 3 or 0 in shape or shape[2] % multiple or shape[3] % multiple:
        rule = f"must be (b, 3, h, w) with h and w multiples of {multiple}"
        raise InputError.of(f"{name}'s pictures", rule, shape, "resize or pad them")
