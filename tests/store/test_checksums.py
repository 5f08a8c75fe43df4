"""What was altered on disk is found at the first read: it counts as absent, and is never a wrong number."""

import io
import logging
import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xxhash

from howfar.errors import StoreError
from howfar.store import Store, shard_catalog, shards
from howfar.store.folders import ShardDamagedError
from worlds.store_trials import (
    HEADER,
    IDENTITY,
    LENGTH,
    PARTS,
    ROW,
    add,
    content,
    expected,
    flip_bits,
    known,
    opened,
    read,
    spoil,
)


@pytest.fixture(params=["disk", "url"])
def root(request, tmp_path):
    return tmp_path if request.param == "disk" else f"memory://{tmp_path.name}"


@pytest.fixture
def features(root):
    """Two shards: images 0 to 2, then 3 and 4."""
    features = Store(root).open(IDENTITY, LENGTH)
    add(features, [0, 1, 2])
    add(features, [3, 4])
    return features


def verified(features, ks):
    """The images that are stored, each checked."""
    lost = features.verify([content(k) for k in ks])
    assert all(not features.contains(name) for name in lost)
    return known(features, ks)


def overwrite(start, stop, fill):
    def change(data):
        data[start:stop] = fill * ((stop - start) // len(fill))

    return change


def first_of_row_1(data):
    data[HEADER + ROW : HEADER + ROW + 4] = np.array([1e30], "<f4").tobytes()


def swap_rows(data):
    data[HEADER : HEADER + 2 * ROW] = data[HEADER + ROW : HEADER + 2 * ROW] + data[HEADER : HEADER + ROW]


@pytest.mark.parametrize(
    ("change", "left"),
    [
        (overwrite(HEADER, HEADER + 3 * ROW, b"\0"), [3, 4]),
        (overwrite(HEADER + 2 * ROW, HEADER + 3 * ROW, b"\xa5"), [0, 1, 3, 4]),
        (first_of_row_1, [0, 2, 3, 4]),
        (swap_rows, [2, 3, 4]),
    ],
    ids=["zeroed", "overwritten", "1e30", "swapped"],
)
def test_an_altered_row_counts_as_absent_and_the_others_do_not(features, change, left, caplog):
    spoil(features, ".npy", change)
    with caplog.at_level(logging.WARNING, "howfar.store"):
        again = opened(features)
        assert verified(again, range(5)) == left
        assert verified(again, range(5)) == left
    assert len(caplog.records) == 1
    assert f"{5 - len(left)} rows of shard" in caplog.text
    assert "do not match their checksums" in caplog.text
    assert again.faults()[0].startswith(f"{5 - len(left)} row")
    np.testing.assert_array_equal(read(again, left), expected(left))
    lost = [k for k in range(5) if k not in left]
    with pytest.raises(
        StoreError, match=rf"holds no features of content '{content(lost[0])}': embed its image \(again\) first"
    ):
        read(again, range(5))
    add(again, lost)
    for reader in (again, opened(features)):
        verified(reader, range(5))
        np.testing.assert_array_equal(read(reader, range(5)), expected(range(5)))


@pytest.mark.parametrize("by_columns", [False, True])
def test_a_selection_that_nobody_verified_is_checked_as_it_is_read(features, by_columns):
    spoil(features, ".npy", first_of_row_1)
    selection = opened(features).select([content(k) for k in range(5)])
    np.testing.assert_array_equal(selection.rows(0, 1), expected([0]))
    with pytest.raises(StoreError, match=content(1)):
        # A column that is itself as it was.
        selection.columns(5, 6) if by_columns else selection.rows(0, 2)


def test_a_younger_copy_stands_in_for_an_altered_row(features):
    add(features, [1])
    spoil(features, ".npy", first_of_row_1)
    again = opened(features)
    assert again.verify([content(k) for k in range(5)]) == ()
    np.testing.assert_array_equal(read(again, range(5)), expected(range(5)))


def test_swapped_index_entries_are_found(features):
    folder = features._catalog.folder
    name = min(name for name in folder.names() if name.endswith(".parquet"))
    entries = pq.read_table(pa.BufferReader(folder.read(name))).to_pydict()
    entries["content"][:2] = entries["content"][1::-1]
    stream = io.BytesIO()
    pq.write_table(pa.table(entries), stream)
    spoil(features, ".parquet", lambda data: data.__setitem__(slice(None), stream.getvalue()))
    assert verified(opened(features), range(5)) == [3, 4]


def test_an_index_of_another_feature_is_refused(features, root):
    other = Store(root).open({**IDENTITY, "layer": "first"}, LENGTH)
    for name in features._catalog.folder.names():
        with other._catalog.folder.appearing(name) as file:
            file.write(features._catalog.folder.read(name))
    other.refresh()
    assert len(other) == 0
    assert set(other.damaged.values()) == {"its index does not match its checksum"}


def test_each_row_is_checked_once_in_a_run(features, monkeypatch):
    add(features, [5])
    again = opened(features)
    checked = []
    original = shard_catalog.checksums_of
    monkeypatch.setattr(shard_catalog, "checksums_of", lambda block: checked.append(len(block)) or original(block))
    assert again.verify([content(0), content(1)]) == ()
    assert sum(checked) == 2
    read(again, range(3))
    assert sum(checked) == 3
    # What this process wrote, and what another one of the run has checked, is checked no more.
    read(features, range(6))
    pickle.loads(pickle.dumps(again)).select([content(k) for k in range(3)]).rows(0, 3)
    assert sum(checked) == 3


def test_another_process_of_the_run_knows_what_is_lost(features):
    spoil(features, ".npy", first_of_row_1)
    again = opened(features)
    again.verify([content(k) for k in range(5)])
    from howfar.store import shard_catalog

    shard_catalog.catalog_at.cache_clear()
    there = pickle.loads(pickle.dumps(again))
    assert [there.contains(content(k)) for k in range(5)] == [True, False, True, True, True]


def test_packing_drops_altered_rows_alone_and_keeps_checksums(features, root):
    spoil(features, ".npy", first_of_row_1)
    again = opened(features)
    again.verify([content(k) for k in range(5)])
    add(again, [1])
    assert again.pack() == 1
    after = opened(features)
    assert verified(after, range(5)) == list(range(5))
    assert after.faults() == ()
    np.testing.assert_array_equal(read(after, range(5)), expected(range(5)))


def test_packing_never_gives_an_altered_row_a_new_checksum(features):
    spoil(features, ".npy", first_of_row_1)
    assert opened(features).pack(many=1) == 2
    assert verified(opened(features), range(5)) == [0, 2, 3, 4]


def test_packing_does_not_delete_a_sound_row_for_an_altered_older_one(features):
    add(features, [1])
    spoil(features, ".npy", first_of_row_1)
    # Who packs has not read a row yet.
    opened(features).pack(many=1)
    assert verified(opened(features), range(5)) == list(range(5))


def test_every_flipped_bit_of_an_index_is_found():
    data = shards.encode(["a", "b"], ["a.png", "b.png"], [1, 2], "key")
    entries = shards.decode(data, "key")
    assert (entries.contents, entries.rows.tolist(), entries.checksums.tolist()) == (["a", "b"], [0, 1], [1, 2])
    harmless = 0
    for position in range(0, len(data), 7):
        spoilt = bytearray(data)
        spoilt[position] ^= 1 << position % 8
        try:
            found = shards.decode(bytes(spoilt), "key")
        except ShardDamagedError:
            continue
        harmless += 1
        assert (found.contents, found.rows.tolist(), found.checksums.tolist()) == (["a", "b"], [0, 1], [1, 2])
    assert harmless < 3


class TestWrittenBefore:
    """Shards without checksums, as earlier versions wrote them."""

    @pytest.fixture
    def old(self, features, as_before_checksums):
        return as_before_checksums(features)

    def test_they_are_read(self, old):
        np.testing.assert_array_equal(read(opened(old), range(5)), expected(range(5)))

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_rows_that_are_not_finite_count_as_absent(self, old, value):
        def change(data):
            data[HEADER + ROW : HEADER + ROW + 4] = np.array([value], "<f4").tobytes()

        spoil(old, ".npy", change)
        assert verified(opened(old), range(5)) == [0, 2, 3, 4]

    def test_packed_they_get_checksums(self, old):
        opened(old).pack(many=1)
        catalog = opened(old)._catalog
        (shard,) = map(catalog.shard, catalog.counts)
        assert shard.checksums.tolist() == [xxhash.xxh3_64_intdigest(row) for row in expected(range(5))]


def test_an_index_that_lost_its_seal_is_no_index_of_before(features):
    def change(data):
        at = data.rfind(b"howfar-xxh3:")
        data[at] ^= 1

    spoil(features, ".parquet", change)
    again = opened(features)
    assert list(again.damaged.values()) == ["its index has lost its checksum"]


@pytest.mark.parametrize("seed", [1, 2])
def test_every_flipped_bit_is_found_or_harmless(tmp_path, seed):
    """benchmarks/checksums.py flips a thousand."""
    flips = flip_bits(tmp_path, 60, seed)
    assert (flips.wrong, flips.broken, flips.total) == ([], [], 60)
    # Of the rows every bit counts, and of the header too: what numpy does not look at is compared all the same.
    assert flips.found["data"] == flips.found["header"] == 60 / len(PARTS)
    assert logging.getLogger("howfar.store").propagate


def test_without_checksums_flips_are_wrong_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr("howfar.store.shard_catalog.damaged_rows", lambda *_: [])
    flips = flip_bits(tmp_path, 20)
    assert len(flips.wrong) == 20 / len(PARTS)
    assert all(line.startswith("data: bit") for line in flips.wrong)
