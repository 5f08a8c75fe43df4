"""Every state that a kill can leave on disk: the folder is copied before each step that changes it, and each copy is opened."""

import os
import shutil
from contextlib import contextmanager
from unittest import mock

import numpy as np

from howfar.store import Store
from worlds.store_trials import add, content, expected, known, read

IDENTITY = {"name": "pixels"}


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
