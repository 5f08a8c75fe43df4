"""`check`, `repair`, `size` and `prune`, on a disk and behind a URL."""

import json
import os
import shutil
import time
from pathlib import Path

import fsspec
import numpy as np
import pytest

from howfar import store as stores
from howfar.cli.main import run
from howfar.errors import InputError, MissingPathError, StoreError
from howfar.io.file_locks import locked
from howfar.store import Store
from howfar.store.folders import folder_at
from worlds.store_trials import HEADER, IDENTITY, LENGTH, ROW, add, content, expected, known, read, spoil

OTHER = {"name": "other", "size": 8}
DAY = 24 * 3600


@pytest.fixture(params=["disk", "url"])
def root(request, tmp_path):
    return str(tmp_path / "store") if request.param == "disk" else f"memory://{tmp_path.name}"


@pytest.fixture
def features(root):
    """Two features: one with images 0 to 2, then 3 and 4; one with image 7."""
    features = Store(root).open(IDENTITY, LENGTH)
    add(features, [0, 1, 2])
    add(features, [3, 4])
    add(Store(root).open(OTHER, LENGTH), [7])
    return features


def flip(position):
    def edit(data):
        data[position] ^= 4

    return edit


def snapshot(root):
    """Every file below a store with its bytes."""
    if root.startswith("memory://"):
        system = fsspec.filesystem("memory")
        return {path: system.cat_file(path) for path in system.find(root.removeprefix("memory://"))}
    return {str(path): path.read_bytes() for path in Path(root).rglob("*") if path.is_file()}


def test_a_sound_store_is_sound_and_is_not_changed(features, root):
    before = snapshot(root)
    found = stores.check(root)
    assert found.sound
    assert found.store == str(folder_at(root).path)
    counts = {each.backbone: (each.images, each.shards, each.without_checksum) for each in found.features}
    assert counts == {"conformance": (5, 2, 0), "other": (1, 1, 0)}
    assert snapshot(root) == before
    assert [each.backbone for each in stores.check(root, ["other"]).features] == ["other"]


@pytest.mark.parametrize(
    ("suffix", "edit", "reason", "images"),
    [
        (".npy", flip(HEADER + ROW), "1 of 3 rows do not match their checksums", 1),
        (".npy", flip(30), "its matrix does not begin as howfar writes it", 3),
        (".npy", lambda data: data.extend(b"more"), "its matrix has", 3),
        (".parquet", flip(100), "its index does not match its checksum", None),
        ("manifest.json", lambda data: data.__setitem__(data.find(b"1,"), ord("3")), "it does not match its checksum", 0),
    ],
    ids=["row", "header", "length", "index", "manifest"],
)
def test_damage_is_listed_and_repaired(features, root, suffix, edit, reason, images):
    spoil(features, suffix, edit)
    before = snapshot(root)
    found = stores.check(root)
    (damage,) = found.damage
    assert damage.feature == str(features.folder).rpartition("/")[2]
    assert damage.file.endswith(suffix)
    assert damage.reason.startswith(reason)
    assert damage.images == images
    assert damage.paths == {1: ("images/1.png",), 3: ("images/0.png", "images/1.png", "images/2.png")}.get(images, ())
    assert snapshot(root) == before

    (done,) = (each for each in stores.repair(root).features if each.backbone == "conformance")
    assert [(each.file, each.images) for each in done.dropped] == [(damage.file, images)]
    assert done.left == ""
    again = Store(root).open(IDENTITY, LENGTH)
    assert again.damaged == {}
    assert len(again) == 5 - (3 if images is None else images)
    assert len(again._catalog.counts) == 1, "small shards were not merged"
    assert stores.check(root).sound
    left = known(again, range(5))
    np.testing.assert_array_equal(read(again, left), expected(left))


def test_a_younger_copy_is_kept_when_the_older_is_damaged(features, root):
    add(features, [1])
    spoil(features, ".npy", flip(HEADER + ROW))
    assert [damage.images for damage in stores.check(root).damage] == [0]
    stores.repair(root)
    np.testing.assert_array_equal(read(Store(root).open(IDENTITY, LENGTH), range(5)), expected(range(5)))


def test_a_manifest_whose_identity_is_lost_is_left_to_the_next_run(features, root):
    spoil(features, "manifest.json", lambda data: data.__setitem__(slice(None), b"[" * 100_000))
    (done,) = (each for each in stores.repair(root).features if each.feature.startswith("conformance"))
    assert "the next run" in done.left
    assert not stores.check(root).sound
    np.testing.assert_array_equal(read(Store(root).open(IDENTITY, LENGTH), range(5)), expected(range(5)))
    assert stores.check(root).sound


def test_size_counts_images_and_bytes(features, root):
    found = stores.size(root)
    files = snapshot(root)
    assert found.bytes == sum(map(len, files.values()))
    assert [(each.backbone, each.images, each.length, each.dtype) for each in found.features] == [
        ("conformance", 5, LENGTH, "float32"),
        ("other", 1, LENGTH, "float32"),
    ]
    assert found.features[0].used.startswith(time.strftime("%Y-", time.gmtime()))


def aged(root, feature, days):
    """Let a feature's folder look as if it had been written and used some days ago."""
    folder = next(Path(root).glob(f"{feature}-*"))
    then = time.time() - days * DAY
    for path in list(folder.glob("shards/*")):
        path.rename(path.with_name(f"{int(then * 1e9):016x}{path.name[16:]}"))
    os.utime(folder / "manifest.json", (then, then))


@pytest.fixture
def on_disk(tmp_path):
    root = tmp_path / "store"
    for k, name in enumerate(("old", "middle", "new")):
        features = Store(root).open({"name": name}, LENGTH)
        add(features, range(10 * (k + 1)))
        aged(root, name, 30 - 10 * k)
    return root


def names(sizes):
    return [each.backbone for each in sizes]


def test_prune_by_age_name_and_size(on_disk):
    store = str(on_disk)
    assert names(stores.prune(store, older_than=15, dry_run=True).removed) == ["old", "middle"]
    assert names(stores.prune(store, ["middle", "new"], older_than=15, dry_run=True).removed) == ["middle"]
    sizes = {each.backbone: each.bytes for each in stores.size(store).features}
    limit = sizes["new"] + sizes["middle"]
    gone = stores.prune(store, max_size=limit, dry_run=True)
    assert (names(gone.removed), gone.bytes, gone.freed) == (["old"], limit, sizes["old"])
    assert names(stores.prune(store, max_size=limit - 1, dry_run=True).removed) == ["old", "middle"]
    assert names(stores.prune(store, max_size=0, dry_run=True).removed) == ["old", "middle", "new"]
    assert len(list(on_disk.iterdir())) == 3
    assert names(stores.prune(store, max_size=limit).removed) == ["old"]
    assert names(stores.size(store).features) == ["new", "middle"]


def test_a_run_makes_features_young_again(on_disk):
    Store(on_disk).open({"name": "old"}, LENGTH)
    assert names(stores.prune(str(on_disk), older_than=15, dry_run=True).removed) == ["middle"]


def test_nothing_that_is_not_howfar_s_goes(on_disk):
    old = next(on_disk.glob("old-*"))
    visitors = [
        on_disk / "notes.txt",
        old / "notes.txt",
        old / "shards" / "mine.npy",
        on_disk / ("photos-" + "0" * 24) / "a.jpg",
    ]
    link = on_disk / ("link-" + "1" * 24)
    elsewhere = shutil.copytree(old, on_disk.parent / "elsewhere")
    link.symlink_to(elsewhere)
    for path in visitors:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    stores.prune(str(on_disk), max_size=0)
    left = sorted(path for path in on_disk.rglob("*") if path.is_file())
    assert left == sorted(visitors)
    assert len(list(elsewhere.glob("shards/*"))) == 2


def test_pruning_takes_whole_names_and_follows_no_link(tmp_path):
    for name in ("pixels", "perceptual_hash"):
        Store(tmp_path / "one").open({"name": name}, 3)
    with pytest.raises(InputError, match=r"^feature must be one of the store's"):
        stores.prune(tmp_path / "one", ["p"])
    shards, kept = Store(tmp_path / "two").open({"name": "pixels"}, 3).folder / "shards", tmp_path / "kept"
    shards.rename(kept)
    (kept / f"{'01' * 16}.npy").write_bytes(b"another's")
    shards.symlink_to(kept, target_is_directory=True)
    found = stores.prune(tmp_path / "two", ["pixels"])
    assert not found.removed
    assert "is a link" in found.left[0].reason
    assert [file.name for file in kept.iterdir()] == [f"{'01' * 16}.npy"]


def test_sums_of_datasets_go_with_the_features(on_disk):
    sums = next(on_disk.glob("old-*")) / "sums" / ("a" * 32)
    sums.mkdir(parents=True)
    np.savez(sums / "moments.npz", mean=np.zeros(3))
    assert stores.size(str(on_disk), ["old"]).features[0].sums_bytes > 200
    stores.prune(str(on_disk), ["old"])
    assert not sums.parent.parent.exists()


def test_damaged_sums_are_listed_and_removed(on_disk):
    sums = next(on_disk.glob("old-*")) / "sums" / ("a" * 32)
    sums.mkdir(parents=True)
    np.savez(sums / "moments.npz", mean=np.zeros(300))
    assert stores.check(str(on_disk)).sound
    data = bytearray((sums / "moments.npz").read_bytes())
    data[len(data) // 2] ^= 1
    (sums / "moments.npz").write_bytes(data)
    (damage,) = stores.check(str(on_disk)).damage
    assert damage.file == f"sums/{'a' * 32}/moments.npz"
    stores.repair(str(on_disk))
    assert not (sums / "moments.npz").exists()


def test_what_others_are_writing_or_packing_is_left(on_disk):
    features = Store(on_disk).open({"name": "old"}, LENGTH)
    with features.claim([content(500)]):
        for dry_run in (True, False):
            gone = stores.prune(str(on_disk), ["old"], dry_run=dry_run)
            assert [each.reason for each in gone.left] == ["another process is embedding 1 images of it"]
    with locked(features.folder / "pack.lock"):
        assert [each.reason for each in stores.prune(str(on_disk), ["old"]).left] == ["another process packs it"]
        assert "another process packs it" in stores.repair(str(on_disk), ["old"]).features[0].left
    assert len(Store(on_disk).open({"name": "old"}, LENGTH)) == 10
    assert names(stores.prune(str(on_disk), ["old"]).removed) == ["old"]


def test_behind_a_url_what_was_written_just_now_is_left(tmp_path, monkeypatch):
    root = f"memory://{tmp_path.name}"
    add(Store(root).open(IDENTITY, LENGTH), [0])
    assert "within the last ten minutes" in stores.prune(root, ["conformance"]).left[0].reason
    monkeypatch.setattr("howfar.store.inventory_and_pruning.JUST_NOW", 0.0)
    assert names(stores.prune(root, ["conformance"]).removed) == ["conformance"]
    assert snapshot(root) == {}


def test_bad_input_is_one_clear_line(on_disk):
    with pytest.raises(MissingPathError, match=r"no store at .*missing"):
        stores.check(on_disk / "missing")
    with pytest.raises(InputError, match=r"feature must be one of the store's \(middle, new, old\), got 'clip'"):
        stores.size(on_disk, ["clip"])
    with pytest.raises(InputError, match=r"must be a store, not the folder of one feature.*--feature old-"):
        stores.check(next(on_disk.glob("old-*")))
    with pytest.raises(InputError, match="older_than must be a number of days"):
        stores.prune(on_disk, older_than=float("nan"))


def test_a_disk_that_refuses_is_one_clear_line(on_disk, monkeypatch):
    def refused(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refused)
    with pytest.raises(StoreError, match=r"the store cannot remove .*Permission denied; mend its rights"):
        stores.prune(on_disk, ["old"])


class TestCommand:
    def test_check_ends_with_1_where_something_is_damaged(self, on_disk, capsys):
        assert run(["store", "check", str(on_disk)]) == 0
        assert "nothing is damaged" in capsys.readouterr().out
        path = next(on_disk.glob("old-*/shards/*.npy"))
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
        assert run(["store", "check", str(on_disk)]) == 1
        out = capsys.readouterr().out
        assert "1 of 10 rows do not match their checksums; 1 image will be embedded anew (images/9.png)" in out
        assert f"howfar store repair {on_disk}" in out
        assert run(["store", "check", str(on_disk), "--json"]) == 1
        document = json.loads(capsys.readouterr().out)
        assert (document["sound"], document["damage"][0]["images"]) == (False, 1)
        assert run(["store", "repair", str(on_disk), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["features"][2]["dropped"][0]["paths"] == ["images/9.png"]
        assert run(["store", "check", str(on_disk), "--json"]) == 0

    def test_repair_and_size_are_shown(self, on_disk, capsys):
        assert run(["store", "repair", str(on_disk)]) == 0
        assert "shards merged" in capsys.readouterr().out
        assert run(["store", "size", str(on_disk)]) == 0
        assert "3 features" in capsys.readouterr().out
        assert run(["store", "size", str(on_disk), "--json"]) == 0
        assert len(json.loads(capsys.readouterr().out)["features"]) == 3

    def test_prune_shows_what_goes(self, on_disk, capsys):
        assert run(["store", "prune", str(on_disk), "--older-than", "25", "--dry-run"]) == 0
        out = capsys.readouterr().out
        assert "1 feature to remove" in out
        assert "removed" not in out
        assert len(list(on_disk.iterdir())) == 3
        assert run(["store", "prune", str(on_disk), "--older-than", "25"]) == 0
        assert "removed 1 feature" in capsys.readouterr().out
        assert run(["store", "prune", str(on_disk), "--max-size", "1kB", "--json"]) == 0
        assert [each["backbone"] for each in json.loads(capsys.readouterr().out)["removed"]] == ["middle", "new"]
        assert list(on_disk.iterdir()) == []


@pytest.mark.parametrize("action", ["check", "repair", "size", "prune"])
def test_a_bucket_without_keys_is_one_line_that_names_it(action, monkeypatch, capsys, tmp_path):
    for name in [name for name in os.environ if name.startswith(("AWS_", "BOTO"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    more = ["--max-size", "1GB"] if action == "prune" else []
    # Another test may have left a client that has keys.
    monkeypatch.setattr(fsspec.get_filesystem_class("s3"), "_cache", {})
    assert run(["store", action, "s3://no-such-bucket/shelf", *more]) == 2
    told = capsys.readouterr().err
    assert "must be a store that can be read (Unable to locate credentials), got 's3://no-such-bucket/shelf'" in told
    assert "by which keys (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE)" in told
    assert told.count("\n") == 1
