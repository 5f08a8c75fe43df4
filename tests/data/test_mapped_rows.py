"""Embeddings in mapped files take no memory once they are read, and what others mapped for writing is left to them."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from howfar.arrays import ArrayRows
from howfar.data import load_embeddings
from howfar.data.embeddings import MappedRows, from_array, mapping_of

MIB = 1 << 20


def resident(file: Path) -> int:
    """Bytes of a file that this process holds in memory."""
    total, of_file = 0, False
    for line in Path("/proc/self/smaps").read_text(encoding="utf-8").splitlines():
        if "-" in line.split()[0]:
            of_file = line.endswith(str(file))
        elif of_file and line.startswith("Rss:"):
            total += int(line.split()[1]) * 1024
    return total


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "roads.npy"
    np.save(path, np.random.default_rng(0).normal(size=(2048, 1024)))
    return path


@pytest.mark.skipif(sys.platform != "linux", reason="memory by file is told by Linux")
def test_what_was_read_takes_no_memory(file: Path) -> None:
    array = np.load(file, mmap_mode="r")
    assert array.sum() != 0.0
    assert resident(file) > 15 * MIB
    found = load_embeddings(file)
    rows, columns = found.rows.rows(0, 2048), found.rows.columns(0, 1024)
    # The mapping of `array` is another one, whose memory is not ours to give back.
    before = resident(file)
    del array
    assert before - resident(file) > 15 * MIB
    assert resident(file) < MIB
    np.testing.assert_array_equal(rows, columns)
    np.testing.assert_array_equal(rows, np.load(file))
    assert resident(file) < MIB, "what was read lies in the file still"


def test_rows_that_are_left_out(file: Path) -> None:
    array = np.load(file)
    array[5] = np.nan
    np.save(file, array)
    found = load_embeddings(file)
    assert isinstance(found.rows, MappedRows)
    np.testing.assert_array_equal(found.rows.rows(3, 7), array[[3, 4, 6, 7]])
    np.testing.assert_array_equal(found.rows.columns(2, 4), np.delete(array, 5, axis=0)[:, 2:4])


@pytest.mark.parametrize("mode", ["c", "r+"])
def test_what_others_have_mapped_for_writing_is_not_thrown_away(file: Path, mode: str) -> None:
    array = np.load(file, mmap_mode=mode)  # type: ignore[call-overload] - any mode
    array[3] = 7.0
    assert mapping_of(array) is None
    found = from_array(array, "roads")
    assert isinstance(found.rows, ArrayRows)
    assert (found.rows.rows(3, 4) == 7.0).all()
    assert (array[3] == 7.0).all()


@pytest.mark.parametrize("bad", [False, True])
@pytest.mark.parametrize("order", ["C", "F"])
def test_pickled_it_is_the_file_and_not_its_rows(bad: bool, order: Any, tmp_path: Path) -> None:
    values = np.asarray(np.random.default_rng(0).normal(size=(50, 4000)), order=order)
    values[7, 3] = np.nan if bad else 0.0
    np.save(tmp_path / "roads.npy", values)
    found = load_embeddings(tmp_path / "roads.npy")
    packed = pickle.dumps(found.rows)
    assert len(packed) < 2000
    np.testing.assert_array_equal(pickle.loads(packed).rows(5, 20), found.rows.rows(5, 20))
    raw = np.memmap(tmp_path / "raw", np.float32, "w+", 64, (3, 2))
    raw[:] = [[1, 2], [3, 4], [5, 6]]
    raw.flush()
    again = pickle.loads(pickle.dumps(from_array(np.memmap(tmp_path / "raw", np.float32, "r", 64, (3, 2)), "raw").rows))
    np.testing.assert_array_equal(again.columns(1, 2), [[2], [4], [6]])
