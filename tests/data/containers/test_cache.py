"""Which containers are kept open, and what becomes of one that changes."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from howfar.data import containers, read_bytes
from howfar.data.containers.tar import TarShard
from howfar.data.image_bytes import exists, is_member
from howfar.errors import ImageError
from packed import tar_bytes


def test_a_member_is_read_by_its_path_as_text_too(tmp_path: Path) -> None:
    (tmp_path / "s.tar").write_bytes(tar_bytes([("a/1.jpg", b"one"), ("2.jpg", b"")]))
    for path in (tmp_path / "s.tar" / "a" / "1.jpg", str(tmp_path / "s.tar" / "a/1.jpg"), f"file://{tmp_path}/s.tar/a/1.jpg"):
        assert read_bytes(path) == b"one"
        assert exists(path)
        assert is_member(path)
    assert not exists(tmp_path / "s.tar" / "3.jpg")
    assert not is_member(tmp_path / "s.tar")
    with pytest.raises(ImageError, match="no such file"):
        read_bytes(tmp_path / "s.tar" / "3.jpg")
    with pytest.raises(ImageError, match="empty file"):
        read_bytes(tmp_path / "s.tar" / "2.jpg")


def test_below_any_other_file_there_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "s.zip").write_bytes(b"x")
    with pytest.raises(ImageError, match="no such file"):
        read_bytes(tmp_path / "s.zip" / "1.jpg")


def test_a_folder_may_be_called_like_a_container(tmp_path: Path) -> None:
    (tmp_path / "s.tar").mkdir()
    (tmp_path / "s.tar" / "t.tar").write_bytes(tar_bytes([("1.jpg", b"one")]))
    assert read_bytes(tmp_path / "s.tar" / "t.tar" / "1.jpg") == b"one"


def test_a_changed_file_is_indexed_anew(tmp_path: Path) -> None:
    file = tmp_path / "s.tar"
    file.write_bytes(tar_bytes([("1.jpg", b"old")]))
    assert read_bytes(file / "1.jpg") == b"old"
    file.write_bytes(tar_bytes([("0.jpg", b"before it"), ("1.jpg", b"new")]))
    os.utime(file, ns=(1, 1))
    assert read_bytes(file / "1.jpg") == b"new"


def test_one_that_fails_is_not_kept(tmp_path: Path) -> None:
    file = tmp_path / "s.tar"
    file.write_bytes(b"text" * 400)
    with pytest.raises(ImageError, match="is not a readable ta"):
        read_bytes(file / "1.jpg")
    assert file not in containers._slots
    file.write_bytes(tar_bytes([("1.jpg", b"whole")]))
    assert read_bytes(file / "1.jpg") == b"whole"


def test_each_is_indexed_once_and_few_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    plain = TarShard.__init__
    monkeypatch.setattr(TarShard, "__init__", lambda self, place: made.append(place) or plain(self, place))
    files = [tmp_path / f"{number}.tar" for number in range(containers.KEPT + 4)]
    for file in files:
        file.write_bytes(tar_bytes([("1.jpg", file.name.encode())]))
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: read_bytes(files[0] / "1.jpg"), range(64))) == {b"0.tar"}
    assert len(made) == 1
    assert [read_bytes(file / "1.jpg") for file in files] == [file.name.encode() for file in files]
    assert len(made) == len(files)
    assert len(containers._slots) == containers.KEPT
