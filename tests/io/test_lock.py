"""Locks of files and folders, and what is done where a file system has none."""

from __future__ import annotations

import errno
import fcntl
from pathlib import Path

import pytest

from howfar.io import lock
from howfar.io.checkpoint import remove_abandoned
from howfar.io.lock import alone, held, locked


def test_those_who_share_a_folder_keep_out_who_wants_it_alone(tmp_path: Path) -> None:
    with locked(tmp_path, shared=True), locked(tmp_path, shared=True), alone(tmp_path) as free:
        assert not free
    with alone(tmp_path) as free, alone(tmp_path, otherwise=True) as other:
        assert (free, other) == (True, False)


@pytest.mark.parametrize("error", [OSError(errno.ENOLCK, "No locks available"), PermissionError("no"), None])
def test_where_files_cannot_be_locked_everybody_is_let_in(
    error: OSError | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
