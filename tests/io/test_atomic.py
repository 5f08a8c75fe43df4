"""Files appear whole or not at all, also where two write the same one; locks of files and folders."""

import errno
import fcntl
from pathlib import Path

import pytest

from howfar.io import lock
from howfar.io.atomic import TEMPORARY, appearing, replace, replace_text
from howfar.io.lock import alone, held, locked
from howfar.io.partial_results import remove_abandoned


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "note"
    replace_text(path, "old")

    def fail(temporary: Path) -> None:
        temporary.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replace(path, fail)
    with pytest.raises(KeyboardInterrupt), appearing(path):
        raise KeyboardInterrupt
    assert [one.name for one in tmp_path.iterdir()] == ["note"]
    assert path.read_text() == "old"


def test_two_writers_of_one_file_do_not_take_each_others(tmp_path: Path) -> None:
    path = tmp_path / "note"

    def slow(temporary: Path) -> None:
        temporary.write_text("first")
        replace(path, lambda other: other.write_text("second"))
        assert path.read_text() == "second"
        assert temporary.read_text() == "first"

    replace(path, slow)
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_writer_left_goes_with_the_next_and_a_living_writers_stays(tmp_path: Path) -> None:
    names = [f".{'0a' * 8}{TEMPORARY}", f".{'0b' * 8}{TEMPORARY}", f".notes{TEMPORARY}"]
    left, living, foreign = (tmp_path / name for name in names)
    for path in (left, living, foreign):
        path.touch()
    with locked(living):
        replace_text(tmp_path / "note", "whole")
    assert sorted(tmp_path.iterdir()) == sorted([living, foreign, tmp_path / "note"])


def test_what_is_being_written_is_hidden_and_known_by_its_ending(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)  # as long as the system allows
    with appearing(path) as file:
        (temporary,) = tmp_path.iterdir()
        assert (temporary.name[0], temporary.suffix) == (".", TEMPORARY)
        file.write(b"x")
    assert path.read_text() == "x"


def test_those_who_share_a_folder_keep_out_who_wants_it_alone(tmp_path: Path) -> None:
    with locked(tmp_path, shared=True), locked(tmp_path, shared=True), alone(tmp_path) as free:
        assert not free
    with alone(tmp_path) as free, alone(tmp_path, otherwise=True) as other:
        assert (free, other) == (True, False)


@pytest.mark.parametrize("error", [OSError(errno.ENOLCK, "No locks available"), PermissionError("no"), None])
def test_where_files_cannot_be_locked_everybody_is_let_in(error, tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        assert error is not None
        raise error

    path = tmp_path / "door"
    path.write_text("busy")
    if error is None:
        monkeypatch.setattr(lock, "fcntl", None)
    else:
        monkeypatch.setattr(fcntl, "flock", refuse)
    with locked(path), alone(path) as first, alone(path) as second, alone(path, otherwise=False) as unknown:
        assert (first, second, unknown) == (True, True, False)
        assert held(path) is None
    (tmp_path / "0123.state").touch()
    remove_abandoned(tmp_path)
    assert (tmp_path / "0123.state").exists()
