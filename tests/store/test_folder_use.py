"""The folder of a feature that a process uses is not removed by another."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from howfar import store as stores
from howfar.store import Store
from howfar.store.local_folder import FolderUse, unused
from worlds.store_trials import IDENTITY, LENGTH, add, content, expected, read

USER = """
import sys
from howfar.store import Store
from worlds.store_trials import IDENTITY, LENGTH
features = Store(sys.argv[1]).open(IDENTITY, LENGTH)
rows = features.select(sys.argv[2:])
del features  # what was selected is still to be read
print("open", flush=True)
sys.stdin.readline()
print(float(rows.rows(0, 1)[0, 0]), flush=True)
"""


@contextmanager
def using(root: Path) -> Iterator[subprocess.Popen[str]]:
    """Let another process open the features and select one."""
    command = [sys.executable, "-c", USER, str(root), content(0)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield process
        process.kill()


def test_what_another_process_is_to_read_is_left(tmp_path: Path) -> None:
    add(Store(tmp_path).open(IDENTITY, LENGTH), [0, 1])
    with using(tmp_path) as other:
        for dry in (True, False):
            found = stores.prune(tmp_path, max_size=0, dry_run=dry)
            assert (found.removed, [left.reason for left in found.left]) == ((), ["another process uses it: prune it later"])
        assert other.communicate("\n")[0] == f"{expected([0])[0, 0]}\n"
    assert len(stores.prune(tmp_path, max_size=0).removed) == 1
    assert list(tmp_path.iterdir()) == []


def test_what_this_process_uses_is_its_own_to_remove(tmp_path: Path) -> None:
    features = Store(tmp_path).open(IDENTITY, LENGTH)
    add(features, [0])
    assert len(stores.prune(tmp_path, max_size=0).removed) == 1
    again = Store(tmp_path).open(IDENTITY, LENGTH)
    assert len(again) == 0
    add(again, [0])
    np.testing.assert_array_equal(read(again, [0]), expected([0]))


def test_a_folder_that_was_removed_and_made_anew_is_another(tmp_path: Path) -> None:
    folder = tmp_path / "feature"
    folder.mkdir()
    use = FolderUse(folder)
    assert use.current
    folder.rename(tmp_path / "gone")
    assert not use.current
    folder.mkdir()
    assert not use.current
    with unused(folder) as free:
        assert free
    with pytest.raises(FileNotFoundError), unused(tmp_path / "none"):
        pass
    assert not (tmp_path / "none").exists()
