"""Compute Euclidean distances between all images of two datasets, and sums of distances, in tiles to save memory.

Where every distance is wanted, a tile is ‖s‖² + ‖p‖² − 2 s·p in float64, after both sets are centred amid P. Where that
subtraction would lose digits (what it gives is negative, or below 1e-6 of the squared norms) the pair is computed again by
differences, so equal rows are at exactly 0 and near ones keep nine digits.

Sums over many pairs, and all on a GPU with torch, are of products in float32 of images that are centred and scaled to fit it,
and sums in float64. Pairs whose squared distance is small beside the squared norms are computed again by differences too, and
equal rows are at exactly 0. That costs about 1e-7 of a distance and at most 2⁻¹⁷ (1e-5 on a GPU); rounding goes either way, so
that a sum over many pairs is far closer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar.arrays import Float64Array, FloatArray, as_pair, spans
from howfar.errors import HowfarError, InputError, check_at_least

if TYPE_CHECKING:
    import torch

Single = NDArray[np.float32]
_VALUES = 1 << 22
_CACHED = 1 << 15
_FEWEST, _MOST = 15, 1001


def centre_of(p: NDArray[Any]) -> Float64Array:
    """Compute a robust centre of P, (z,): the median of each component over up to a thousand rows, fewer for large z.

    One row far beyond all others drags the mean away from them, and about it they would have no digits left.
    """
    count = max(_FEWEST, min(_MOST, _VALUES // p.shape[1]))
    some = p[:: -(-len(p) // count)]
    centre: Float64Array = np.median(some.astype(np.float64, copy=False), axis=0)
    return centre


def in_units(s: NDArray[Any], p: NDArray[Any]) -> tuple[Single, Single, float]:
    """Centre S and P at P's centre and divide by a power of two at least as large as any value, in float32.

    Squares cannot overflow then, and the division moves no digit. What is below 1e-19 of the largest vanishes when squared.
    """
    centre = centre_of(p)
    ends = [end - centre for rows in (s, p) if len(rows) for end in (rows.max(axis=0), rows.min(axis=0))]
    unit = unit_of(float(max(np.abs(end).max() for end in ends)))
    scaled = []
    for rows in (s, p):
        # In blocks, so that the float64 differences stay in the processor's cache.
        single, step = np.empty(rows.shape, np.float32), max(1, _CACHED // rows.shape[1])
        for at in spans(len(rows), step):
            single[at] = (rows[at] - centre) / unit
        scaled.append(single)
    return scaled[0], scaled[1], unit


def unit_of(largest: float) -> float:
    """Return the smallest power of two above `largest`."""
    _, exponent = np.frexp(largest)
    return float(np.ldexp(1.0, int(exponent)))


TILE = 1000
"""Rows of S, and of P, in one tile."""
NEAR = 2.0**-6
"""Squared distances below this share of the squared norms are computed by differences: above it at most 2⁻¹⁷ of one is lost."""
_MANY = 50
_CANCELLATION = 1e-6
_NEAR_VALUES = 1 << 22
_DOUBLES = 1 << 18


Tile: TypeAlias = tuple[slice, slice, Single]
"""Rows of S, rows of P, and the values of their pairs, (rows, columns) float32."""


def product_tiles(a: Single, b: Single, same: bool = False) -> Iterator[Tile]:
    """Yield inner products tile by tile, each overwriting the last; `same` (b is a) leaves out tiles left of the diagonal."""
    room = np.empty(min(TILE, len(a)) * min(TILE, len(b)), np.float32)
    for row in range(0, len(a), TILE):
        left = a[row : row + TILE]
        for column in range(row if same else 0, len(b), TILE):
            right = b[column : column + TILE]
            values = room[: len(left) * len(right)].reshape(len(left), len(right))
            ends = slice(row, row + len(left)), slice(column, column + len(right))
            yield *ends, np.matmul(left, right.T, out=values)


def squared_tiles(a: Single, b: Single, same: bool = False) -> Iterator[Tile]:
    """Yield squared distances of rows tile by tile; each tile overwrites the previous one."""
    norms_a, norms_b = _norms(a), _norms(b)
    for rows, columns, values in product_tiles(a, b, same):
        complete(values, a[rows], b[columns], norms_a[rows], norms_b[columns], same and rows == columns)
        yield rows, columns, values


def complete(values: Single, a: Single, b: Single, norms_a: Single, norms_b: Single, same: bool = False) -> None:
    """Convert inner products of rows of `a` and `b` to squared distances in place; `same` sets the diagonal to 0."""
    values *= np.float32(-2.0)
    values += norms_a[:, None]
    values += norms_b
    if same:
        np.fill_diagonal(values, np.inf)
    if values.min() <= NEAR * (float(norms_a.max()) + float(norms_b.max())):
        near = np.flatnonzero(values <= np.float32(NEAR) * (norms_a[:, None] + norms_b))
        if _MANY * len(near) <= values.size:
            _by_differences(values, a, b, near)
        else:
            right, step = b.astype(np.float64), max(1, _DOUBLES // len(b))
            squares = np.einsum("ij,ij->i", right, right)
            for at in spans(len(a), step):
                left = a[at].astype(np.float64)
                values[at] = double_squared(left, right, np.einsum("ij,ij->i", left, left), squares)
    if same:
        np.fill_diagonal(values, 0.0)


def double_squared(a: Float64Array, b: Float64Array, norms_a: Float64Array, norms_b: Float64Array) -> Float64Array:
    """Compute squared distances in float64, (m, n), from rows and their squared norms."""
    scale = norms_a[:, None] + norms_b
    squared: Float64Array = scale - 2.0 * (a @ b.T)
    _by_differences(squared, a, b, np.flatnonzero(squared <= _CANCELLATION * scale))
    return squared


def _by_differences(squared: NDArray[Any], a: NDArray[Any], b: NDArray[Any], near: NDArray[np.intp]) -> None:
    flat, step = squared.reshape(-1), max(1, _NEAR_VALUES // a.shape[1])
    for pairs in (near[at] for at in spans(len(near), step)):
        i, j = np.divmod(pairs, len(b))
        difference = a[i] - b[j]
        flat[pairs] = np.einsum("ij,ij->i", difference, difference)


def _norms(rows: Single) -> Single:
    return np.asarray(np.einsum("ij,ij->i", rows, rows, dtype=np.float64), np.float32)


def _single_sums(s: NDArray[Any], p: NDArray[Any], both: bool = False) -> tuple[Float64Array, Float64Array, float]:
    """Sum float32 distances of each row of S, (m,), and, if `both`, of each row of P, (n,); also return their unit."""
    a, b, unit = in_units(s, p)
    same = s is p or (s.shape == p.shape and np.array_equal(s, p))
    of_s = np.zeros(len(a))
    of_p = of_s if same else np.zeros(len(b))
    for rows, columns, values in squared_tiles(a, b, same):
        d = np.sqrt(values, out=values)
        of_s[rows] += d.sum(axis=1)
        if (same and columns != rows) or (both and not same):
            of_p[columns] += d.sum(axis=0, dtype=np.float64)
    return of_s * unit, of_p * unit, unit


GPU_PAIRS = 1 << 23
"""Pairs at once: some 200 MB."""
_GPU_NEAR_VALUES = 1 << 24
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


def sums_by_torch(s: NDArray[Any], p: NDArray[Any], device: torch.device) -> tuple[Float64Array, float]:
    """Sum each row's distances from all rows of `p`, (m,), with their unit; tiles too large are halved, down to one row."""
    import torch

    secondary, primary, unit = in_units(s, p)
    step = min(len(s), max(1, GPU_PAIRS // len(p)))
    with torch.inference_mode(), _full_precision():
        try:
            a, b = (torch.from_numpy(rows).to(device) for rows in (secondary, primary))
            norms_a, norms_b = a.square().sum(dim=1), b.square().sum(dim=1)
        except torch.OutOfMemoryError as error:
            held = f"{len(s) + len(p)} images of {s.shape[1]} components"
            raise HowfarError(f"{held} are more than {device} holds: use the CPU") from error
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
    step = max(1, _GPU_NEAR_VALUES // a.shape[1])
    for first in range(0, len(near), step):
        i, j = near[first : first + step].unbind(dim=1)
        squared[i, j] = (a[i] - b[j]).square_().sum(dim=1)
    return squared


PAIRS_PER_TILE = 1 << 20
SINGLE_FROM = 1 << 24
"""Pairs from which on distances are computed in float32; fewer take some tenths of a second in float64."""
VANISHING = 1e-12
"""Mean distances below this share of the kernel's unit are taken in float64: float32 squares nothing below 1e-19 of it."""


def distance_blocks(
    s: ArrayLike, p: ArrayLike, pairs_per_tile: int = PAIRS_PER_TILE
) -> Iterator[tuple[int, int, Float64Array]]:
    """Yield ``(start, stop, d)``, where d, (stop − start, n) float64, are distances of rows `start` to `stop` of `s` from `p`.

    d(a, b) = ‖a − b‖₂ (eq. 6 of the paper). At most `pairs_per_tile` distances (and at least one row) are computed at once.
    """
    secondary, primary = as_pair(s, p)
    check_at_least(1, pairs_per_tile=pairs_per_tile)
    centre = centre_of(primary)
    a, b = secondary - centre, primary - centre
    rows = max(1, pairs_per_tile // len(b))
    norms_a, norms_b = np.einsum("ij,ij->i", a, a), np.einsum("ij,ij->i", b, b)
    for at in spans(len(a), rows):
        squared = double_squared(a[at], b, norms_a[at], norms_b)
        yield at.start, at.stop, np.sqrt(squared, out=squared)


def row_sums(s: ArrayLike, p: ArrayLike, pairs_per_tile: int = PAIRS_PER_TILE, device: str = "cpu") -> Float64Array:
    """Sum the distances of each row of `s` from all rows of `p`, shape (m,): I^dist in the paper's sum form (eq. 7).

    From 2²⁴ pairs on the distances are float32, to about 1e-7 of a sum; on a GPU always, to 1e-5 or better.
    """
    secondary, primary = as_pair(s, p)
    on_gpu = gpu(device)
    if on_gpu is not None:
        sums, unit = sums_by_torch(secondary, primary, on_gpu)
    elif in_single(secondary, primary):
        sums, _, unit = _single_sums(secondary, primary)
    else:
        return _double_sums(secondary, primary, pairs_per_tile)
    return _mended(sums, unit, secondary, primary)


def both_sums(s: ArrayLike, p: ArrayLike) -> tuple[Float64Array, Float64Array | None]:
    """Sum the distances of each row of `s`, (m,), and, where they are many and that costs nothing, of each row of `p`, (n,)."""
    secondary, primary = as_pair(s, p)
    if not in_single(secondary, primary):
        return _double_sums(secondary, primary), None
    of_s, of_p, unit = _single_sums(secondary, primary, both=True)
    return _mended(of_s, unit, secondary, primary), _mended(of_p, unit, primary, secondary)


def _mended(sums: Float64Array, unit: float, s: FloatArray, p: FloatArray) -> Float64Array:
    """Recompute sums lost to float32 underflow, which happens if one distant row sets the unit."""
    lost = np.flatnonzero(sums < VANISHING * unit * len(p))
    # Where all sums are 0, all rows are equal.
    if len(lost) and sums.any():
        sums[lost] = _double_sums(s[lost], p)
    return sums


def _double_sums(s: FloatArray, p: FloatArray, pairs_per_tile: int = PAIRS_PER_TILE) -> Float64Array:
    return np.concatenate([d.sum(axis=1) for _, _, d in distance_blocks(s, p, pairs_per_tile)])


def quadratic_forms(
    s: ArrayLike, p: ArrayLike, u: NDArray[Any], v: NDArray[Any], pairs_per_tile: int = PAIRS_PER_TILE
) -> Float64Array:
    """Compute the weighted sums of distances Σᵢⱼ u[i, k] d(sᵢ, pⱼ) v[j, k] of all draws k in one pass, shape (b,).

    From 2²⁴ pairs on distances and products are float32, sums over tiles float64. Each pair is computed once where `p` is `s`
    and `v` is `u`.
    """
    secondary, primary = as_pair(s, p)
    if not in_single(secondary, primary):
        return _double_forms(secondary, primary, u, v, pairs_per_tile)
    a, b, unit = in_units(secondary, primary)
    total, right, same = np.zeros(u.shape[1]), v.astype(np.float32, copy=False), s is p and u is v
    for rows, columns, values in squared_tiles(a, b, same):
        d = np.sqrt(values, out=values)
        of_tile = np.einsum("ik,ik->k", d @ right[columns], u[rows], dtype=np.float64)
        # A pair and its mirror image are one: what is right of the diagonal stands for both.
        total += 2.0 * of_tile if same and rows != columns else of_tile
    total *= unit
    # A draw may leave the one row out that is far beyond all others.
    lost = np.flatnonzero(np.abs(total) < VANISHING * unit * _weight(u) * _weight(v))
    if len(lost) and (a.any() or b.any()):
        total[lost] = _double_forms(secondary, primary, u[:, lost], v[:, lost], pairs_per_tile)
    return total


def bilinear_forms(s: ArrayLike, p: ArrayLike, u: Float64Array, v: Float64Array) -> Float64Array:
    """Compute weighted sums of distances for all pairs of weight rows, Σᵢⱼ u[k, i] d(sᵢ, pⱼ) v[l, j], shape (k, l)."""
    # In a unit of their own, since float32 may not hold the weights of far images.
    unit = unit_of(float(np.abs(v).max()))
    repeated, tiled = np.repeat(u, len(v), axis=0).T, np.tile(v / unit, (len(u), 1)).T
    return quadratic_forms(s, p, repeated, tiled).reshape(len(u), len(v)) * unit


def _weight(u: NDArray[Any]) -> Float64Array:
    """Sum the absolute weights of each draw."""
    sums = u.sum(axis=0, dtype=np.uint32) if u.dtype == np.uint8 else np.abs(u).sum(axis=0)
    return np.asarray(sums, dtype=np.float64)


def _double_forms(s: FloatArray, p: FloatArray, u: NDArray[Any], v: NDArray[Any], pairs_per_tile: int) -> Float64Array:
    total = np.zeros(u.shape[1], dtype=np.float64)
    left = u.astype(np.float64, copy=False)
    right = left if v is u else v.astype(np.float64, copy=False)
    for start, stop, d in distance_blocks(s, p, pairs_per_tile):
        total += np.einsum("ik,ik->k", d @ right, left[start:stop])
    return total


def in_single(s: FloatArray, p: FloatArray) -> bool:
    """Return whether there are enough pairs to compute their distances in float32."""
    return len(s) * len(p) >= SINGLE_FROM
