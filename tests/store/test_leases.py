from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Barrier, Thread

import pytest

from howfar.errors import StoreError
from howfar.io import lock
from howfar.store import Store
from howfar.store.local_folder import Claims
from worlds.store_trials import IDENTITY, LENGTH, add, content

HOLDER = """
import sys, time
from pathlib import Path
from howfar.store.local_folder import Claims
with Claims(Path(sys.argv[1])).take(["cat", "dog"], set):
    print("held", flush=True)
    time.sleep(600)
"""


def stored(*contents: str) -> Callable[[], set[str]]:
    return lambda: set(contents)


def test_what_is_stored_or_in_hand_is_not_granted(tmp_path: Path) -> None:
    claims, others = Claims(tmp_path / "claims"), Claims(tmp_path / "claims")
    with claims.take(["a", "b", "a"], stored("b")) as mine:
        assert mine == ("a",)
        assert others.taken() == {"a"}
        with others.take(["a", "b", "c"], stored("b")) as theirs:
            assert theirs == ("c",)
            assert claims.taken() == {"a", "c"}
        assert claims.taken() == {"a"}
    with others.take(["a"], stored()) as theirs:
        assert theirs == ("a",)
    assert claims.taken() == set()


def test_a_claim_ends_with_an_exception(tmp_path: Path) -> None:
    claims = Claims(tmp_path / "claims")
    with pytest.raises(RuntimeError), claims.take(["a"], stored()):
        raise RuntimeError
    with claims.take(["a"], stored()) as mine:
        assert mine == ("a",)


def test_claims_are_looked_at_before_the_store(tmp_path: Path) -> None:
    # Who ends between the two looks has stored before, so that the second look sees it; the other way round it would be missed.
    claims = Claims(tmp_path / "claims")
    done: set[str] = set()
    holder = claims.take(["a"], stored())
    holder.__enter__()

    def look() -> set[str]:
        done.add("a")
        holder.__exit__(None, None, None)
        return done

    with Claims(tmp_path / "claims").take(["a"], look) as mine:
        assert mine == ()


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "claims"
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(folder)], stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            assert Claims(folder).taken() == {"cat", "dog"}
            with Claims(folder).take(["cat", "cow"], stored()) as mine:
                assert mine == ("cow",)
        finally:
            holder.kill()
    assert Claims(folder).taken() == set()
    with Claims(folder).take(["cat", "cow"], stored()) as mine:
        assert mine == ("cat", "cow")
    assert [path.name for path in folder.iterdir()] == [".door"]


def test_of_many_threads_one_gets_each_content(tmp_path: Path) -> None:
    start, granted = Barrier(8), []

    def work() -> None:
        claims = Claims(tmp_path / "claims")
        start.wait(20)
        with claims.take([str(k) for k in range(50)], stored()) as mine:
            granted.extend(mine)
            start.wait(20)

    threads = [Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(granted) == sorted(str(k) for k in range(50))


def test_without_file_locks_everything_is_granted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "fcntl", None)
    claims = Claims(tmp_path / "claims")
    with claims.take(["a"], stored()) as mine, claims.take(["a", "b"], stored("b")) as others:
        assert (mine, others) == (("a",), ("a",))


def test_a_store_grants_what_it_lacks(tmp_path: Path) -> None:
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


def test_a_folder_that_refuses_is_one_clear_line(tmp_path: Path) -> None:
    features = Store(tmp_path).open(IDENTITY, LENGTH)
    (features.folder / "claims").write_text("in the way")
    with pytest.raises(StoreError, match="cannot write to"), features.claim([content(0)]):
        pass
