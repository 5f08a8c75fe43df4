from __future__ import annotations

import json

import pytest

from howfar.errors import StoreError
from howfar.store import Store, feature_key
from howfar.testing.store_writers import add, expected, read

IDENTITY = {"name": "pixels", "side": 2}


@pytest.fixture
def folder(tmp_path):
    features = Store(tmp_path).open(IDENTITY, 24)
    add(features, [0, 1])
    return features.folder


def edit(folder, **changes):
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_layout(tmp_path, folder):
    assert folder == tmp_path / feature_key(IDENTITY, "float32")
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest == {"format": 1, "identity": IDENTITY, "dtype": "float32", "length": 24}
    assert sorted(path.name for path in folder.iterdir()) == ["manifest.json", "shards"]
    names = sorted(path.name for path in (folder / "shards").iterdir())
    assert [name[32:] for name in names] == [".npy", ".parquet"]
    assert names[0][:32] == names[1][:32]


def test_another_format_is_refused(tmp_path, folder):
    edit(folder, format=2)
    with pytest.raises(StoreError, match=r"store format 2, this howfar reads 1: use the howfar that wrote it"):
        Store(tmp_path).open(IDENTITY, 24)


@pytest.mark.parametrize("changes", [{"identity": {"name": "pixels", "side": 3}}, {"dtype": "float16"}])
def test_a_folder_that_holds_another_feature_is_refused(tmp_path, folder, changes):
    edit(folder, **changes)
    with pytest.raises(StoreError, match=f"another feature than its name says.*delete {folder}"):
        Store(tmp_path).open(IDENTITY, 24)


def test_a_folder_copied_to_another_name_is_refused(tmp_path, folder):
    other = {"name": "pixels", "side": 3}
    folder.rename(tmp_path / feature_key(other, "float32"))
    with pytest.raises(StoreError, match="was it copied"):
        Store(tmp_path).open(other, 24)


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"identity": 3}', '{"identity": {"x": NaN}}', "\x00\x00", b"\xff\xfe"])
def test_a_damaged_manifest_is_refused(tmp_path, folder, text):
    (folder / "manifest.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(StoreError, match=rf"manifest\.json is damaged.*delete {folder} and its features will be computed anew"):
        Store(tmp_path).open(IDENTITY, 24)


def test_a_lost_manifest_is_an_error_and_never_made_up(tmp_path, folder):
    (folder / "manifest.json").unlink()
    with pytest.raises(StoreError, match=r"shards but no manifest\.json"):
        Store(tmp_path).open(IDENTITY, 24)


def test_a_writer_killed_before_its_manifest_is_no_obstacle(tmp_path, folder):
    for path in (*(folder / "shards").iterdir(), folder / "shards", folder / "manifest.json"):
        path.rmdir() if path.is_dir() else path.unlink()
    (folder / "manifest.json.0011aabb.tmp").write_text('{"form')
    features = Store(tmp_path).open(IDENTITY, 24)
    add(features, [0])
    assert (read(features, [0]) == expected([0])).all()


def test_a_store_that_cannot_be_made_says_so(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreError, match=r"cannot use .*file.*give another folder"):
        Store(tmp_path / "file").open(IDENTITY, 24)
