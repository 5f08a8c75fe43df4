"""Sums of datasets that are kept in a store: a flipped bit costs them, and changes no number."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from howfar.io.checkpoint import KeptArrays


@pytest.mark.parametrize("part", ["header", "anywhere"])
def test_flipped_bits_in_kept_sums_are_found_or_harmless(tmp_path, part):
    kept, rng = KeptArrays(tmp_path), np.random.default_rng(0)
    # So long that a header is read before the zip's checksum is compared.
    arrays = {"mean": rng.normal(size=5000), "scatter": rng.normal(size=(6, 6)), "single": np.array(False)}
    kept.keep("sums", arrays)
    path = tmp_path / "sums.npz"
    whole = path.read_bytes()
    # The first array's header begins after the zip's own of 30 bytes and its name.
    first, last = (whole.find(b"\x93NUMPY"), whole.find(b"\n")) if part == "header" else (0, len(whole))
    lost = 0
    for _ in range(400):
        spoilt = bytearray(whole)
        spoilt[int(rng.integers(first, last))] ^= 1 << int(rng.integers(8))
        path.write_bytes(spoilt)
        with warnings.catch_warnings(action="ignore"):  # of numpy's reader, about the Python that it evaluates
            found = kept.read("sums")
        lost += found is None
        for name, value in (found or {}).items():
            assert name not in arrays or np.array_equal(value, arrays[name])
    assert lost > 200
