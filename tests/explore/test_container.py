"""The packed block: read back by an independent reader, equal for equal input, near enough where it is quantised."""

from __future__ import annotations

import gzip
import json
from typing import Any

import numpy as np
import pytest

from howfar.explore.page_data import joined, pack


def unpack(block: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    raw = gzip.decompress(block)
    assert raw[:4] == b"HFX1"
    length = int.from_bytes(raw[4:8], "little")
    header, body = json.loads(raw[8 : 8 + length]), raw[8 + length :]
    arrays = {}
    for name, entry in header["arrays"].items():
        assert (entry["at"] + 8 + length) % 4 == 0
        values = np.frombuffer(body, np.dtype(entry["type"]).newbyteorder("<"), entry["length"], entry["at"])
        arrays[name] = np.where(values == 65535, np.nan, entry["low"] + entry["step"] * values) if "low" in entry else values
    return header, arrays


def test_reads_back() -> None:
    values = np.array([0.25, np.nan, -3.5])
    header, arrays = unpack(pack({"names": ["ä", "</script>"]}, {"x": values, "row": np.array([7, 8, 9], np.uint32)}))
    assert header["names"] == ["ä", "</script>"]
    assert np.array_equal(arrays["x"], values, equal_nan=True)
    assert arrays["row"].tolist() == [7, 8, 9]


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_quantised_numbers_keep_a_65534th_of_their_range(scale: float) -> None:
    values = np.random.default_rng(0).normal(size=5000) * scale
    values[::7] = np.nan
    _, arrays = unpack(pack({}, {"x": values}, exact=False))
    assert np.array_equal(np.isnan(arrays["x"]), np.isnan(values))
    assert np.nanmax(np.abs(arrays["x"] - values)) <= 0.501 * (np.nanmax(values) - np.nanmin(values)) / 65534


def test_constant_and_unknown_columns_survive_quantising() -> None:
    _, arrays = unpack(pack({}, {"same": np.full(3, 2.5), "none": np.full(3, np.nan)}, exact=False))
    assert arrays["same"].tolist() == [2.5] * 3
    assert np.isnan(arrays["none"]).all()


def test_equal_input_gives_equal_bytes() -> None:
    assert pack({"a": 1}, {"x": np.arange(3.0)}) == pack({"a": 1}, {"x": np.arange(3.0)})


def test_joined_byte_strings_are_found_by_their_ends() -> None:
    data, ends = joined([b"ab", b"", b"cde"])
    assert ends.tolist() == [2, 2, 5]
    assert data.tobytes() == b"abcde"
    assert len(joined([])[1]) == 0
