"""Check the contract of a feature store, wherever its folder lies."""

import pickle
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Literal

import numpy as np
import pytest

from howfar.errors import InputError, StoreError
from howfar.protocols import Rows
from howfar.store import FeatureStore, Store
from worlds.store_trials import IDENTITY, LENGTH, Writer, add, content, expected, feature, read

# Length at which a kill interrupts a write more often than not.
LONG = 20_000
FLOAT16_MAX = 65_504.0


class StoreTests:
    """Check the contract of `howfar.store.Store`: rows are read bit for bit, despite kills, packing and other writers."""

    def make_store(self, root: Path, dtype: Literal["float32", "float16"] = "float32") -> Store:
        """Make a store whose folder is `root`, which may not exist yet."""
        raise NotImplementedError("make_store must give a store")

    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        """Make a new store."""
        return self.make_store(tmp_path / "store")

    @pytest.fixture
    def features(self, store: Store) -> FeatureStore:
        """Open new features of length 24 in the store."""
        return store.open(IDENTITY, LENGTH)

    def test_nothing_is_made_before_it_is_opened(self, tmp_path: Path) -> None:
        self.make_store(tmp_path / "store")
        assert not (tmp_path / "store").exists()

    def test_rows_come_back_bit_for_bit(self, features: FeatureStore) -> None:
        info = np.finfo(np.float32)
        odd = [-0.0, 0.0, info.smallest_subnormal, -info.tiny, info.max, info.min, 1 + info.eps, 1 / 3]
        rows = np.array([odd * 3, feature(1)], np.float32)
        features.add([content(0), content(1)], ["odd.png", "plain.png"], rows)
        back = features.select([content(0), content(1)]).rows(0, 2)
        assert back.dtype == np.float32
        np.testing.assert_array_equal(back.view(np.uint32), rows.view(np.uint32))

    def test_what_is_added_is_there_at_once(self, features: FeatureStore) -> None:
        assert not features.contains(content(0))
        assert len(features) == 0
        add(features, [0, 1])
        add(features, [2])
        assert [features.contains(content(k)) for k in range(4)] == [True, True, True, False]
        assert len(features) == 3

    def test_opened_again_it_goes_on(self, store: Store) -> None:
        add(store.open(IDENTITY, LENGTH), [0, 1])
        again = store.open(dict(reversed(IDENTITY.items())), LENGTH)
        add(again, [2])
        np.testing.assert_array_equal(read(store.open(IDENTITY, LENGTH), [2, 0, 1]), expected([2, 0, 1]))

    def test_the_order_is_the_callers_and_contents_may_repeat(self, features: FeatureStore) -> None:
        for ks in ([3, 1], [4], [0, 2, 5]):
            add(features, ks)
        order = [5, 5, 0, 3, 2, 1, 4, 0, 5]
        selection = features.select([content(k) for k in order])
        assert isinstance(selection, Rows)
        assert selection.shape == (9, LENGTH)
        np.testing.assert_array_equal(selection.rows(0, 9), expected(order))
        np.testing.assert_array_equal(selection.columns(0, LENGTH), expected(order))

    def test_rows_and_columns_are_slices_of_one_matrix(self, features: FeatureStore) -> None:
        for start in range(0, 20, 5):
            add(features, range(start, start + 5))
        order = np.random.default_rng(0).permutation(20).tolist()
        whole, selection = expected(order), features.select([content(k) for k in order])
        for a, b in ((0, 1), (3, 17), (19, 20), (5, 5), (7, 3), (18, 99), (-4, -1), (0, 20)):
            np.testing.assert_array_equal(selection.rows(a, b), whole[a:b])
            np.testing.assert_array_equal(selection.columns(a, b), whole[:, a:b])

    def test_a_block_is_the_callers_to_change(self, features: FeatureStore) -> None:
        add(features, [0, 1])
        features.select([content(0), content(1)]).rows(0, 2)[:] = 9.0
        np.testing.assert_array_equal(read(features, [0, 1]), expected([0, 1]))

    def test_nothing_added_and_nothing_selected(self, features: FeatureStore) -> None:
        features.add([], [], np.empty((0, LENGTH), np.float32))
        assert len(features) == 0
        assert features.select([]).shape == (0, LENGTH)
        assert features.select([]).columns(2, 5).shape == (0, 3)

    def test_a_missing_content_is_named(self, features: FeatureStore) -> None:
        add(features, [0])
        with pytest.raises(StoreError, match=content(7)):
            features.select([content(0), content(7)])

    def test_batches_and_their_order_change_nothing(self, tmp_path: Path) -> None:
        wanted = expected(range(12))
        for name, batches in (("a", [range(12)]), ("b", [[11, 3], [0, 1, 2], [10, 9, 8, 7], [4], [5, 6]])):
            features = self.make_store(tmp_path / name).open(IDENTITY, LENGTH)
            for batch in batches:
                add(features, batch)
            np.testing.assert_array_equal(read(features, range(12)), wanted)

    def test_of_two_rows_the_older_is_read(self, store: Store) -> None:
        features = store.open(IDENTITY, LENGTH)
        add(features, [0, 1, 2])
        features.add([content(1), content(3)], ["again.png", "new.png"], np.array([feature(99), feature(3)]))
        for _ in range(2):
            for reader in (features, store.open(IDENTITY, LENGTH)):
                assert len(reader) == 4
                np.testing.assert_array_equal(read(reader, range(4)), expected(range(4)))
            features.pack(many=1)

    def test_the_older_row_of_another_process_is_read(self, store: Store) -> None:
        first, second = (store.open(IDENTITY, LENGTH) for _ in range(2))
        add(first, [0])
        second.add([content(0)], ["again.png"], feature(99)[None])
        second.refresh()
        np.testing.assert_array_equal(read(second, [0]), expected([0]))

    def test_additions_of_others_are_seen(self, store: Store) -> None:
        first, second = (store.open(IDENTITY, LENGTH) for _ in range(2))
        add(first, [0])
        assert not second.contains(content(0))
        second.refresh()
        assert second.contains(content(0))
        add(first, [1])
        np.testing.assert_array_equal(read(second, [1, 0]), expected([1, 0]))

    def test_pickled_it_reads_the_same_folder(self, store: Store) -> None:
        features = store.open(IDENTITY, LENGTH)
        add(features, [0, 1])
        selection = features.select([content(1), content(0)])
        for reader in (pickle.loads(pickle.dumps(store)).open(IDENTITY, LENGTH), pickle.loads(pickle.dumps(features))):
            np.testing.assert_array_equal(read(reader, [0, 1]), expected([0, 1]))
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(selection)).rows(0, 2), expected([1, 0]))

    def test_identities_lengths_and_types_are_kept_apart(self, tmp_path: Path) -> None:
        add(self.make_store(tmp_path).open(IDENTITY, LENGTH), [0])
        other = self.make_store(tmp_path).open({**IDENTITY, "layer": "first"}, LENGTH)
        half = self.make_store(tmp_path, "float16").open(IDENTITY, LENGTH)
        assert not other.contains(content(0))
        assert not half.contains(content(0))
        with pytest.raises(StoreError, match="length 24"):
            self.make_store(tmp_path).open(IDENTITY, LENGTH + 1)

    def test_float16_is_read_as_float32(self, tmp_path: Path) -> None:
        features = self.make_store(tmp_path, "float16").open(IDENTITY, LENGTH)
        rows = expected(range(3))
        rows[1, 4], rows[2, 5] = FLOAT16_MAX, -FLOAT16_MAX
        features.add([content(k) for k in range(3)], ["a", "b", "c"], rows)
        selection = features.select([content(k) for k in (2, 0, 1)])
        wanted = rows[[2, 0, 1]].astype(np.float16).astype(np.float32)
        for block in (selection.rows(0, 3), selection.columns(0, LENGTH)):
            assert block.dtype == np.float32
            np.testing.assert_array_equal(block, wanted)

    @pytest.mark.parametrize("value", [65_505.0, -1e6, np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("dtype", ["float32", "float16"])
    def test_what_the_type_cannot_hold_nan_and_infinity_are_refused(self, tmp_path, dtype, value) -> None:
        if np.isfinite(value):
            dtype = "float16"
        features = self.make_store(tmp_path, dtype).open(IDENTITY, LENGTH)
        rows = expected([0, 1])
        rows[1, 3] = value
        line = r'odd\.png.*65,504.*dtype="float32"' if np.isfinite(value) else r"odd\.png hold NaN or infinity"
        with pytest.raises(StoreError, match=line):
            features.add([content(0), content(1)], ["small.png", "odd.png"], rows)
        assert len(features) == 0

    @pytest.mark.parametrize("shape", [(2, LENGTH + 1), (3, LENGTH), (2,), (1, 2, LENGTH)])
    def test_shapes_that_disagree_are_refused(self, features: FeatureStore, shape: tuple[int, ...]) -> None:
        with pytest.raises(InputError, match="rows must be"):
            features.add([content(0), content(1)], ["a", "b"], np.zeros(shape, np.float32))

    def test_packing_changes_no_row(self, store: Store) -> None:
        features, reader = (store.open(IDENTITY, LENGTH) for _ in range(2))
        for k in range(0, 40, 2):
            add(features, [k, k + 1])
        selection = reader.select([content(k) for k in range(40)])
        assert features.pack(target_bytes=6 * 2 * LENGTH * 4, many=5) == 20
        assert features.pack(target_bytes=6 * 2 * LENGTH * 4, many=5) == 0
        np.testing.assert_array_equal(selection.rows(0, 40), expected(range(40)))
        for opened in (features, reader, store.open(IDENTITY, LENGTH)):
            np.testing.assert_array_equal(read(opened, range(40)), expected(range(40)))
        add(features, [40])
        np.testing.assert_array_equal(read(reader, [40, 0]), expected([40, 0]))

    def test_packing_under_readers_and_a_writer(self, store: Store) -> None:
        add(store.open(IDENTITY, LENGTH), range(8))
        done = Event()
        with ThreadPoolExecutor(4) as pool:
            readers = [pool.submit(_read_until, store, done) for _ in range(2)]
            packer = pool.submit(_pack_until, store, done)
            try:
                writer = store.open(IDENTITY, LENGTH)
                for k in range(8, 72):
                    add(writer, [k])
            finally:
                done.set()
        assert all(reader.result() > 0 for reader in readers)
        assert packer.result() > 0
        np.testing.assert_array_equal(read(store.open(IDENTITY, LENGTH), range(72)), expected(range(72)))

    def test_threads_share_one_object(self, features: FeatureStore) -> None:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda k: add(features, [2 * k, 2 * k + 1]), range(24)))
        assert len(features) == 48
        np.testing.assert_array_equal(read(features, range(48)), expected(range(48)))

    def test_two_processes_write_at_once(self, store: Store, tmp_path: Path) -> None:
        writers = [Writer(store, tmp_path / f"{k}", first=20 * k, last=20 * k + 40, length=LENGTH) for k in range(2)]
        for writer in writers:
            writer.go()
        assert [writer.wait() for writer in writers] == [0, 0]
        features = store.open(IDENTITY, LENGTH)
        assert len(features) == 60
        np.testing.assert_array_equal(read(features, range(60)), expected(range(60)))

    def test_killed_writers_lose_nothing_but_the_batch_in_hand(self, store: Store, tmp_path: Path) -> None:
        rng = np.random.default_rng(0)
        writers = [Writer(store, tmp_path / f"{k}", first=0, last=4000, length=LONG) for k in range(10)]
        seen: set[int] = set()
        for writer in writers:
            writer.go()
            writer.await_batch()
            time.sleep(rng.uniform(0.0, 0.01))
            writer.kill()
            features = store.open(IDENTITY, LONG)
            now = {k for k in range(4000) if features.contains(content(k))}
            assert len(now) == len(features)
            assert seen < now
            fresh = sorted(now - seen)
            np.testing.assert_array_equal(read(features, fresh), expected(fresh, LONG))
            seen = now
        last = max(seen) + 4
        features = store.open(IDENTITY, LONG)
        add(features, [k for k in range(last) if not features.contains(content(k))])
        np.testing.assert_array_equal(read(features, range(last)), expected(range(last), LONG))


def _read_until(store: Store, done: Event) -> int:
    features, rounds = store.open(IDENTITY, LENGTH), 0
    wanted = expected(range(72))
    while not (done.is_set() and rounds):
        features.refresh()
        ks = [k for k in range(72) if features.contains(content(k))]
        selection = features.select([content(k) for k in ks])
        for block in (selection.rows(0, len(ks)), selection.columns(0, LENGTH)):
            np.testing.assert_array_equal(block, wanted[ks])
        rounds += 1
    return rounds


def _pack_until(store: Store, done: Event) -> int:
    features, merged = store.open(IDENTITY, LENGTH), 0
    while not (done.is_set() and merged):
        merged += features.pack(target_bytes=10 * LENGTH * 4, many=2)
    return merged
