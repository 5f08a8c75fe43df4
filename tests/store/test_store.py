import errno
import os
from pathlib import Path

import numpy as np
import pytest
import xxhash

from howfar.errors import InputError, StoreError
from howfar.store import Store
from worlds.store_trials import add, content, expected, read


def test_default_folder_is_the_variables_else_the_users_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HOWFAR_STORE", str(tmp_path / "here"))
    assert Store().root == tmp_path / "here"
    monkeypatch.setenv("HOWFAR_STORE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert Store().root.name == "howfar"
    assert not (tmp_path / "cache").exists()


def test_wrong_arguments_are_refused(tmp_path):
    with pytest.raises(InputError, match="dtype must be one of float32, float16, got 'float64'"):
        Store(tmp_path, dtype="float64")
    with pytest.raises(InputError, match="length must be at least 1"):
        Store(tmp_path).open({"name": "a"}, 0)
    features = Store(tmp_path).open({"name": "a"}, 2)
    with pytest.raises(InputError, match="rows must be floating-point"):
        features.add(["a"], ["a.png"], np.zeros((1, 2), np.int64))
    with pytest.raises(InputError, match="contents must be text"):
        features.add([b"a"], ["a.png"], np.zeros((1, 2)))
    with pytest.raises(InputError, match="1 paths"):
        features.add(["a", "b"], ["a.png"], np.zeros((2, 2)))
    with pytest.raises(InputError, match="many must be at least 1"):
        features.pack(many=0)
    with pytest.raises(InputError, match="target_bytes must be at least 1"):
        features.pack(target_bytes=0)


def test_float64_beyond_float32_is_refused(tmp_path):
    features = Store(tmp_path).open({"name": "a"}, 2)
    with pytest.raises(StoreError, match=r"a\.png reach 1e\+39, beyond 3.40282e\+38, the end of float32"):
        features.add(["a"], ["a.png"], np.array([[1e39, 0.0]]))
    features.add(["a"], ["a.png"], np.array([[1 / 3, 1e-300]]))
    np.testing.assert_array_equal(features.select(["a"]).rows(0, 1), np.array([[1 / 3, 1e-300]], np.float32))


def test_arrays_of_any_layout_are_stored_as_they_read(tmp_path):
    features = Store(tmp_path).open({"name": "a"}, 24)
    rows = expected(range(4))
    for k, array in enumerate((np.asfortranarray(rows), rows[::-1], rows.astype(">f4"), rows.astype(np.float64))):
        features.add([f"{k}{j}" for j in range(4)], ["x"] * 4, array)
        wanted = rows[::-1] if k == 1 else rows
        np.testing.assert_array_equal(features.select([f"{k}{j}" for j in range(4)]).rows(0, 4), wanted)


def test_paths_that_are_not_utf8_are_kept_readable(tmp_path):
    import pyarrow.parquet as pq

    features = Store(tmp_path).open({"name": "a"}, 24)
    features.add([content(0), content(1)], ["caf\udce9.png", "straße.png"], expected([0, 1]))
    (index,) = features.folder.glob("shards/*.parquet")
    assert pq.read_table(index).to_pydict() == {
        "content": [content(0), content(1)],
        "path": ["caf\\udce9.png", "straße.png"],
        "row": [0, 1],
        "xxh3": [xxhash.xxh3_64_intdigest(row) for row in expected([0, 1])],
    }


@pytest.mark.parametrize(("dtype", "stored"), [("float32", "<f4"), ("float16", "<f2")])
def test_anybody_can_read_a_shard(tmp_path, dtype, stored):
    features = Store(tmp_path, dtype).open({"name": "a"}, 24)
    add(features, [0, 1])
    (array,) = features.folder.glob("shards/*.npy")
    np.testing.assert_array_equal(np.load(array, mmap_mode="r"), expected([0, 1]).astype(dtype))
    assert array.read_bytes().endswith(expected([0, 1]).astype(stored).tobytes())


def test_a_disk_that_refuses_is_reported_and_nothing_is_left(tmp_path, monkeypatch):
    features = Store(tmp_path).open({"name": "a"}, 24)
    add(features, [0])

    refusals = ((errno.ENOSPC, "the disk is full: make room, or name"), (errno.EDQUOT, "the quota is used up: make room"))
    for step, (number, words) in zip(("fsync", "replace"), refusals, strict=True):

        def refuse(*_, number=number):
            raise OSError(number, os.strerror(number))

        with monkeypatch.context() as patch:
            patch.setattr(f"os.{step}", refuse)
            with pytest.raises(StoreError, match=f"{os.strerror(number)}.*; {words}"):
                add(features, [1])
        assert len(list(features.folder.glob("shards/*"))) == 2
    add(features, [1])
    np.testing.assert_array_equal(read(features, [0, 1]), expected([0, 1]))


@pytest.mark.parametrize("below", ["", "below"])
def test_a_file_where_the_store_should_be_is_named(tmp_path, below):
    taken = tmp_path / "taken"
    taken.write_text("not a folder")
    with pytest.raises(StoreError, match=r"taken.*a part of the path is a file: name a folder \(--store\)"):
        Store(taken / below).open({"name": "a"}, 24)
    assert taken.read_text() == "not a folder"


def test_a_read_only_store_is_read(tmp_path, monkeypatch):
    features = Store(tmp_path).open({"name": "a"}, 24)
    add(features, [0])
    opened = Path.open

    def refusing(path, mode="r", *rest, **named):
        if mode != "rb":
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, mode, *rest, **named)

    monkeypatch.setattr(Path, "open", refusing)
    again = Store(tmp_path).open({"name": "a"}, 24)
    assert again.pack() == 0
    np.testing.assert_array_equal(read(again, [0]), expected([0]))
    with pytest.raises(StoreError, match="Permission denied"):
        add(again, [1])


def test_a_folder_that_was_deleted_is_reported(tmp_path):
    features = Store(tmp_path).open({"name": "a"}, 24)
    (features.folder / "shards").rmdir()
    with pytest.raises(StoreError, match="cannot read"):
        features.refresh()
    with pytest.raises(StoreError, match="cannot write"):
        add(features, [0])
