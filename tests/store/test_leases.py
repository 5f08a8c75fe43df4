import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier, Thread

import numpy as np
import pytest

from howfar import store as stores
from howfar.errors import StoreError
from howfar.io import file_locks
from howfar.store import Store, folders
from howfar.store.folders import LocalFolder
from worlds.store_trials import IDENTITY, LENGTH, add, content, expected, read

HOLDER = """
import sys, time
from pathlib import Path
from howfar.store.folders import LocalFolder
with LocalFolder(Path(sys.argv[1])).claim(["cat", "dog"], set):
    print("held", flush=True)
    time.sleep(600)
"""


def stored(*contents: str) -> Callable[[], set[str]]:
    return lambda: set(contents)


def test_what_is_stored_or_in_hand_is_not_granted(tmp_path):
    claims, others = LocalFolder(tmp_path), LocalFolder(tmp_path)
    with claims.claim(["a", "b", "a"], stored("b")) as mine:
        assert mine == ("a",)
        assert others.claimed() == {"a"}
        with others.claim(["a", "b", "c"], stored("b")) as theirs:
            assert theirs == ("c",)
            assert claims.claimed() == {"a", "c"}
        assert claims.claimed() == {"a"}
    with others.claim(["a"], stored()) as theirs:
        assert theirs == ("a",)
    assert claims.claimed() == set()


def test_a_claim_ends_with_an_exception(tmp_path):
    claims = LocalFolder(tmp_path)
    with pytest.raises(RuntimeError), claims.claim(["a"], stored()):
        raise RuntimeError
    with claims.claim(["a"], stored()) as mine:
        assert mine == ("a",)


def test_claims_are_looked_at_before_the_store(tmp_path):
    # Who ends between the two looks has stored before, so that the second look sees it; the other way round it would be missed.
    claims = LocalFolder(tmp_path)
    done: set[str] = set()
    holder = claims.claim(["a"], stored())
    holder.__enter__()

    def look() -> set[str]:
        done.add("a")
        holder.__exit__(None, None, None)
        return done

    with LocalFolder(tmp_path).claim(["a"], look) as mine:
        assert mine == ()


def test_a_killed_holder_holds_nothing(tmp_path):
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            assert LocalFolder(tmp_path).claimed() == {"cat", "dog"}
            with LocalFolder(tmp_path).claim(["cat", "cow"], stored()) as mine:
                assert mine == ("cow",)
        finally:
            holder.kill()
    assert LocalFolder(tmp_path).claimed() == set()
    with LocalFolder(tmp_path).claim(["cat", "cow"], stored()) as mine:
        assert mine == ("cat", "cow")
    assert [path.name for path in (tmp_path / "claims").iterdir()] == [".door"]


def test_of_many_threads_one_gets_each_content(tmp_path):
    start, granted = Barrier(8), []

    def work() -> None:
        claims = LocalFolder(tmp_path)
        start.wait(20)
        with claims.claim([str(k) for k in range(50)], stored()) as mine:
            granted.extend(mine)
            start.wait(20)

    threads = [Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(granted) == sorted(str(k) for k in range(50))


def test_without_file_locks_everything_is_granted(tmp_path, monkeypatch):
    monkeypatch.setattr(file_locks, "fcntl", None)
    claims = LocalFolder(tmp_path)
    with claims.claim(["a"], stored()) as mine, claims.claim(["a", "b"], stored("b")) as others:
        assert (mine, others) == (("a",), ("a",))
    monkeypatch.setattr(folders, "LOCKS", False)
    with claims.claim(["b", "a", "a"], stored("b")) as mine:
        assert (mine, claims.claimed(), list((tmp_path / "claims").iterdir())) == (("a",), set(), [tmp_path / "claims/.door"])


def test_a_store_grants_what_it_lacks(tmp_path):
    first, second = (Store(tmp_path).open(IDENTITY, LENGTH) for _ in range(2))
    add(first, [0])
    wanted = [content(k) for k in range(3)]
    assert second.free(wanted) == (content(1), content(2))
    with first.claim([content(1)]):
        assert second.free(wanted) == (content(2),)
        with second.claim(wanted) as mine:
            # The row that the other object has stored is seen, though nobody refreshed this one.
            assert mine == (content(2),)
    assert second.free(wanted) == (content(1), content(2))


def test_a_folder_that_refuses_is_one_clear_line(tmp_path):
    features = Store(tmp_path).open(IDENTITY, LENGTH)
    (features.folder / "claims").write_text("in the way")
    with pytest.raises(StoreError, match="cannot write to"), features.claim([content(0)]):
        pass


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


def test_what_another_process_is_to_read_is_left(tmp_path):
    add(Store(tmp_path).open(IDENTITY, LENGTH), [0, 1])
    with using(tmp_path) as other:
        for dry in (True, False):
            found = stores.prune(tmp_path, max_size=0, dry_run=dry)
            assert (found.removed, [left.reason for left in found.left]) == ((), ["another process uses it: prune it later"])
        assert other.communicate("\n")[0] == f"{expected([0])[0, 0]}\n"
    assert len(stores.prune(tmp_path, max_size=0).removed) == 1
    assert list(tmp_path.iterdir()) == []


def test_what_this_process_uses_is_its_own_to_remove(tmp_path):
    features = Store(tmp_path).open(IDENTITY, LENGTH)
    add(features, [0])
    assert len(stores.prune(tmp_path, max_size=0).removed) == 1
    again = Store(tmp_path).open(IDENTITY, LENGTH)
    assert len(again) == 0
    add(again, [0])
    np.testing.assert_array_equal(read(again, [0]), expected([0]))


def test_a_folder_that_was_removed_and_made_anew_is_another(tmp_path):
    folder = tmp_path / "feature"
    folder.mkdir()
    use = LocalFolder(folder).hold()
    assert use.current
    folder.rename(tmp_path / "gone")
    assert not use.current
    folder.mkdir()
    assert not use.current
    with LocalFolder(folder).unused() as free:
        assert free
    with pytest.raises(FileNotFoundError), LocalFolder(tmp_path / "none").unused():
        pass
    assert not (tmp_path / "none").exists()
