"""Pack the data of a run's interactive page into one compressed block."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howfar.explore.points import ImageProperty, RunImages
from howfar.explore.run_pictures import Small

MAGIC = b"HFX1"
ALIGN = 8
EXACT_ROWS = 20_000
"""Rows up to which numbers keep seven digits; of more they keep a 65,534th of their range, so that a page stays small."""
_TOP = 65_534
_TYPES = {"float32": "f4", "uint32": "u4", "uint16": "u2", "int16": "i2", "uint8": "u1"}


def pack(header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], exact: bool = True) -> bytes:
    """Pack named arrays behind a header, gzip-compressed without a date, so that equal input gives equal bytes.

    The block is ``HFX1``, the header's length as uint32, the header as JSON, then the arrays, each at a multiple of 8 bytes
    and little-endian. The header's "arrays" says for each name where it begins, its type and length; of numbers that are not
    kept exactly also "low" and "step", where 65535 stands for NaN. Arrays of float64 are written as float32, or so.
    """
    described: dict[str, dict[str, Any]] = {}
    body = bytearray()
    for name, array in arrays.items():
        entry, data = _encoded(array, exact)
        body.extend(bytes(-len(body) % ALIGN))
        described[name] = {"at": len(body), "length": len(array), **entry}
        body += data
    text = json.dumps({**header, "arrays": described}, ensure_ascii=False, allow_nan=False).encode()
    text += b" " * (-(len(text) + 8) % ALIGN)
    return gzip.compress(MAGIC + len(text).to_bytes(4, "little") + text + bytes(body), 6, mtime=0)


def _encoded(array: NDArray[Any], exact: bool) -> tuple[dict[str, Any], bytes]:
    if exact or array.dtype != np.float64:
        values = array.astype(np.float32) if array.dtype == np.float64 else array
        return {"type": values.dtype.name}, values.astype(f"<{_TYPES[values.dtype.name]}").tobytes()
    known = np.isfinite(array)
    low, high = (float(array[known].min()), float(array[known].max())) if known.any() else (0.0, 0.0)
    step = (high - low) / _TOP if high > low else 1.0
    levels = np.where(known, np.round((np.where(known, array, low) - low) / step), _TOP + 1)
    return {"type": "uint16", "low": low, "step": step}, levels.astype("<u2").tobytes()


RAMP = 24


def page_data(points: RunImages, *, small: Sequence[Small] = (), asked: Mapping[str, Any] | None = None) -> bytes:
    """Pack a run's data for the page; `asked` is what a page needs that asks a server or kernel for its pictures."""
    names = {name: index for index, name in enumerate(points.datasets)}
    of_secondaries = points.rows["dataset"][: points.secondary_count]
    where = [*of_secondaries.map(names), *([len(names) - 1] * (len(points) - len(of_secondaries)))]
    places = points.places
    plane_facts, model_facts = ("name", "title", "axes", "about"), ("name", "seed", "threshold")
    header = {
        "title": points.primary,
        "threshold": points.threshold,
        "count": points.secondary_count,
        "names": points.rows["image"].tolist(),
        "datasets": [{"name": name, "colour": colour} for name, colour in zip(points.datasets, points.colours, strict=True)],
        "panels": list(places.panels),
        "planes": [{name: getattr(plane, name) for name in plane_facts} for plane in places.planes],
        "models": [{name: getattr(model, name) for name in model_facts} for model in points.models],
        "columns": [_column(column) for column in points.columns],
        "ramp": ramp(),
        "asked": None if asked is None else dict(asked),
    }
    arrays: dict[str, Any] = {"dataset": np.array(where, dtype=np.uint16), "nearest": points.nearest.ravel()}
    arrays |= {"place_row": places.row, "place_panel": places.panel}
    for plane in places.planes:
        arrays |= {f"{plane.name}_x": plane.x.astype(np.float64), f"{plane.name}_y": plane.y.astype(np.float64)}
    for index, model in enumerate(points.models):
        arrays |= {f"model_{index}_performance": model.performance, f"model_{index}_distance": model.distance}
    arrays |= {f"column_{index}": column.values for index, column in enumerate(points.columns)}
    arrays |= _pictures(small, max(1, len(points.models)))
    return pack(header, arrays, exact=len(points) <= EXACT_ROWS)


def _column(column: ImageProperty) -> dict[str, Any]:
    about = {"name": column.name, "title": column.title, "kind": column.kind, "about": column.about}
    return about | ({"categories": list(column.categories)} if column.kind == "category" else {})


def _pictures(small: Sequence[Small], models: int) -> dict[str, Any]:
    names = ("row", "width", "height")
    arrays: dict[str, Any] = {
        f"small_{name}": np.array([getattr(one, name) for one in small], dtype=np.uint32) for name in names
    }
    files = {"photograph": [one.photograph for one in small], "mask": [one.mask for one in small]}
    files |= {f"prediction_{model}": [one.predictions[model] for one in small] for model in range(models)}
    for name, blobs in files.items():
        ends = np.cumsum([len(blob) for blob in blobs], dtype=np.uint32)
        arrays |= {name: np.frombuffer(b"".join(blobs), np.uint8), f"{name}_ends": ends}
    return arrays


def ramp() -> list[str]:
    """Return colours for numbers from low to high that work for colour-blind readers on light and dark pages."""
    import matplotlib
    from matplotlib.colors import to_hex

    colours = matplotlib.colormaps["viridis"](np.linspace(0.12, 0.92, RAMP))
    return [to_hex(colour) for colour in colours]
