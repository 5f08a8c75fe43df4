"""An index file spares the reading of shards, and changes no answer: damaged, stale, another's, locked or gone."""

import logging
import multiprocessing
import os
import pickle
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from threading import Event, Thread
from typing import Literal

import numpy as np
import pytest

from howfar import store as stores
from howfar.errors import StoreError
from howfar.store import Store, shards
from howfar.store import shard_catalog as catalogs
from howfar.store import sqlite_index as indices
from howfar.store.sqlite_index import FILE, JOURNAL, LOCK, SORTED, Index
from worlds.store_suite import StoreTests
from worlds.store_trials import HEADER, IDENTITY, LENGTH, ROW, add, content, expected, known, opened, read, spoil


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """Write the index file from the fourth image on."""
    monkeypatch.setattr(catalogs, "SAVED_FROM", 4)
    catalogs.catalog_at.cache_clear()


class TestStore(StoreTests):
    def make_store(self, root: Path, dtype: Literal["float32", "float16"] = "float32") -> Store:
        return Store(root, dtype)


@pytest.fixture
def features(tmp_path):
    """Four shards of three images each, in the index file."""
    features = Store(tmp_path).open(IDENTITY, LENGTH)
    for k in range(0, 12, 3):
        add(features, [k, k + 1, k + 2])
    assert len(entries(features)) == 12
    return features


def file_of(features):
    return features.folder / "shards" / FILE


def entries(features):
    connection = sqlite3.connect(file_of(features))
    try:
        return connection.execute("SELECT content, shard, row FROM entries").fetchall()
    finally:
        connection.close()


def change(features, *statements):
    connection = sqlite3.connect(file_of(features))
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


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


def test_shards_that_the_file_lacks_are_read(features, reads):
    add(features, [12, 13])
    again = opened(features)
    assert known(again, range(20)) == list(range(14))
    assert len(again) == 14
    assert len(reads) == 1
    # What comes later is found by a look too, and the older row stays the one that is read.
    features.add([content(0), content(14)], ["x"] * 2, expected([90, 14]))
    again.refresh()
    np.testing.assert_array_equal(read(again, range(15)), expected(range(15)))


def test_another_process_takes_over_what_one_has_written(tmp_path, reads):
    one, other = (Store(tmp_path).open(IDENTITY, LENGTH) for _ in range(2))
    add(one, [0])
    other.refresh()
    add(one, [1, 2, 3])
    reads.clear()
    other.refresh()
    assert reads == []
    assert known(other, range(5)) == [0, 1, 2, 3]
    assert content(3) in pickle.loads(pickle.dumps(other))._catalog


DAMAGE = {
    "empty": [lambda whole: b""],
    # The end of the file is the end of a checksum, whose last byte alone may be 0.
    "cut short": [lambda whole: whole[:-3], lambda whole: whole[:4096], lambda whole: whole[:100], lambda whole: whole[-4096:]],
    "no database": [lambda whole: b"howfar" * 900, lambda whole: bytes(len(whole))],
    "a byte": [
        lambda whole, at=at: whole[:at] + bytes([whole[at] ^ 16]) + whole[at + 1 :]
        for at in (0, 16, 18, 20, 101, 105, 4097, 8193)
    ],
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_changes_no_answer(features, damage, caplog):
    whole = file_of(features).read_bytes()
    for change_bytes in DAMAGE[damage]:
        file_of(features).write_bytes(change_bytes(whole))
        caplog.clear()
        with caplog.at_level(logging.WARNING, "howfar.store"):
            again = opened(features)
            assert known(again, range(14)) == list(range(12))
            np.testing.assert_array_equal(read(again, range(12)), expected(range(12)))
            assert len(again) == 12
        # And a new one takes its place.
        assert len(entries(features)) == 12
        assert damage == "a byte" or ("is damaged" in caplog.text and "the shards are read instead" in caplog.text)


def test_flipped_bits_in_the_file_are_never_a_wrong_row(features):
    whole, rng = file_of(features).read_bytes(), np.random.default_rng(0)
    for _ in range(150):
        spoilt = bytearray(whole)
        # Most of the file is empty pages.
        used = np.flatnonzero(np.frombuffer(whole, np.uint8))
        spoilt[int(rng.choice(used))] ^= 1 << int(rng.integers(8))
        file_of(features).write_bytes(spoilt)
        again = opened(features)
        there = known(again, range(14))
        np.testing.assert_array_equal(read(again, there), expected(there))
        # An entry that is hidden is made again with its image, at worst.
        add(again, [k for k in range(12) if k not in there])
        np.testing.assert_array_equal(read(opened(features), range(12)), expected(range(12)))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entries SET row = 2 - row WHERE row != 1",
        "UPDATE entries SET row = -5",
        "UPDATE entries SET row = 1 << 40",
        "UPDATE entries SET row = 'x'",
        "UPDATE entries SET checksum = NULL",
        "UPDATE shards SET id = 'none' || id",
        "UPDATE shards SET number = number + 1000",
        "UPDATE shards SET number = 1 << 50 WHERE number = 1",
        "DROP TABLE entries",
        "CREATE TRIGGER evil AFTER INSERT ON entries BEGIN DELETE FROM entries; END",
    ],
)
def test_a_file_that_says_what_is_not_so_changes_no_answer(features, statement):
    change(features, statement)
    again = opened(features)
    np.testing.assert_array_equal(read(again, range(12)), expected(range(12)))
    assert known(again, range(14)) == list(range(12))
    np.testing.assert_array_equal(read(opened(features), range(12)), expected(range(12)))


def test_a_file_whose_word_is_not_the_shards_is_passed_over(features, reads, caplog):
    # Checksums fit, and the shards' ids, but rows are exchanged.
    file_of(features).unlink()
    swapped = [
        shards.Shard(each.id, each.count, each.contents, np.asarray(each.rows)[::-1], each.checksums)
        for each in (shards.read(features._catalog.folder, name, features._catalog.layout) for name in features._catalog.counts)
    ]
    index = Index(features.folder.name, {})
    index.insert(swapped)
    index.attach(file_of(features), make=True)
    index.save()
    reads.clear()
    again = opened(features)
    assert reads == []
    np.testing.assert_array_equal(read(again, range(12)), expected(range(12)))
    assert "is damaged (an entry is not that of its shard)" in caplog.text


@pytest.mark.parametrize("gone", ["deleted", "replaced"])
def test_a_file_that_is_deleted_or_replaced_meanwhile_is_made_anew(features, gone, tmp_path):
    reader = opened(features)
    if gone == "replaced":
        shutil.copy(file_of(features), tmp_path / "copy").replace(file_of(features))
    else:
        file_of(features).unlink()
    assert known(reader, range(14)) == list(range(12))
    add(features, [20, 21, 22, 23])
    reader.refresh()
    assert known(reader, range(25)) == [*range(12), *range(20, 24)]
    assert len(entries(features)) == 16
    np.testing.assert_array_equal(read(opened(features), range(12)), expected(range(12)))


def test_what_is_packed_away_is_passed_over_and_cleared(features):
    reader = opened(features)
    selection = reader.select([content(k) for k in range(12)])
    assert features.pack(many=1) == 4
    np.testing.assert_array_equal(selection.rows(0, 12), expected(range(12)))
    again = opened(features)
    assert known(again, range(14)) == list(range(12))
    assert len(again._catalog.counts) == 1
    assert len(entries(features)) == 12
    again.pack()
    np.testing.assert_array_equal(read(opened(features), range(12)), expected(range(12)))


def test_a_damaged_row_of_the_file_s_shard_counts_as_absent(features):
    spoil(features, ".npy", lambda data: data.__setitem__(HEADER + ROW, data[HEADER + ROW] ^ 255))
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
def test_a_damaged_shard_of_the_file_counts_as_absent_once_it_is_read(features, suffix, caplog):
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


@pytest.mark.parametrize("state", ["absent", "there", "damaged"])
def test_looking_at_a_store_changes_nothing(features, state):
    if state == "absent":
        file_of(features).unlink()
    if state == "damaged":
        file_of(features).write_bytes(b"howfar" * 900)
    root = features.folder.parent
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert stores.check(root).sound
    assert [each.images for each in stores.size(root).features] == [12]
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("there", [True, False])
def test_a_folder_that_can_only_be_read_is_read_as_it_is(features, there, monkeypatch):
    """As root may write anywhere, SQLite and the lock are told to refuse."""
    if not there:
        file_of(features).unlink()

    def refused(*_, **__):
        raise PermissionError(13, "Permission denied")

    attach = Index.attach

    def reading(index, file, *, make=False, **_):
        if make and index.file is None:
            raise refused()
        attach(index, file, read_only=True)

    monkeypatch.setattr(Index, "attach", reading)
    monkeypatch.setattr(catalogs, "locked", refused)
    again = opened(features)
    assert known(again, range(14)) == list(range(12))
    np.testing.assert_array_equal(read(again, range(12)), expected(range(12)))
    assert len(again) == 12
    # What others add is found too.
    monkeypatch.setattr(catalogs, "SAVED_FROM", 100)
    add(Store(features.folder.parent).open(IDENTITY, LENGTH), [20, 21, 22, 23, 24])
    again.refresh()
    assert known(again, range(30)) == [*range(12), *range(20, 25)]
    assert len(again) == 17
    assert file_of(features).exists() == there


def test_a_file_that_stays_locked_is_done_without(features, monkeypatch):
    monkeypatch.setattr(indices, "BUSY_SECONDS", 0.05)
    reader = opened(features)
    holder = sqlite3.connect(file_of(features), isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        for each in (reader, opened(features)):
            assert known(each, range(14)) == list(range(12))
            np.testing.assert_array_equal(read(each, range(12)), expected(range(12)))
    finally:
        holder.close()
    assert len(entries(features)) == 12


def test_behind_a_url_there_is_no_file(tmp_path):
    features = Store(f"memory://{tmp_path.name}").open(IDENTITY, LENGTH)
    for k in range(0, 12, 3):
        add(features, [k, k + 1, k + 2])
    features.pack()
    assert features._catalog.folder.folders() == set()
    assert {name[32:] for name in features._catalog.folder.names()} == {".npy", ".parquet"}
    again = Store(f"memory://{tmp_path.name}").open(IDENTITY, LENGTH)
    assert again._catalog._index.file is None
    np.testing.assert_array_equal(read(again, range(12)), expected(range(12)))


def test_prune_and_size_know_of_it(features, tmp_path):
    sorted_folder = features.folder / "shards" / SORTED
    sorted_folder.mkdir()
    (sorted_folder / f"{'1' * 32}.run").write_bytes(b"of an earlier version")
    (sorted_folder / "write.lock").touch()
    file_of(features).with_name(JOURNAL).touch()
    (size,) = stores.size(tmp_path).features
    assert (size.images, size.shards) == (12, 4)
    assert size.bytes > file_of(features).stat().st_size
    stores.prune(tmp_path, ["conformance"])
    assert list(tmp_path.iterdir()) == []


def test_sorted_files_of_an_earlier_version_are_ignored_and_swept(features):
    from howfar.store.shard_catalog import sweep

    left = features.folder / "shards" / SORTED / f"{'1' * 32}.run"
    left.parent.mkdir()
    left.write_bytes(b"left")
    assert opened(features).pack() == 0
    assert left.exists()
    assert sweep(features._home, features._catalog, older_than=-1) == [left.name]
    assert file_of(features).exists()
    assert file_of(features).with_name(LOCK).exists()


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


WRITE = """
import sys
from howfar.store import Store, shard_catalog
from worlds.store_trials import IDENTITY, LENGTH, add
shard_catalog.SAVED_FROM = 4
features = Store(sys.argv[1]).open(IDENTITY, LENGTH)
sys.stdin.readline()
for k in range(int(sys.argv[2]), int(sys.argv[3])):
    add(features, [k])
    print(k, flush=True)
"""


def writing(root, first, last):
    command = [sys.executable, "-c", WRITE, str(root), str(first), str(last)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_ten_processes_write_at_once(tmp_path):
    features = Store(tmp_path).open(IDENTITY, LENGTH)
    writers = [writing(tmp_path, 10 * k, 10 * k + 20) for k in range(10)]
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    assert [writer.wait() for writer in writers] == [0] * 10
    for writer in writers:
        writer.communicate()
    for reader in (features, opened(features)):
        reader.refresh()
        assert len(reader) == 110
        np.testing.assert_array_equal(read(reader, range(110)), expected(range(110)))
    change(features, "PRAGMA integrity_check")


def test_killed_writers_leave_a_sound_store(tmp_path):
    features, rng, first = Store(tmp_path).open(IDENTITY, LENGTH), np.random.default_rng(0), 0
    for _ in range(6):
        with writing(tmp_path, first, first + 500) as writer:
            writer.stdin.write("go\n")
            writer.stdin.flush()
            writer.stdout.readline()
            time.sleep(rng.uniform(0.0, 0.05))
            writer.send_signal(signal.SIGKILL)
        again = opened(features)
        there = known(again, range(first + 500))
        assert there == list(range(len(there)))
        np.testing.assert_array_equal(read(again, there), expected(there))
        first = len(there)
    assert sqlite3.connect(file_of(features)).execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize("shared", [True, False])
def test_a_forked_process_asks_for_itself(features, shared, tmp_path):
    if not shared:
        features = Store(f"memory://{tmp_path.name}").open(IDENTITY, LENGTH)
        add(features, range(12))
    assert (features._catalog._index.file is not None) == shared
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    child = context.Process(target=lambda: answers.put(read(features, range(12))))
    child.start()
    np.testing.assert_array_equal(answers.get(), expected(range(12)))
    child.join()
    assert known(features, range(14)) == list(range(12))
