"""Choose the number type that a network computes with: float32, or torch's mixed precision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from howfar.errors import InputError

if TYPE_CHECKING:
    import torch

_TYPES: Final = {"32": "float32", "bf16": "bfloat16", "fp16": "float16"}


def dtype_of(precision: str, device: torch.device) -> torch.dtype:
    """Return the torch type that `precision` names; a CPU computes in float32 and bfloat16 only.

    A precision that is unknown, or not available on the device, raises `InputError`.
    """
    import torch

    if precision not in _TYPES:
        raise InputError.of("precision", f"must be one of {', '.join(_TYPES)}", precision)
    if precision == "fp16" and device.type == "cpu":
        raise InputError.of("precision", "must be 32 or bf16 on a CPU", precision)
    dtype: torch.dtype = getattr(torch, _TYPES[precision])
    return dtype


@contextmanager
def computing_in(dtype: torch.dtype, device: torch.device) -> Iterator[None]:
    """Let torch compute in `dtype` in the operations where autocast deems it safe, and elsewhere in float32."""
    import torch

    mixed = dtype is not torch.float32
    with torch.autocast(device.type, dtype if mixed else None, enabled=mixed):
        yield
