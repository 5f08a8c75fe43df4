"""Pack columns of numbers and small pictures, with a header in JSON, into one compressed block that the page reads."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAGIC = b"HFX1"
ALIGN = 8
EXACT_ROWS = 20_000
"""Rows up to which numbers keep seven digits; of more they keep a 65,534th of their range, so that a page stays small."""
_TOP = 65_534
_TYPES = {"float32": "f4", "uint32": "u4", "uint16": "u2", "int16": "i2", "uint8": "u1"}


def pack(header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], exact: bool = True) -> bytes:
    """Pack arrays by name behind a header, gzip-compressed with no date, so that equal input gives equal bytes.

    The block is ``HFX1``, the header's length as uint32, the header as JSON, then the arrays, each at a multiple of 8 bytes
    and little-endian. The header's "arrays" says for each name where it begins, its type and length; of numbers that are not
    kept exactly also "low" and "step", where 65535 stands for NaN. Arrays of float64 are written as float32, or so.

    Examples
    --------
    >>> block = pack({"title": "roads"}, {"x": np.array([1.0, np.nan])})
    >>> gzip.decompress(block)[:4]
    b'HFX1'
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


def joined(blobs: Sequence[bytes]) -> tuple[NDArray[np.uint8], NDArray[np.uint32]]:
    """Join byte strings into one array, and return with it where each ends."""
    ends = np.cumsum([len(blob) for blob in blobs], dtype=np.uint32) if blobs else np.zeros(0, np.uint32)
    return np.frombuffer(b"".join(blobs), np.uint8), ends


def _encoded(array: NDArray[Any], exact: bool) -> tuple[dict[str, Any], bytes]:
    if array.dtype == np.float64 and not exact:
        return _quantised(array)
    values = array.astype(np.float32) if array.dtype == np.float64 else array
    return {"type": values.dtype.name}, values.astype(f"<{_TYPES[values.dtype.name]}").tobytes()


def _quantised(array: NDArray[np.float64]) -> tuple[dict[str, Any], bytes]:
    known = np.isfinite(array)
    low, high = (float(array[known].min()), float(array[known].max())) if known.any() else (0.0, 0.0)
    step = (high - low) / _TOP if high > low else 1.0
    levels = np.where(known, np.round((np.where(known, array, low) - low) / step), _TOP + 1)
    return {"type": "uint16", "low": low, "step": step}, levels.astype("<u2").tobytes()
