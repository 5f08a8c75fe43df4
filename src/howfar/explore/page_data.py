"""Encode a run's data for the interactive page: a compressed block that opens the page, and the columns of long runs."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from howfar.explore.image_rows_and_positions import RunImages
from howfar.explore.run_photographs_and_masks import Small
from howfar.figures.style import PRIMARY, look

MAGIC = b"HFX1"
ALIGN = 8
EXACT_ROWS = 20_000
"""Rows up to which numbers keep seven digits; of more they keep a 65,534th of their range, so that a page stays small."""
_TOP = 65_534
_TYPES = {"float32": "f4", "uint32": "u4", "uint16": "u2", "int16": "i2", "uint8": "u1"}
LEVEL_BYTES: Final = 4_000_000
"""Bytes, before compression, of the columns that a page opens with; the page asks for the rest afterwards."""


def stride(count: int) -> int:
    """Return the step of the order of levels: its i-th row is i · step mod count.

    Of the steps near the golden section of the count it is the one with the smallest quotients in Euclid's algorithm, so that
    the first rows, however many, lie evenly in the run: each dataset, and each part of it, has its share.
    """
    first = int(count * 0.6180339887498949) or 1
    return min(range(first, max(first, min(count - 1, first + 99)) + 1), key=lambda step: _largest_quotient(count, step))


def _largest_quotient(a: int, b: int) -> float:
    """Return the largest quotient of Euclid's algorithm; infinity for numbers with a common divisor."""
    largest = 0
    while b:
        largest, a, b = max(largest, a // b), b, a % b
    return largest if a == 1 else math.inf


def in_levels(values: NDArray[Any], most: int | None = None) -> NDArray[Any]:
    """Return the first `most` values in the order of levels, by default all."""
    rows = len(values)
    return values[np.arange(rows if most is None else min(most, rows)) * stride(rows) % max(1, rows)]


class Encoded(NamedTuple):
    """Hold an encoded array and its entry in the header."""

    entry: dict[str, Any]
    values: NDArray[Any]

    @classmethod
    def of(cls, array: NDArray[Any], exact: bool) -> Encoded:
        """Encode numbers exactly, or float64 by its range."""
        if exact or array.dtype != np.float64:
            values = array.astype(np.float32) if array.dtype == np.float64 else array
            return cls({"type": values.dtype.name}, values.astype(f"<{_TYPES[values.dtype.name]}", copy=False))
        known = np.isfinite(array)
        low, high = (float(array[known].min()), float(array[known].max())) if known.any() else (0.0, 0.0)
        step = (high - low) / _TOP if high > low else 1.0
        levels = np.where(known, np.round((np.where(known, array, low) - low) / step), _TOP + 1)
        return cls({"type": "uint16", "low": low, "step": step}, levels.astype("<u2"))


def pack(header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any] | Encoded], exact: bool = True) -> bytes:
    """Pack named arrays behind a header, gzip-compressed without a date, so that equal input gives equal bytes.

    The block is ``HFX1``, the header's length as uint32, the header as JSON, then the arrays, each at a multiple of 8 bytes
    and little-endian. The header's "arrays" says for each name where it begins, its type and length; of numbers that are not
    kept exactly also "low" and "step", where 65535 stands for NaN. Arrays of float64 are written as float32, or so. "rows" is
    the length of a whole array whose first values alone, in the order of levels, are in the block.
    """
    described: dict[str, dict[str, Any]] = {}
    body = bytearray()
    for name, array in arrays.items():
        entry, values = array if isinstance(array, Encoded) else Encoded.of(array, exact)
        body.extend(bytes(-len(body) % ALIGN))
        described[name] = {"at": len(body), "length": len(values), **entry}
        body += values.tobytes()
    text = json.dumps({**header, "arrays": described}, ensure_ascii=False, allow_nan=False).encode()
    text += b" " * (-(len(text) + 8) % ALIGN)
    return gzip.compress(MAGIC + len(text).to_bytes(4, "little") + text + bytes(body), 6, mtime=0)


def _runs(name: str, values: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Return each value that differs from the one before, and how often it is repeated."""
    begin = np.flatnonzero(np.append(True, values[1:] != values[:-1]))[: len(values)]
    return {name: values[begin], f"{name}_runs": np.diff(begin, append=len(values)).astype(np.uint32)}


RAMP = 24


def columns_of(points: RunImages) -> dict[str, NDArray[Any]]:
    """Return the arrays that have a value for each image or place, as the page names them."""
    arrays: dict[str, NDArray[Any]] = {}
    for plane in points.places.planes:
        arrays |= {f"{plane.name}_x": plane.x.astype(np.float64), f"{plane.name}_y": plane.y.astype(np.float64)}
    for index, model in enumerate(points.models):
        arrays |= {f"model_{index}_performance": model.performance, f"model_{index}_distance": model.distance}
    return arrays | {f"column_{index}": column.values for index, column in enumerate(points.columns)}


def levels_of(points: RunImages) -> dict[str, Encoded]:
    """Return the columns of a long run in the order of levels; nothing of one whose page opens with all."""
    columns, exact = columns_of(points), len(points) <= EXACT_ROWS
    if sum(map(len, columns.values())) * 2 <= LEVEL_BYTES:
        return {}
    encodings = {name: Encoded.of(values, exact) for name, values in columns.items()}
    return {name: Encoded(entry, in_levels(values)) for name, (entry, values) in encodings.items()}


def page_data(
    points: RunImages,
    *,
    small: Sequence[Small] = (),
    asked: Mapping[str, Any] | None = None,
    levels: Mapping[str, Encoded] | None = None,
) -> bytes:
    """Pack a run's data for the page; `asked` is what a page needs that asks a server or kernel for its pictures.

    With `levels`, a long run's columns, the block holds what the page draws first within `LEVEL_BYTES`, and no names.
    """
    header = _header(points) | {"asked": None if asked is None else dict(asked)}
    found: NDArray[np.uint16] = pd.Index(points.datasets).get_indexer(pd.Index(points.rows["dataset"])).astype(np.uint16)
    found[points.secondary_count :] = len(points.datasets) - 1
    # The row of each place is kept as how far it is ahead of the place (modulo 2^32).
    ahead = points.places.row - np.arange(len(points.places.row), dtype=np.uint32)
    arrays: dict[str, Any] = _runs("dataset", found) | _runs("place_ahead", ahead) | _runs("place_panel", points.places.panel)
    if not levels:
        header["names"] = points.rows["image"].tolist()
        arrays |= columns_of(points) | {"nearest": points.nearest.ravel()}
    else:
        header["names"] = None
        # The arrays that a page draws first: its plane, the distance, and what stands upright, which the page chooses as well.
        named = {column.name: f"column_{index}" for index, column in enumerate(points.columns)}
        upright = next((name for name in ("performance", "estimate", "knn") if name in named), "")
        begun = [f"{plane.name}_{axis}" for plane in points.places.planes[:1] for axis in "xy"]
        begun += [named[name] for name in ("distance", upright, "smoothed") if name in named]
        share = min(1.0, LEVEL_BYTES / sum(levels[name].values.nbytes for name in begun))
        for name, (entry, values) in levels.items():
            count = int(share * len(values)) if name in begun else 0
            arrays[name] = Encoded({**entry, "rows": len(values)}, values[:count])
    for side in ("row", "width", "height"):
        arrays[f"small_{side}"] = np.array([getattr(one, side) for one in small], dtype=np.uint32)
    files = {"photograph": [one.photograph for one in small], "mask": [one.mask for one in small]}
    for model in range(max(1, len(points.models))):
        files[f"prediction_{model}"] = [one.predictions[model] for one in small]
    for name, blobs in files.items():
        arrays[name] = np.frombuffer(b"".join(blobs), np.uint8)
        arrays[f"{name}_ends"] = np.cumsum([len(blob) for blob in blobs], dtype=np.uint32)
    return pack(header, arrays, exact=len(points) <= EXACT_ROWS)


def _header(points: RunImages) -> dict[str, Any]:
    import matplotlib
    from matplotlib.colors import to_hex

    *secondaries, primary = points.datasets
    colours = [*((name, look(index).colour) for index, name in enumerate(secondaries)), (primary, PRIMARY)]
    # Colours for numbers from low to high that work for colour-blind readers on light and dark pages.
    ramp = matplotlib.colormaps["viridis"](np.linspace(0.12, 0.92, RAMP))
    planes = []
    for plane in points.places.planes:
        # The bounds in each panel: left, right, bottom, top.
        frame = pd.DataFrame({"x": plane.x, "y": plane.y}).groupby(points.places.panel).agg(["min", "max"])
        bounds = frame.reindex(range(len(points.places.panels))).fillna(0.0).to_numpy(np.float64)
        about = {name: getattr(plane, name) for name in ("name", "title", "axes", "about")}
        planes.append({**about, "bounds": bounds.tolist()})
    columns = []
    for column in points.columns:
        categories = {"categories": list(column.categories)} if column.kind == "category" else {}
        columns.append({name: getattr(column, name) for name in ("name", "title", "kind", "about")} | categories)
    return {
        "title": primary,
        "threshold": points.threshold,
        "count": points.secondary_count,
        "rows": len(points),
        "datasets": [{"name": name, "colour": colour} for name, colour in colours],
        "panels": list(points.places.panels),
        "planes": planes,
        "models": [{name: getattr(model, name) for name in ("name", "seed", "threshold")} for model in points.models],
        "columns": columns,
        "ramp": [to_hex(colour) for colour in ramp],
    }
