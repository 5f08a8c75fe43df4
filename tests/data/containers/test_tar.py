"""Tar shards: what is an image, a class or a mask in them, and how little of them is read."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

from howfar.data.containers import tar
from howfar.data.containers.tar import TarShard
from howfar.errors import ImageError, InputError
from packed import tar_bytes


def shard(folder: Path, *members: tuple[str, bytes]) -> TarShard:
    (folder / "s.tar").write_bytes(tar_bytes(members))
    return TarShard(folder / "s.tar")


def test_a_key_joins_image_class_and_mask(tmp_path: Path) -> None:
    found = shard(
        tmp_path,
        ("a/1.jpg", b"one"), ("a/1.cls", b"3\n"), ("a/1.txt", b"a caption"), ("a/1.mask.png", b"m1"), ("a/1.json", b"{}"),
        ("a/2.PNG", b"two"), ("a/2.seg.png", b"m2"), ("a/2.txt", b"wet"),
        ("a/3.left.jpg", b"three"), ("a/3.cls", b"7"),
    )  # fmt: skip
    rows = [(one.inner_path, one.mask, one.label) for one in found.listing().members]
    assert rows == [
        ("a/1.jpg", "a/1.mask.png", "3"),
        ("a/2.PNG", "a/2.seg.png", "wet"),
        ("a/3.left.jpg", None, "7"),
    ]
    assert [found.read(name) for name in ("a/1.jpg", "a/1.mask.png", "a/2.seg.png", "a/3.left.jpg")] == [
        b"one", b"m1", b"m2", b"three",
    ]  # fmt: skip


def test_the_order_is_the_file_s_and_hidden_members_are_left_out(tmp_path: Path) -> None:
    found = shard(tmp_path, ("./10.jpg", b"a"), ("._10.jpg", b"x"), (".hidden/1.jpg", b"x"), ("2.jpg", b"b"), ("notes", b"x"))
    assert [one.inner_path for one in found.listing().members] == ["10.jpg", "2.jpg"]
    assert found.has("10.jpg")
    assert not found.has("._10.jpg")


def test_a_path_from_the_root_stays_within_the_tar(tmp_path: Path) -> None:
    found = shard(tmp_path, ("/etc/1.jpg", b"a"), ("../2.jpg", b"b"))
    assert [one.inner_path for one in found.listing().members] == ["etc/1.jpg"]
    assert found.read("etc/1.jpg") == b"a"


def test_of_two_members_of_one_name_the_later_counts(tmp_path: Path) -> None:
    found = shard(tmp_path, ("1.jpg", b"old"), ("2.jpg", b"other"), ("1.jpg", b"new"))
    assert [one.inner_path for one in found.listing().members] == ["2.jpg", "1.jpg"]
    assert found.read("1.jpg") == b"new"


def test_what_is_no_image_is_said(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "s.tar", "w") as out:
        link = tarfile.TarInfo("link.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "1.jpg"
        out.addfile(tarfile.TarInfo("bad\udcff.jpg"))
        out.addfile(link)
        for name in ("1.jpg", "9.mask.png"):
            member = tarfile.TarInfo(name)
            member.size = 2
            out.addfile(member, io.BytesIO(b"ok"))
    listing = TarShard(tmp_path / "s.tar").listing()
    assert [one.inner_path for one in listing.members] == ["1.jpg"]
    assert listing.faults == (
        ("bad\udcff.jpg", "its name is not valid UTF-8: rename it"),
        ("link.jpg", "a link or special file within the tar"),
        ("9.mask.png", "a mask without its image"),
    )


def test_a_cut_tar_keeps_what_is_whole(tmp_path: Path) -> None:
    whole = tar_bytes([("1.jpg", b"a" * 5000), ("2.jpg", b"b" * 5000)])
    (tmp_path / "s.tar").write_bytes(whole[: 512 + 5120 + 512 + 100])
    found = TarShard(tmp_path / "s.tar")
    assert found.read("1.jpg") == b"a" * 5000
    with pytest.raises(ImageError, match="cut short: its tar file ends before it"):
        found.read("2.jpg")
    assert "damaged after 2 members" in found.listing().faults[0][1]


@pytest.mark.parametrize(("mode", "word"), [("w:gz", "gzip"), ("w:bz2", "bzip2"), ("w:xz", "xz")])
def test_compressed_ones_are_refused_whatever_they_are_called(mode: Any, word: str, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "s.tar", mode) as out:
        out.addfile(tarfile.TarInfo("1.jpg"))
    with pytest.raises(InputError, match=rf"must not be compressed, got .*\({word}\).*write it as plain \.tar"):
        TarShard(tmp_path / "s.tar")


@pytest.mark.parametrize("data", [b"", b"text" * 400])
def test_what_is_no_tar_is_one_line(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "s.tar").write_bytes(data)
    with pytest.raises(InputError, match=r"s\.tar is not a readable tar file"):
        TarShard(tmp_path / "s.tar")


def test_a_missing_member_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no such file"):
        shard(tmp_path, ("1.jpg", b"a")).read("2.jpg")


def test_listing_reads_headers_and_classes_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    members = [pair for k in range(50) for pair in ((f"{k}.jpg", b"x" * 100_000), (f"{k}.cls", b"1"))]
    (tmp_path / "s.tar").write_bytes(tar_bytes(members))
    read: list[int] = []

    class Counting(io.FileIO):
        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(-1 if size is None else size)
            read.append(len(data))
            return data

    monkeypatch.setattr(tar, "open_binary", lambda place, block: Counting(place))
    assert len(TarShard(tmp_path / "s.tar").listing().members) == 50
    assert sum(read) < 100_000
