import fcntl
from itertools import chain, repeat

import numpy as np
import pytest

import howfar.store.feature_store
from howfar.errors import StoreError
from howfar.store import Store, shards
from howfar.store.folders import folder_at
from worlds.store_trials import add, content, expected, read

IDENTITY = {"name": "pixels"}
ROW = 24 * 4


@pytest.fixture
def features(tmp_path):
    return Store(tmp_path).open(IDENTITY, 24)


@pytest.fixture
def four(features):
    """Four shards of an image each."""
    for k in range(4):
        add(features, [k])
    return features


def sizes(features):
    """Rows of each shard on disk, in the order of their ids."""
    return [len(np.load(path, mmap_mode="r")) for path in sorted(features.folder.glob("shards/*.npy"))]


def test_large_shards_are_left_alone_and_no_shard_moves_past_them(features):
    for ks in ([0], [1], [2, 3, 4, 5, 6], [7], [8], [9], [10], [11]):
        add(features, ks)
    assert features.pack(target_bytes=4 * ROW, many=6) == 6
    # Small ones are joined up to the target: 0 and 1 before the large shard, 7 to 10 after it, and 11 stays alone.
    assert sizes(features) == [2, 5, 4, 1]
    np.testing.assert_array_equal(read(features, range(12)), expected(range(12)))


def test_a_duplicate_is_stored_once_and_the_older_stays(features):
    add(features, [0, 1])
    features.add([content(1), content(2), content(0)], ["x"] * 3, expected([91, 2, 90]))
    features.add([content(2)], ["x"], expected([92]))
    assert features.pack(many=1) == 2
    assert sizes(features) == [3]
    np.testing.assert_array_equal(read(features, [2, 0, 1]), expected([2, 0, 1]))


def test_the_choice_between_duplicates_across_packs_is_the_same(features):
    # The younger row of 1 lies in a shard that is packed with older ones: it must not thereby become the older.
    add(features, [0])
    add(features, [1, 10, 11, 12, 13])
    features.add([content(1), content(2)], ["x"] * 2, expected([91, 2]))
    add(features, [3])
    features.pack(target_bytes=8 * ROW, many=1)
    np.testing.assert_array_equal(read(features, range(4)), expected(range(4)))


def test_paths_survive(four):
    import pyarrow.parquet as pq

    four.pack(many=1)
    (index,) = four.folder.glob("shards/*.parquet")
    table = pq.read_table(index).to_pydict()
    assert table["path"] == [f"images/{k}.png" for k in range(4)]
    assert table["row"] == [0, 1, 2, 3]


def test_damaged_shards_are_not_packed_and_stop_a_packer_that_takes_them_for_whole(four, tmp_path):
    spoilt = sorted(four.folder.glob("shards/*.npy"))[1]
    spoilt.write_bytes(spoilt.read_bytes()[:-1])
    assert four.pack(many=1) == 0
    again = Store(tmp_path).open(IDENTITY, 24)
    np.testing.assert_array_equal(read(again, [0, 2, 3]), expected([0, 2, 3]))
    assert not list(four.folder.glob("shards/*.tmp"))
    assert again.pack(many=1) == 3
    np.testing.assert_array_equal(read(again, [0, 2, 3]), expected([0, 2, 3]))
    assert not again.contains(content(1))


def test_one_packer_at_a_time(four):
    with (four.folder / "pack.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert four.pack(many=1) == 0
    assert four.pack(many=1) == 4


def test_a_file_system_without_locks_is_packed_too(four, monkeypatch):

    def without(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", without)
    assert four.pack(many=1) == 4


def test_shards_that_vanish_for_good_are_an_error(features, tmp_path):
    add(features, [0])
    selection = Store(tmp_path).open(IDENTITY, 24).select([content(0)])
    for path in features.folder.glob("shards/*"):
        path.unlink()
    with pytest.raises(StoreError, match=f"no features of content '{content(0)}'"):
        selection.rows(0, 1)


def test_a_pack_in_the_middle_of_a_look_hides_nothing(four, tmp_path, monkeypatch):
    # The folder is listed while a pack is under way: the old shards are gone already, the new one not yet listed.
    reader = Store(tmp_path).open(IDENTITY, 24)
    before = shards.ids(folder_at(four.folder / "shards"))
    four.pack(many=1)
    after = shards.ids(folder_at(four.folder / "shards"))
    listed = chain([set()], repeat(after))
    monkeypatch.setattr(shards, "ids", lambda _: next(listed))
    reader.refresh()
    assert reader.contains(content(0))
    listed = chain([set()], repeat(after))
    assert len(Store(tmp_path).open(IDENTITY, 24)) == 4
    # A listing from before the pack: its shards cannot be read any more, so it looks again.
    listed = chain([before], repeat(after))
    assert len(Store(tmp_path).open(IDENTITY, 24)) == 4


def test_what_was_packed_away_is_let_go_of(four):
    read(four, range(4))
    assert four._catalog._view.cache_info().currsize == 4
    four.pack(many=1)
    assert four._catalog._view.cache_info().currsize == 0, "the disk cannot free a file that is mapped"


def test_who_fills_a_store_keeps_shards_few(features, monkeypatch):
    monkeypatch.setattr(howfar.store.feature_store, "TIDY_EVERY", 80)
    most = 0
    for k in range(200):
        add(features, [k])
        features.tidy()
        most = max(most, len(shards.ids(folder_at(features.folder / "shards"))))
    assert most <= 80 + 64
    assert len(shards.ids(folder_at(features.folder / "shards"))) < 80
    np.testing.assert_array_equal(read(features, range(200)), expected(range(200)))
