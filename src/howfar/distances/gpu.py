"""Sum Euclidean distances on a GPU with torch: float32 products about a common centre, float64 sums.

A tile of squared distances is ‖a‖² + ‖b‖² − 2 a·b. Where that is small beside the squared norms, digits are lost: such pairs
are computed again by differences, so that a tile's distances are known to 1e-5 of each, and equal rows are at exactly 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from howfar.arrays import Float64Array
from howfar.distances.products import NEAR, in_units
from howfar.errors import HowfarError, InputError

if TYPE_CHECKING:
    import torch

PAIRS_PER_TILE = 1 << 23
"""Pairs at once: some 200 MB."""
_NEAR_VALUES = 1 << 24
_NAMES = re.compile("auto|cuda(:[0-9]+)?")


def gpu(name: str) -> torch.device | None:
    """Return the torch device for ``cpu``, ``cuda``, ``cuda:1`` or ``auto`` (CUDA if available); None means the CPU."""
    if name == "cpu":
        return None
    if not _NAMES.fullmatch(name):
        raise InputError.of("device", "must be auto, cpu, cuda or cuda:N", name)
    # Some seconds to load, and needed for nothing else here.
    import torch

    devices = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return torch.device("cuda") if devices else None
    if int(name.partition(":")[2] or 0) >= devices:
        raise InputError.of("device", "must be on this machine", name, "pass 'auto' or 'cpu'")
    return torch.device(name)


def sums_by_torch(
    s: NDArray[Any], p: NDArray[Any], device: torch.device, pairs_per_tile: int = PAIRS_PER_TILE
) -> tuple[Float64Array, float]:
    """Sum the distances of each row of `s` from all rows of `p`, (m,) float64; also return the unit of the float32 values.

    A tile that does not fit in memory is halved; `HowfarError` where even one row's distances do not fit.
    """
    import torch

    secondary, primary, unit = in_units(s, p)
    step = min(len(s), max(1, pairs_per_tile // len(p)))
    with torch.inference_mode(), _full_precision():
        a, b, norms_a, norms_b = _moved(secondary, primary, device)
        sums, start = np.empty(len(s)), 0
        while start < len(s):
            rows = slice(start, start + step)
            of_tile = _tile_sums(a[rows], b, norms_a[rows], norms_b)
            if of_tile is not None:
                sums[start : start + len(of_tile)] = of_tile
                start += len(of_tile)
            elif step == 1:
                raise HowfarError(f"the distances of one image from {len(p)} others are more than {device} holds: use the CPU")
            else:
                step //= 2
    return sums * unit, unit


@contextmanager
def _full_precision() -> Iterator[None]:
    """Make torch multiply in full float32 precision within the block, without TF32 or bfloat16."""
    import torch

    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def _moved(s: NDArray[np.float32], p: NDArray[np.float32], device: torch.device) -> tuple[torch.Tensor, ...]:
    """Copy both sets to the device, and compute their squared norms."""
    import torch

    try:
        a, b = torch.from_numpy(s).to(device), torch.from_numpy(p).to(device)
        return a, b, a.square().sum(dim=1), b.square().sum(dim=1)
    except torch.OutOfMemoryError as error:
        rows = len(s) + len(p)
        raise HowfarError(f"{rows} images of {s.shape[1]} components are more than {device} holds: use the CPU") from error


def _tile_sums(a: torch.Tensor, b: torch.Tensor, norms_a: torch.Tensor, norms_b: torch.Tensor) -> Float64Array | None:
    """Sum the distances of each row of `a` from all rows of `b`; None if the device runs out of memory."""
    import torch

    try:
        distances = _squared(a, b, norms_a, norms_b).sqrt_()
        sums: Float64Array = distances.sum(dim=1, dtype=torch.float64).cpu().numpy()
        return sums
    except torch.OutOfMemoryError:
        pass
    # Outside the handler, so that what the tile held is free by now.
    torch.cuda.empty_cache()
    return None


def _squared(a: torch.Tensor, b: torch.Tensor, norms_a: torch.Tensor, norms_b: torch.Tensor) -> torch.Tensor:
    import torch

    scale = norms_a[:, None] + norms_b
    squared = torch.addmm(scale, a, b.T, alpha=-2.0)
    near = torch.nonzero(squared <= scale.mul_(NEAR))
    step = max(1, _NEAR_VALUES // a.shape[1])
    for first in range(0, len(near), step):
        i, j = near[first : first + step].unbind(dim=1)
        squared[i, j] = (a[i] - b[j]).square_().sum(dim=1)
    return squared
