"""Shards appear whole or not at all, whatever is damaged, left over or killed."""

import io
import logging
import os
import shutil
import time
from contextlib import contextmanager
from unittest import mock

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from howfar.errors import StoreError
from howfar.store import Store
from howfar.store.shard_catalog import sweep
from howfar.store.shards import Shard, digests_of
from worlds.store_trials import add, content, expected, known, read

IDENTITY = {"name": "pixels"}


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


@pytest.fixture
def folder(store):
    """Two shards: images 0 to 2, then 3 and 4."""
    features = store.open(IDENTITY, 24)
    add(features, [0, 1, 2])
    add(features, [3, 4])
    return features.folder / "shards"


def test_a_shard_knows_its_rows_by_their_contents():
    shard = Shard("a", 4, ["cat", "dog"], [0, 2], np.zeros(4, np.uint64))
    cat, dog = digests_of(["cat"]), digests_of(["dog"])
    assert shard.has(np.array([2, 0]), np.concatenate([dog, cat]))
    assert not shard.has(np.array([0]), dog)
    assert not shard.has(np.array([3]), dog), "no entry names this row"


def older(folder, suffix):
    return min(folder.glob(f"*{suffix}"))


def index_of(table):
    stream = io.BytesIO()
    pq.write_table(pa.table(table), stream)
    return stream.getvalue()


def npy(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


THREE = {"content": [content(k) for k in range(3)], "path": ["a", "b", "c"]}
DAMAGE = {
    "matrix cut short by a byte": (".npy", lambda data: data[:-1]),
    "matrix cut short by a row": (".npy", lambda data: data[: -24 * 4]),
    "matrix with a byte too many": (".npy", lambda data: data + b"\0"),
    "matrix cut in its header": (".npy", lambda data: data[:40]),
    "matrix empty": (".npy", lambda data: b""),
    "matrix of zeros without a header": (".npy", lambda data: bytes(len(data))),
    "matrix of another length": (".npy", lambda data: npy(np.zeros((3, 25), np.float32))),
    "matrix with too few rows": (".npy", lambda data: npy(np.zeros((2, 24), np.float32))),
    "matrix of another type": (".npy", lambda data: npy(np.zeros((3, 24)))),
    "matrix in columns": (".npy", lambda data: npy(np.zeros((3, 24), np.float32, order="F"))),
    "matrix with one axis": (".npy", lambda data: npy(np.zeros(72, np.float32))),
    "index cut short": (".parquet", lambda data: data[:-8]),
    "index with spoilt pages": (".parquet", lambda data: data[:4] + b"\xff" * 200 + data[204:]),
    "index empty": (".parquet", lambda data: b""),
    "index without rows": (".parquet", lambda data: index_of(THREE)),
    "index with a gap": (".parquet", lambda data: index_of({**THREE, "row": [0, None, 2]})),
    "index with rows that are no numbers": (".parquet", lambda data: index_of({**THREE, "row": ["0", "1", "2"]})),
    "index of other columns": (".parquet", lambda data: index_of({"a": [1], "b": ["x"]})),
    "index of lists": (".parquet", lambda data: index_of({"content": [["a"]], "path": ["a"], "row": [[1]]})),
    "index beyond the matrix": (".parquet", lambda data: index_of({**THREE, "row": [0, 1, 3]})),
    "index below the matrix": (".parquet", lambda data: index_of({**THREE, "row": [-1, 0, 1]})),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_shard_counts_as_absent(store, folder, damage, caplog):
    suffix, spoil = DAMAGE[damage]
    path = older(folder, suffix)
    path.write_bytes(spoil(path.read_bytes()))
    with caplog.at_level(logging.WARNING, "howfar.store"):
        features = store.open(IDENTITY, 24)
        features.refresh()
    assert [features.contains(content(k)) for k in range(5)] == [False] * 3 + [True] * 2
    assert list(features.damaged) == [path.name[:32]]
    # Said once, not at every look.
    assert len(caplog.records) == 1
    assert path.name[:32] in caplog.text
    with pytest.raises(StoreError, match=content(1)):
        features.select([content(3), content(1)])
    add(features, [0, 1, 2])
    np.testing.assert_array_equal(read(store.open(IDENTITY, 24), range(5)), expected(range(5)))


def test_a_matrix_that_is_gone_counts_as_absent(store, folder):
    older(folder, ".npy").unlink()
    features = store.open(IDENTITY, 24)
    assert not features.contains(content(0))
    assert list(features.damaged.values()) == ["its matrix is missing"]


@pytest.mark.parametrize("column", [False, True])
def test_a_matrix_cut_short_after_it_was_indexed_is_an_error_that_says_what_to_do(store, folder, column):
    features = store.open(IDENTITY, 24)
    selection = features.select([content(k) for k in range(5)])
    path = older(folder, ".npy")
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(StoreError, match=r"holds no features of content .*: embed its image \(again\) first"):
        selection.columns(0, 1) if column else selection.rows(0, 5)
    assert not features.contains(content(0))
    add(features, [0, 1, 2])
    np.testing.assert_array_equal(selection.rows(0, 5), expected(range(5)))


def test_another_copy_stands_in_for_a_damaged_one(store, folder):
    features = store.open(IDENTITY, 24)
    add(features, [1, 0, 2])
    selection = features.select([content(k) for k in range(5)])
    path = older(folder, ".npy")
    path.write_bytes(path.read_bytes()[:-10])
    np.testing.assert_array_equal(selection.rows(0, 5), expected(range(5)))


def test_leftovers_are_ignored(store, folder):
    (folder / ("0" * 32 + ".npy")).write_bytes(older(folder, ".npy").read_bytes())
    (folder / ("0" * 32 + ".parquet.12ab34cd.tmp")).write_bytes(older(folder, ".parquet").read_bytes())
    (folder / "notes.parquet").write_bytes(b"a visitor's")
    features = store.open(IDENTITY, 24)
    assert len(features) == 5
    assert features.damaged == {}
    np.testing.assert_array_equal(read(features, range(5)), expected(range(5)))


def test_only_stale_leftovers_are_swept(store, folder):
    spoilt = older(folder, ".parquet")
    spoilt.write_bytes(b"")
    names = ["1" * 32 + ".npy", "2" * 32 + ".parquet.12ab34cd.tmp", "3" * 32 + ".npy.12ab34cd.tmp", "notes.txt", "notes.npy"]
    for name in names:
        (folder / name).write_bytes(b"left")
    (folder.parent / "manifest.json.12ab34cd.tmp").write_bytes(b"left")
    features = store.open(IDENTITY, 24)
    features.pack()
    everything = {path.name for path in (*folder.iterdir(), *folder.parent.iterdir())}
    assert everything >= {*names, "manifest.json.12ab34cd.tmp", spoilt.name}

    two_days_ago = time.time() - 2 * 24 * 3600
    for path in (*folder.iterdir(), *folder.parent.iterdir()):
        os.utime(path, (two_days_ago, two_days_ago))
    features.pack()
    left = {path.name for path in folder.iterdir()}
    assert {name for name in left if name.startswith("notes")} == {"notes.txt", "notes.npy"}
    assert {name[32:] for name in left - {"notes.txt", "notes.npy"}} == {".npy", ".parquet"}
    assert len(left) == 4
    assert not (folder.parent / "manifest.json.12ab34cd.tmp").exists()
    assert features.damaged == {}
    np.testing.assert_array_equal(read(store.open(IDENTITY, 24), [3, 4]), expected([3, 4]))


def test_a_writer_between_matrix_and_index_is_not_swept(store, folder):
    matrix = folder / ("1" * 32 + ".npy")
    matrix.write_bytes(older(folder, ".npy").read_bytes())
    features = store.open(IDENTITY, 24)
    assert sweep(features._home, features._catalog) == []
    older(folder, ".parquet").rename(matrix.with_suffix(".parquet"))
    assert store.open(IDENTITY, 24).contains(content(0))
    # And should a sweep come in between all the same, its shard is absent and no row is wrong.
    matrix.unlink()
    assert not store.open(IDENTITY, 24).contains(content(0))


@contextmanager
def watched(root, copies):
    """Give a list that grows by a copy of `root` before each rename, deletion, sync or new folder."""
    taken = []
    originals = {name: getattr(os, name) for name in ("replace", "unlink", "fsync", "mkdir")}

    def copying(name):
        def step(*arguments, **named):
            with mock.patch.multiple(os, **originals):
                if root.exists():
                    taken.append(shutil.copytree(root, copies / str(len(taken))))
            return originals[name](*arguments, **named)

        return step

    with mock.patch.multiple(os, **{name: copying(name) for name in originals}):
        yield taken


def test_a_kill_while_opening_or_adding_leaves_all_or_nothing(tmp_path):
    with watched(tmp_path / "store", tmp_path / "copies") as copies:
        features = Store(tmp_path / "store").open(IDENTITY, 24)
        opened = len(copies)
        add(features, [0, 1, 2])
        added = len(copies)
        add(features, [3, 4])
    # Opening makes the folder, then syncs the manifest, names it, syncs the folder, makes the shards' folder.
    # Adding syncs the matrix, names it, syncs the folder, and the same for the index.
    assert (opened, added - opened, len(copies) - added) == (5, 6, 6)
    for step, copy in enumerate(copies):
        before = [] if step < added else [0, 1, 2]
        after = [] if step < opened else [0, 1, 2] if step < added else [0, 1, 2, 3, 4]
        found = Store(copy).open(IDENTITY, 24)
        there = known(found, range(5))
        assert there in (before, after)
        np.testing.assert_array_equal(read(found, there), expected(there))
        add(found, [k for k in range(5) if k not in there])
        np.testing.assert_array_equal(read(Store(copy).open(IDENTITY, 24), range(5)), expected(range(5)))


def test_a_kill_while_packing_loses_nothing(tmp_path):
    features = Store(tmp_path / "store").open(IDENTITY, 24)
    for k in range(6):
        add(features, [2 * k, 2 * k + 1])
    features.add([content(1)], ["again.png"], expected([99]))
    with watched(tmp_path / "store", tmp_path / "copies") as copies:
        assert features.pack(target_bytes=6 * 24 * 4, many=2) == 6
    # The redundant shard goes (2 files), then for each of two merged shards: 6 steps of writing, 3 x 2 deletions.
    assert len(copies) == 2 + 2 * (6 + 6)
    for copy in copies:
        found = Store(copy).open(IDENTITY, 24)
        assert found.damaged == {}
        np.testing.assert_array_equal(read(found, range(12)), expected(range(12)))
        found.pack(target_bytes=6 * 24 * 4, many=1)
        np.testing.assert_array_equal(read(found, range(12)), expected(range(12)))
        stored = [
            len(np.load(path)) for path in (found.folder / "shards").glob("*.npy") if path.with_suffix(".parquet").exists()
        ]
        assert sum(stored) == 12, "a duplicate outlived the next pack"
