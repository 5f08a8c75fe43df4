import json
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest

from howfar.demo import write_dataset
from howfar.errors import InputError, MissingExtraError, StoreError
from howfar.store import FeatureStore, Store, folders
from howfar.store.folders import RemoteFolder, folder_at
from worlds.store_trials import IDENTITY, LENGTH, add, content, expected, read

ITEM = 4


@pytest.fixture
def features() -> FeatureStore:
    found = Store(f"memory://{uuid.uuid4().hex}/shelf").open(IDENTITY, LENGTH)
    add(found, range(40))
    return found


@pytest.fixture
def asked(monkeypatch) -> list[tuple[int, int]]:
    """The ranges of bytes that are asked for."""
    ranges: list[tuple[int, int]] = []
    system = fsspec.get_filesystem_class("memory")
    original = system.cat_ranges

    def watched(self: Any, paths: list[str], starts: list[int], ends: list[int], **named: Any) -> Any:
        ranges.extend(zip(starts, ends, strict=True))
        return original(self, paths, starts, ends, **named)

    monkeypatch.setattr(system, "cat_ranges", watched)
    return ranges


def test_columns_are_a_range_for_each_row_where_rows_are_long(features, asked, monkeypatch):
    monkeypatch.setattr(folders, "GAP", 0)
    selection = features.select([content(k) for k in range(40)])
    np.testing.assert_array_equal(selection.columns(2, 5), expected(range(40))[:, 2:5])
    assert [end - start for start, end in asked] == [3 * ITEM] * 40


def test_a_request_is_of_so_many_bytes_at_most(features, asked, monkeypatch):
    monkeypatch.setattr(folders, "REQUEST", 3 * LENGTH * ITEM)
    order = [5, 5, 0, 39, 2, 1, 17]
    selection = features.select([content(k) for k in order])
    np.testing.assert_array_equal(selection.rows(0, len(order)), expected(order))
    assert max(end - start for start, end in asked) <= 3 * LENGTH * ITEM
    assert len(asked) > 1


def test_a_cut_object_is_damage_and_never_wrong_rows(features):
    system = fsspec.filesystem("memory")
    (array,) = [path for path in system.find(str(features.folder).removeprefix("memory://")) if path.endswith(".npy")]
    system.pipe_file(array, system.cat_file(array)[:-8])
    again = Store(str(features.folder).rpartition("/")[0]).open(IDENTITY, LENGTH)
    assert not again.contains(content(0))
    assert "bytes" in next(iter(again.damaged.values()))
    add(again, range(40))
    np.testing.assert_array_equal(read(again, range(40)), expected(range(40)))


def test_what_a_service_raises_is_one_clear_line(features, monkeypatch):
    def refused(*_: Any, **__: Any) -> None:
        raise RuntimeError("the key\nis not valid")

    selection = features.select([content(0)])
    monkeypatch.setattr(fsspec.get_filesystem_class("memory"), "cat_ranges", refused)
    with pytest.raises(StoreError, match=r"cannot read memory://.*: the key is not valid"):
        selection.rows(0, 1)
    monkeypatch.setattr(fsspec.get_filesystem_class("memory"), "pipe_file", refused)
    with pytest.raises(StoreError, match="cannot write to memory://"):
        add(features, [99])


def test_what_is_being_written_is_not_there_before_the_end():
    folder = RemoteFolder(f"memory://{uuid.uuid4().hex}")

    def interrupted() -> None:
        with folder.appearing("note") as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert folder.names() == set()
    assert folder.written("note") == float("inf")
    folder.remove("note")


def test_what_is_being_written_is_no_file_here_either(tmp_path, monkeypatch):
    """A kill then leaves nothing behind."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = RemoteFolder(f"memory://{uuid.uuid4().hex}")
    with folder.appearing("note") as file:
        file.write(b"whole")
        assert not list(tmp_path.iterdir())
    assert folder.read("note") == b"whole"


def test_a_missing_file_system_names_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(MissingExtraError, match=r"gs:// needs a library that is not installed: pip install 'howfar\[gs\]'"):
        Store("gs://bucket/shelf")
    with pytest.raises(InputError, match="store must be a path or a URL that fsspec reads"):
        Store("nonsense://bucket/shelf")


@pytest.mark.parametrize("name", ["s3", "gs", "hf"])
def test_a_folder_may_have_the_name_of_a_scheme(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert folder_at(name).near


@pytest.mark.parametrize(
    ("odd", "words"),
    [
        ("", "must be a folder or a URL with one in it"),
        ("s3://", "must be a folder or a URL with one in it"),
        ("file://shelf", "must have three slashes after file:"),
        ("s3:/bucket/shelf", "must have two slashes after the colon of a URL"),
    ],
)
def test_odd_places_are_refused(odd, words):
    with pytest.raises(InputError, match=words):
        Store(odd)


def test_looks_behind_a_url_are_seldom_where_they_take_long(monkeypatch):
    features = Store(f"memory://{uuid.uuid4().hex}/shelf").open(IDENTITY, LENGTH)
    looks = []
    monkeypatch.setattr(features._catalog, "refresh", lambda: looks.append(time.sleep(0.05)))
    for k in range(5):
        with features.claim([content(k)]) as mine:
            assert mine == (content(k),)
    assert len(looks) == 1


def test_the_command_line_embeds_into_a_bucket_and_finds_it_there(bucket, tmp_path):
    write_dataset(tmp_path / "roads", 6, seed=0, size=32)
    where = ["--store", f"{bucket}/shelf", "--json"]
    command = [str(Path(sys.executable).with_name("howfar")), "embed", str(tmp_path / "roads"), "--backbone", "colour_moments"]
    for reused in (0, 6):
        found = subprocess.run([*command, *where], capture_output=True, text=True, timeout=300, check=False)
        assert found.returncode == 0, found.stderr
        assert json.loads(found.stdout)["store"] == f"{bucket}/shelf"
        assert f"from store={reused}" in found.stderr
