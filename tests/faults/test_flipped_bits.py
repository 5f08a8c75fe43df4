"""A bit that flips anywhere in a store is found or does no harm; benchmarks/checksums.py flips a thousand."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from worlds.store_trials import PARTS, flip_bits


@pytest.mark.parametrize("seed", [1, 2])
def test_every_flipped_bit_is_found_or_harmless(tmp_path: Path, seed: int) -> None:
    flips = flip_bits(tmp_path, 60, seed)
    assert (flips.wrong, flips.broken, flips.total) == ([], [], 60)
    # Of the rows every bit counts, and of the header too: what numpy does not look at is compared all the same.
    assert flips.found["data"] == flips.found["header"] == 60 / len(PARTS)
    assert logging.getLogger("howfar.store").propagate


def test_without_checksums_flips_are_wrong_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("howfar.store.shard_catalog.damaged_rows", lambda *_: [])
    flips = flip_bits(tmp_path, 20)
    assert len(flips.wrong) == 20 / len(PARTS)
    assert all(line.startswith("data: bit") for line in flips.wrong)
