"""Ready-made embeddings from files and arrays."""

import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from howfar.arrays import ArrayRows
from howfar.data import content_hash, embedding_files, load_embeddings
from howfar.data.embedding_files import MappedRows, from_array, mapping_of
from howfar.errors import InputError, MissingPathError


@pytest.fixture
def rows() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((7, 5)).astype(np.float32)


def test_npy_stays_on_disk(tmp_path: Path, rows: np.ndarray) -> None:
    np.save(tmp_path / "roads.npy", rows)
    found = load_embeddings(tmp_path / "roads.npy")
    assert isinstance(found.rows, MappedRows)
    assert np.array_equal(found.to_array(), rows)
    assert np.array_equal(found.rows.columns(1, 3), rows[:, 1:3])
    assert (found.name, found.images[:2], found.paths, found.layers) == ("roads", ("row-0", "row-1"), ("",) * 7, (5,))
    assert len(set(found.contents)) == 7
    # Rows of one length are comparable, and equal rows have equal contents.
    twice = from_array(np.concatenate([rows, rows[:1]]), "d")
    assert twice.identity == found.identity == {"kind": "embeddings", "length": 5}
    assert twice.contents == (*found.contents, found.contents[0])


@pytest.mark.parametrize(
    ("given", "kept"), [("f2", "f4"), ("f4", "f4"), ("f8", "f8"), ("u1", "f4"), ("i4", "f8"), (">f4", "f4"), ("?", "f4")]
)
def test_numbers_keep_their_values(given: str, kept: str) -> None:
    array = np.array([[0, 1], [1, 0]]).astype(given)
    found = from_array(array, "d").to_array()
    assert found.dtype == np.dtype(kept)
    assert found.tolist() == [[0, 1], [1, 0]]


def test_rows_that_are_not_finite_are_skipped(tmp_path: Path, rows: np.ndarray) -> None:
    rows[2, 1], rows[5, 0] = np.nan, np.inf
    np.save(tmp_path / "roads.npy", rows)
    found = load_embeddings(tmp_path / "roads.npy")
    good = rows[[0, 1, 3, 4, 6]]
    assert np.array_equal(found.to_array(), good)
    assert np.array_equal(found.rows.columns(1, 4), good[:, 1:4])
    assert np.array_equal(found.rows.rows(1, 3), good[1:3])
    assert found.images == ("row-0", "row-1", "row-3", "row-4", "row-6")
    assert len(found.contents) == len(found) == 5
    assert [one.path for one in found.skipped] == [f"{tmp_path / 'roads.npy'}: row-2", f"{tmp_path / 'roads.npy'}: row-5"]
    assert found.skipped[0].reason == "NaN or infinity in the embedding"


def test_numbers_whose_squares_would_overflow_or_vanish(rows: np.ndarray) -> None:
    wide = rows.astype(np.float64)
    wide[3, 2], wide[4, 0] = -1.1e100, 1e100
    found = from_array(wide, "roads")
    assert found.images == ("row-0", "row-1", "row-2", "row-4", "row-5", "row-6")
    assert [(one.path, one.reason) for one in found.skipped] == [("roads: row-3", "a value beyond ±1e+100 in the embedding")]
    tiny = rows.astype(np.float64) * 1e-120
    with pytest.raises(InputError, match=r"roads must hold a number of at least 1e-100, .* got 'at most .*e-1\d\d': rescale"):
        from_array(tiny, "roads")
    tiny[2, 1] = 1e120
    with pytest.raises(InputError, match="must hold a number of at least 1e-100"):
        from_array(tiny, "roads")
    tiny[2, 1], tiny[0, 0] = 0.0, 1e-100
    assert len(from_array(tiny, "roads")) == len(rows)
    assert len(from_array(np.zeros((3, 2)), "roads")) == 3


@pytest.mark.parametrize("order", ["C", "F"])
def test_blocks_and_threads_do_not_change_the_result(order, rows, monkeypatch):
    rows[5, 1] = np.nan
    alone = from_array(rows, "d")
    assert alone.contents == tuple(content_hash(row.tobytes()) for row in np.delete(rows, 5, axis=0))
    for changes in ({"_TASK_BYTES": 1}, {"_TASK_BYTES": 2 * rows[0].nbytes, "_UNLOCKED": 1, "numeric_threads": lambda: 3}):
        with monkeypatch.context() as patched:
            for name, value in changes.items():
                patched.setattr(embedding_files, name, value)
            other = from_array(np.asarray(rows, order=order), "d")
        assert (other.images, other.contents, other.skipped) == (alone.images, alone.contents, alone.skipped)


@pytest.mark.parametrize("kind", [pa.list_(pa.float32()), pa.large_list(pa.float32())])
def test_parquet(tmp_path: Path, rows: np.ndarray, kind: pa.DataType) -> None:
    lists: list[object] = [*rows.tolist()]
    lists[3] = None
    lists[4] = [None, *rows[4, 1:].tolist()]
    parts = pa.chunked_array([pa.array(lists[:2], kind), pa.array(lists[2:], kind)])
    names = ["a", "b", "a", "n", "m", None, "a#2"]
    pq.write_table(pa.table({"image": names, "embedding": parts}), tmp_path / "roads.parquet")
    found = load_embeddings(tmp_path / "roads.parquet")
    assert np.array_equal(found.to_array(), rows[[0, 1, 2, 5, 6]])
    assert found.images == ("a", "b", "a#2", "row-5", "a#2#2")
    assert [(one.path.rpartition(": ")[2], one.reason) for one in found.skipped] == [
        ("n", "no embedding"),
        ("m", "NaN or infinity in the embedding"),
    ]
    # Without names, and of lists of one stated length, among which pyarrow writes no null before version 16.
    pq.write_table(pa.table({"embedding": pa.array(rows.tolist(), pa.list_(pa.float32(), 5))}), tmp_path / "roads.parquet")
    found = load_embeddings(tmp_path / "roads.parquet", name="mine")
    assert np.array_equal(found.to_array(), rows)
    assert (found.name, found.images[6]) == ("mine", "row-6")


def test_errors_are_one_clear_line(tmp_path: Path, rows: np.ndarray) -> None:
    with pytest.raises(MissingPathError, match="no file of embeddings"):
        load_embeddings(tmp_path / "none.npy")
    bad = tmp_path / "bad.npy"
    for array, line in (
        (rows[0], r"must have two axes \(images, features\), got \(5,\)"),
        (rows[:0], "must have at least one row"),
        (rows * np.nan, "holds no usable embedding: 7 rows, the first with NaN or infinity"),
        (rows.astype(str), "must hold real numbers"),
        (rows.astype(complex), "must hold real numbers"),
        (np.array([{}], object), "cannot be read"),
    ):
        np.save(bad, array, allow_pickle=True)
        with pytest.raises(InputError, match=line):
            load_embeddings(bad)
    for columns, line in (
        ({"embedding": pa.array([[1.0, 2.0], [1.0]])}, r"must have one length, got 2 \(row-0\) and 1 \(row-1\)"),
        ({"embedding": pa.array([1.0])}, "must hold lists of numbers, got 'double'"),
        ({"embedding": pa.array([["a"]])}, "must hold real numbers"),
        ({"embedding": pa.array([None], pa.list_(pa.float32()))}, "holds no embedding"),
        ({"vector": [[1.0]]}, "has no column embedding; its columns: vector"),
    ):
        pq.write_table(pa.table(columns), tmp_path / "bad.parquet")
        with pytest.raises(InputError, match=line):
            load_embeddings(tmp_path / "bad.parquet")


# Embeddings in mapped files take no memory once they are read, and what others mapped for writing is left to them

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
