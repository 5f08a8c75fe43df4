"""Sorted files spare the reading of shards, and change no answer: damaged, stale, another's or gone."""

from __future__ import annotations

import logging
import pickle
import shutil
from pathlib import Path
from threading import Event, Thread
from typing import Literal

import numpy as np
import pytest

from howfar import store as stores
from howfar.errors import StoreError
from howfar.store import Store, shards
from howfar.store import index as indexes
from howfar.store import shard_catalog as catalogs
from howfar.store.folder import folder_at
from howfar.store.shard_catalog import ShardCatalog
from howfar.store.sorted_files import RUN, SORTED, SortedFiles, to_join, to_merge
from howfar.store.sorted_run import PAGE_BYTES, RunDamagedError, run_of
from worlds.store_suite import StoreTests
from worlds.store_trials import IDENTITY, LENGTH, add, content, expected, read

HEADER = 128
ROW = 4 * LENGTH


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """Sort from the third image on, and write from the fourth."""
    monkeypatch.setattr(indexes, "YOUNG", 2)
    monkeypatch.setattr(catalogs, "SAVED_FROM", 4)
    catalogs.catalog_at.cache_clear()


class TestStore(StoreTests):
    def make_store(self, root: Path, dtype: Literal["float32", "float16"] = "float32") -> Store:
        return Store(root, dtype)


@pytest.fixture
def features(tmp_path):
    """Four shards of three images each, in one sorted file."""
    features = Store(tmp_path).open(IDENTITY, LENGTH)
    for k in range(0, 12, 3):
        add(features, [k, k + 1, k + 2])
    features.pack()
    assert len(files(features)) == 1
    return features


def files(features):
    return sorted((features.folder / "shards" / SORTED).glob(f"*{RUN}"))


def opened(features):
    return Store(features.folder.parent).open(IDENTITY, LENGTH)


def known(features, ks):
    return [k for k in ks if features.contains(content(k))]


@pytest.fixture
def reads(monkeypatch):
    """The ids of the shards whose index is read from here on."""
    read_ids = []
    original = shards.read
    monkeypatch.setattr(
        shards, "read", lambda folder, shard_id, layout: read_ids.append(shard_id) or original(folder, shard_id, layout)
    )
    return read_ids


def test_a_store_is_opened_and_searched_without_reading_a_shard(features, reads):
    again = opened(features)
    assert known(again, range(20)) == list(range(12))
    assert len(again) == 12
    assert again._catalog.holds([content(k) for k in (3, 30)]).tolist() == [True, False]
    assert reads == []
    np.testing.assert_array_equal(read(again, [7, 1, 7]), expected([7, 1, 7]))
    assert len(reads) == 2
    np.testing.assert_array_equal(read(again, range(12)), expected(range(12)))
    assert len(reads) == 4


def test_shards_that_no_file_tells_of_are_read(features, reads):
    add(features, [12, 13])
    again = opened(features)
    assert known(again, range(20)) == list(range(14))
    assert len(again) == 14
    assert len(reads) == 1
    # What comes later is found by a look too, and the older row stays the one that is read.
    features.add([content(0), content(14)], ["x"] * 2, expected([90, 14]))
    again.refresh()
    np.testing.assert_array_equal(read(again, range(15)), expected(range(15)))


def test_another_process_takes_over_what_one_has_written(tmp_path):
    one, other = (Store(tmp_path).open(IDENTITY, LENGTH) for _ in range(2))
    add(one, [0])
    other.refresh()
    add(one, [1, 2, 3])
    (file,) = files(one)
    other.refresh()
    assert [run.name for run in other._catalog._index.files] == [file.name]
    assert known(other, range(5)) == [0, 1, 2, 3]


def test_a_file_that_tells_nothing_new_is_looked_into_once(features, monkeypatch):
    other = opened(features)
    shutil.copy(files(features)[0], files(features)[0].with_name(f"{'e' * 32}{RUN}"))
    mapped = []
    original = SortedFiles._mapped
    monkeypatch.setattr(SortedFiles, "_mapped", lambda self, name: mapped.append(name) or original(self, name))
    for k in (20, 21):
        add(features, [k])
        other.refresh()
    assert known(other, [20, 21]) == [20, 21]
    assert mapped.count(f"{'e' * 32}{RUN}") == 1
    # It serves where the one that is in use turns out to be damaged.
    (used,) = other._catalog._index.files
    other._catalog._distrust(used.name)
    assert [file.name for file in other._catalog._index.files] != [used.name]
    np.testing.assert_array_equal(read(other, [*range(12), 20]), expected([*range(12), 20]))


def test_a_kept_object_goes_to_another_process(features):
    catalog = pickle.loads(pickle.dumps(features))._catalog
    assert [content(3) in catalog, content(30) in catalog] == [True, False]


@pytest.mark.parametrize("spoil", ["every byte", "empty", "cut short", "another feature's", "of a later version"])
def test_a_damaged_file_changes_no_answer(features, spoil, tmp_path, caplog):
    (file,) = files(features)
    whole = file.read_bytes()
    spoilt = {
        "empty": [b""],
        "cut short": [whole[:-1], whole[:PAGE_BYTES], whole[-64:], whole[PAGE_BYTES:]],
        "of a later version": [whole.replace(b"howfar 1", b"howfar 2")],
    }
    if spoil == "every byte":
        positions = [*range(0, 400, 19), *range(1360, 1600, 31), *range(PAGE_BYTES - 8, len(whole), 3)]
        spoilt[spoil] = [whole[:at] + bytes([whole[at] ^ 16]) + whole[at + 1 :] for at in positions]
    if spoil == "another feature's":
        other = Store(tmp_path).open({"name": "other"}, LENGTH)
        for k in range(4):
            add(other, [k])
        spoilt[spoil] = [files(other)[0].read_bytes()]
    for data in spoilt[spoil]:
        for left in files(features):
            left.unlink()
        file.write_bytes(data)
        with caplog.at_level(logging.WARNING, "howfar.store"):
            again = opened(features)
            assert known(again, range(14)) == list(range(12))
            np.testing.assert_array_equal(read(again, range(12)), expected(range(12)))
            assert len(again) == 12
        assert "is damaged: the shards are read instead" in caplog.text
        caplog.clear()
        # And a new one takes its place.
        assert file not in files(features)
        assert len(files(features)) == 1


@pytest.mark.parametrize("between", ["pages", "files"])
def test_a_page_in_the_place_of_another_is_damage(tmp_path, between):
    digests = np.arange(800, dtype=np.uint64).reshape(400, 2)
    folder = SortedFiles(folder_at(tmp_path), "pixels-0")
    for shard_id in "ab":
        folder.write([run_of([shard_id * 32], [400], [digests], [np.arange(400)])])
    one, other = sorted((tmp_path / SORTED).glob(f"*{RUN}"))
    pages = bytearray(one.read_bytes())
    source = (pages if between == "pages" else other.read_bytes())[:PAGE_BYTES]
    start = PAGE_BYTES if between == "pages" else 0
    pages[start : start + PAGE_BYTES] = source
    one.write_bytes(pages)
    (run,) = [run for run in folder.new(()) if run.name == one.name]
    with pytest.raises(RunDamagedError):
        run.find(digests)


def test_a_file_whose_word_is_not_the_shards_is_passed_over(features, reads, caplog):
    # Sums fit, and the shards' ids, but rows are exchanged.
    (file,) = files(features)
    run = features._catalog._index.files[0]
    entries = run.entries()
    digests = np.stack([entries.key, entries.rest], axis=1)
    place = entries.place ^ np.where((entries.place & 3) < 2, 1, 0)
    parts = [place >> 32 == shard for shard in range(len(run.ids))]
    wrong = run_of(run.ids, run.rows, [digests[part] for part in parts], [place[part] & 3 for part in parts])
    SortedFiles(features._catalog.folder, features.folder.name).write([wrong])
    file.unlink()
    again = opened(features)
    assert reads == []
    np.testing.assert_array_equal(read(again, range(12)), expected(range(12)))
    assert "is damaged: the shards are read instead" in caplog.text


def test_what_is_packed_away_is_passed_over_and_cleared(features):
    reader = opened(features)
    selection = reader.select([content(k) for k in range(12)])
    assert features.pack(many=1) == 4
    np.testing.assert_array_equal(selection.rows(0, 12), expected(range(12)))
    again = opened(features)
    assert known(again, range(14)) == list(range(12))
    assert len(again._catalog.shards) == 1
    again.pack()
    (left,) = files(features)
    (run,) = SortedFiles(again._catalog.folder, features.folder.name).new(set())
    assert (run.name, len(run.ids)) == (left.name, 1)
    np.testing.assert_array_equal(read(opened(features), range(12)), expected(range(12)))


def test_a_file_that_another_process_has_written_meanwhile_is_left(features):
    stale = opened(features)
    add(features, [20, 21, 22, 23])
    (file,) = files(features)
    stale._catalog.merge_files()
    assert files(features) == [file]


def test_idle_shards_and_duplicates_in_files_are_packed_as_before(features):
    features.add([content(1), content(0)], ["x"] * 2, expected([91, 90]))
    again = opened(features)
    assert again.pack(many=1) == 4, "the shard of copies alone was not deleted"
    add(again, [20, 21, 22, 23])
    assert again.pack(many=1) == 2
    after = opened(features)
    np.testing.assert_array_equal(read(after, [*range(12), 20]), expected([*range(12), 20]))
    assert sorted(after._catalog.counts.values()) == [16]


def spoil_row(path, row):
    data = bytearray(path.read_bytes())
    data[HEADER + row * ROW] ^= 255
    path.write_bytes(data)


def test_a_damaged_row_of_a_file_s_shard_counts_as_absent(features):
    spoil_row(min(features.folder.glob("shards/*.npy")), 1)
    again = opened(features)
    with pytest.raises(StoreError, match=content(1)):
        read(again, range(12))
    assert known(again, range(12)) == [0, *range(2, 12)]
    assert again.verify([content(k) for k in range(12)]) == ()
    assert opened(features).verify([content(k) for k in range(12)]) == (content(1),)
    assert len(again) == 11
    # Told to another process of the run, and a younger row takes the place of the lost one.
    catalogs.catalog_at.cache_clear()
    there = pickle.loads(pickle.dumps(again._catalog))
    assert content(1) not in there
    add(again, [1])
    np.testing.assert_array_equal(read(again, range(12)), expected(range(12)))
    assert again.pack() == 1
    np.testing.assert_array_equal(read(opened(features), range(12)), expected(range(12)))
    assert stores.check(features.folder.parent).sound


@pytest.mark.parametrize("suffix", [".npy", ".parquet"])
def test_a_damaged_shard_of_a_file_counts_as_absent_once_it_is_read(features, suffix, caplog):
    path = min(features.folder.glob(f"shards/*{suffix}"))
    path.write_bytes(path.read_bytes()[:-10])
    again = opened(features)
    assert again.verify([content(k) for k in range(12)]) == tuple(content(k) for k in range(3))
    assert known(again, range(12)) == list(range(3, 12))
    assert list(again.damaged) == [path.name[:32]]
    assert len(caplog.records) == 1
    add(again, [0, 1, 2])
    np.testing.assert_array_equal(read(again, range(12)), expected(range(12)))
    # Who checks a store trusts its shards alone.
    assert [damage.file for damage in stores.check(features.folder.parent).damage] == [f"shards/{path.name}"]
    stores.repair(features.folder.parent)
    assert stores.check(features.folder.parent).sound
    np.testing.assert_array_equal(read(opened(features), range(12)), expected(range(12)))


def test_looking_at_a_store_changes_nothing(features):
    shutil.rmtree(features.folder / "shards" / SORTED)
    root = features.folder.parent
    before = sorted(root.rglob("*"))
    stores.check(root)
    stores.size(root)
    assert sorted(root.rglob("*")) == before


def test_a_folder_that_refuses_is_read_as_it_is(features, monkeypatch):
    shutil.rmtree(features.folder / "shards" / SORTED)

    def refused(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refused)
    again = opened(features)
    assert known(again, range(14)) == list(range(12))
    np.testing.assert_array_equal(read(again, range(12)), expected(range(12)))
    assert len(again) == 12


def test_behind_a_url_there_are_no_files(tmp_path):
    features = Store(f"memory://{tmp_path.name}").open(IDENTITY, LENGTH)
    for k in range(0, 12, 3):
        add(features, [k, k + 1, k + 2])
    features.pack()
    assert features._catalog.folder.folders() == set()
    again = Store(f"memory://{tmp_path.name}").open(IDENTITY, LENGTH)
    assert again._catalog._index.unsaved == 12
    np.testing.assert_array_equal(read(again, range(12)), expected(range(12)))


def test_prune_and_size_know_of_them(features, tmp_path):
    (size,) = stores.size(tmp_path).features
    assert (size.images, size.shards) == (12, 4)
    assert size.bytes > sum(path.stat().st_size for path in files(features))
    stores.prune(tmp_path, ["conformance"])
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_writer_left_is_swept(features):
    left = features.folder / "shards" / SORTED / f"{'1' * 32}{RUN}.12ab34cd.tmp"
    left.write_bytes(b"left")
    assert opened(features).pack() == 0
    assert left.exists()
    from howfar.store.compaction import sweep

    assert sweep(features._home, features._catalog, older_than=-1) == [left.name]


def test_files_stay_few(tmp_path):
    features = Store(tmp_path).open(IDENTITY, LENGTH)
    for k in range(120):
        add(features, [k])
    assert len(files(features)) <= 5
    np.testing.assert_array_equal(read(opened(features), range(120)), expected(range(120)))
    features.pack(many=1000)
    assert len(files(features)) <= 4
    assert known(opened(features), range(121)) == list(range(120))


def test_which_files_are_merged():
    def of(*counts):
        rows = [np.stack([np.arange(count, dtype=np.uint64)] * 2, axis=1) for count in counts]
        return [run_of(["a"], [len(each)], [each], [np.arange(len(each))]) for each in rows]

    assert [run.count for run in to_merge(of(100, 20, 4))] == []
    assert [run.count for run in to_merge(of(100, 10, 4))] == [4, 10]
    assert [run.count for run in to_merge(of(50, 10, 4))] == [4, 10, 50]
    stale = of(100, 4)
    stale[0] = stale[0].among(set(), {})
    assert [run.count for run in to_merge(stale)] == [100]
    assert [run.count for run in to_join(of(100, 10, 4), 3)] == [4, 10]
    assert [run.count for run in to_join(of(100, 10), 2)] == []


def test_it_is_asked_by_others_while_images_are_added(tmp_path):
    features = Store(tmp_path).open(IDENTITY, LENGTH)
    add(features, [0])
    stop, missed, errors = Event(), [], []

    def ask():
        try:
            while not stop.is_set():
                if content(0) not in features._catalog or not features._catalog.holds([content(0)])[0]:
                    missed.append(0)
        except Exception as error:
            errors.append(error)

    threads = [Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for k in range(1, 40):
        add(features, [k])
        if k % 20 == 0:
            features.pack(many=1)
    stop.set()
    for thread in threads:
        thread.join()
    assert (missed, errors) == ([], [])
    np.testing.assert_array_equal(read(features, range(40)), expected(range(40)))


def test_a_catalog_without_files_reads_every_shard(features, reads):
    catalog = ShardCatalog(folder_at(features.folder / "shards"), features._catalog.layout, derived=False)
    assert len(reads) == 4
    assert len(catalog) == 12
