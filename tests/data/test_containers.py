"""Images within tar, Parquet and Arrow files are listed, read and kept open."""

import io
import os
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from howfar.data import containers, read_bytes
from howfar.data.containers import parquet_and_arrow
from howfar.data.containers.parquet_and_arrow import ArrowImages, ParquetImages
from howfar.data.containers.tar_shards import TarShard
from howfar.data.image_and_mask_folders import LOCAL_ONLY
from howfar.data.image_bytes import exists, is_member
from howfar.errors import ImageError, InputError
from packed import FILE, image_table, tar_bytes, write_parquet


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
    assert rows == [("a/1.jpg", "a/1.mask.png", "3"), ("a/2.PNG", "a/2.seg.png", "wet"), ("a/3.left.jpg", None, "7")]
    assert [found.read(name) for name in ("a/1.jpg", "a/1.mask.png", "a/2.seg.png", "a/3.left.jpg")] == [
        b"one", b"m1", b"m2", b"three",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("members", "wanted"),
    [
        # The order is the file's, and hidden members are left out.
        (("./10.jpg", "._10.jpg", ".hidden/1.jpg", "2.jpg", "notes"), {"10.jpg": b"0", "2.jpg": b"3"}),
        # A path from the root stays within the tar.
        (("/etc/1.jpg", "../2.jpg"), {"etc/1.jpg": b"0"}),
        # Of two members of one name the later counts.
        (("1.jpg", "2.jpg", "1.jpg"), {"2.jpg": b"1", "1.jpg": b"2"}),
    ],
)
def test_which_members_are_images(members: tuple[str, ...], wanted: dict[str, bytes], tmp_path: Path) -> None:
    found = shard(tmp_path, *((name, str(place).encode()) for place, name in enumerate(members)))
    assert [one.inner_path for one in found.listing().members] == list(wanted)
    assert {name: found.read(name) for name in wanted} == wanted
    assert not found.has("._10.jpg")


def test_what_is_no_image_is_said(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "s.tar", "w") as out:
        link = tarfile.TarInfo("link.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "1.jpg"
        out.addfile(tarfile.TarInfo("bad\udcff.jpg"))
        out.addfile(link)
        for name in ("1.jpg", "9.mask.png", "drive.mp4", "head.nii.gz", "phone.heic"):
            member = tarfile.TarInfo(name)
            member.size = 2
            out.addfile(member, io.BytesIO(b"ok"))
    listing = TarShard(tmp_path / "s.tar").listing()
    assert [one.inner_path for one in listing.members] == ["1.jpg"]
    assert listing.faults == (
        ("bad\udcff.jpg", "its name is not valid UTF-8: rename it"),
        ("link.jpg", "a link or special file within the tar"),
        ("drive.mp4", LOCAL_ONLY),
        ("head.nii.gz", LOCAL_ONLY),
        ("phone.heic", "the format .heic is not read: convert it to PNG or JPEG"),
        ("9.mask.png", "mask: its image is missing"),
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


def noise(count: int, size: int = 20_000) -> dict[str, bytes]:
    rng = np.random.default_rng(0)
    return {f"{number}.jpg": rng.bytes(size) for number in range(count)}


def saved(folder: Path, table: pa.Table, **options: Any) -> ParquetImages:
    pq.write_table(table, folder / "t.parquet", **options)
    return ParquetImages(folder / "t.parquet")


def saved_stream(file: Path, table: pa.Table, stream: bool = True) -> ArrowImages:
    make = pa.ipc.new_stream if stream else pa.ipc.new_file
    with pa.OSFile(str(file), "wb") as sink, make(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=4)
    return ArrowImages(file)


@pytest.mark.parametrize("data", [b"", b"text" * 400])
@pytest.mark.parametrize(
    ("name", "kind", "what"),
    [("s.tar", TarShard, "tar file"), ("t.parquet", ParquetImages, "Parquet file"), ("t.arrow", ArrowImages, "Arrow file")],
)
def test_what_is_no_such_file_is_one_line(name: str, kind: Any, what: str, data: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=rf"{name} is not a readable {what}"):
        kind(tmp_path / name)


def test_tables_without_images_and_arrow_files_elsewhere_are_refused(tmp_path: Path) -> None:
    for write, name in ((saved, ""), (saved_stream, "t.arrow")):
        with pytest.raises(InputError, match=r"no column image of bytes; its columns: picture: name the column"):
            write(tmp_path / name, pa.table({"picture": [b"a"]}))
    with pytest.raises(InputError, match=r"an Arrow file must lie on this machine, got 's3://b/t\.arrow'"):
        ArrowImages("s3://b/t.arrow")


@pytest.mark.parametrize("inner_path", ["5", "x", "-1", "0/mask", "0/label", "²"])
def test_what_is_no_row_is_said(inner_path: str, tmp_path: Path) -> None:
    table = pa.table({"image": [b"a"]})
    for found in (saved(tmp_path, table), saved_stream(tmp_path / "t.arrow", table)):
        assert not found.has(inner_path)
        with pytest.raises(ImageError, match="no such row"):
            found.read(inner_path)


def test_classes_have_their_names(tmp_path: Path) -> None:
    found = saved(tmp_path, image_table(noise(4, 10), [1, 0, -1, 1], ["dry", "wet"]))
    assert [one.label for one in found.listing().members] == ["wet", "dry", None, "wet"]
    plain = saved(tmp_path, pa.table({"image": [b"a", b"b"], "label": ["x", None]}))
    assert [one.label for one in plain.listing().members] == ["x", None]


@pytest.mark.parametrize("statistics", [True, False])
def test_masks_are_there_where_a_cell_is_filled(statistics: bool, tmp_path: Path) -> None:
    table = pa.table({"image": [b"a", b"b", b"c"], "mask": pa.array([b"m", None, b"n"], pa.binary())})
    found = saved(tmp_path, table, row_group_size=2, write_statistics=statistics)
    (tmp_path / "full").mkdir()
    full = saved(tmp_path / "full", table.set_column(1, "mask", pa.array([b"m", b"k", b"n"])), write_statistics=statistics)
    masks = [{"bytes": b"m", "path": None}, {"bytes": None, "path": None}, {"bytes": b"n", "path": None}]
    arrow = saved_stream(tmp_path / "t.arrow", table.set_column(1, "mask", pa.array(masks, FILE)))
    for one in (found, arrow):
        assert [member.mask for member in one.listing().members] == ["0/mask", None, "2/mask"]
        assert one.read("2/mask") == b"n"
        with pytest.raises(ImageError, match="no image in this row"):
            one.read("1/mask")
        assert one.has("1/mask")
    assert [one.mask for one in full.listing().members] == ["0/mask", "1/mask", "2/mask"]


def test_a_cell_with_a_path_alone_is_that_file_and_an_empty_one_is_said(tmp_path: Path) -> None:
    (tmp_path / "beside.jpg").write_bytes(b"beside")
    fsspec.filesystem("memory").pipe("/parquet/1.jpg", b"far")
    cells = [{"bytes": None, "path": "beside.jpg"}, {"bytes": None, "path": None}, None, {"bytes": b"", "path": "x.jpg"}]
    cells.append({"bytes": None, "path": "memory://parquet/1.jpg"})
    found = saved(tmp_path, pa.table({"image": pa.array(cells, FILE)}))
    assert (found.read("0"), found.read("4")) == (tmp_path / "beside.jpg", "memory://parquet/1.jpg")
    assert read_bytes(tmp_path / "t.parquet" / "0") == b"beside"
    assert read_bytes(tmp_path / "t.parquet" / "4") == b"far"
    for inner_path in ("1", "2"):
        with pytest.raises(ImageError, match="no image in this row"):
            found.read(inner_path)
    assert found.read("3") == b""


def test_any_order_and_several_threads_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_and_arrow, "PIECE_BYTES", 100_000)
    monkeypatch.setattr(parquet_and_arrow, "KEPT_BYTES", 300_000)
    images = noise(120)
    found = ParquetImages(write_parquet(tmp_path / "t.parquet", images, rows=50))
    wanted = list(images.values())
    orders = [np.random.default_rng(seed).permutation(120) for seed in range(3)] + [np.arange(120), np.arange(119, -1, -1)]

    def check(order: Any) -> bool:
        return all(found.read(str(row)) == wanted[row] for row in order)

    with ThreadPoolExecutor(len(orders)) as pool:
        assert all(pool.map(check, orders))


def test_listing_reads_no_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_parquet(tmp_path / "t.parquet", noise(50, 100_000))
    read: list[int] = []

    class Counting:
        def __init__(self, place: str) -> None:
            self.file = io.BytesIO(Path(place).read_bytes())

        def read(self, size: int = -1) -> bytes:
            data = self.file.read(size)
            read.append(len(data))
            return data

        def __getattr__(self, name: str) -> Any:
            return getattr(self.file, name)

    monkeypatch.setattr(pa, "OSFile", Counting)
    assert len(ParquetImages(file).listing().members) == 50
    assert 0 < sum(read) < 200_000


def test_a_member_is_read_by_its_path_as_text_too(tmp_path: Path) -> None:
    (tmp_path / "s.tar").write_bytes(tar_bytes([("a/1.jpg", b"one"), ("2.jpg", b"")]))
    (tmp_path / "s.zip").write_bytes(b"x")
    (tmp_path / "folder.tar").mkdir()
    (tmp_path / "folder.tar" / "t.tar").write_bytes(tar_bytes([("1.jpg", b"one")]))
    for path in (tmp_path / "s.tar" / "a" / "1.jpg", str(tmp_path / "s.tar" / "a/1.jpg"), f"file://{tmp_path}/s.tar/a/1.jpg"):
        assert (read_bytes(path), exists(path), is_member(path)) == (b"one", True, True)
    assert read_bytes(tmp_path / "folder.tar" / "t.tar" / "1.jpg") == b"one"
    assert not exists(tmp_path / "s.tar" / "3.jpg")
    assert not is_member(tmp_path / "s.tar")
    for name, line in (("s.tar/3.jpg", "no such file"), ("s.tar/2.jpg", "empty file"), ("s.zip/1.jpg", "no such file")):
        with pytest.raises(ImageError, match=line):
            read_bytes(tmp_path / name)


def test_a_changed_file_is_indexed_anew_and_one_that_fails_is_not_kept(tmp_path: Path) -> None:
    file = tmp_path / "s.tar"
    file.write_bytes(tar_bytes([("1.jpg", b"old")]))
    assert read_bytes(file / "1.jpg") == b"old"
    file.write_bytes(b"text" * 400)
    with pytest.raises(ImageError, match="is not a readable ta"):
        read_bytes(file / "1.jpg")
    assert file not in containers._slots
    file.write_bytes(tar_bytes([("0.jpg", b"before it"), ("1.jpg", b"new")]))
    os.utime(file, ns=(1, 1))
    assert read_bytes(file / "1.jpg") == b"new"


IMAGES = {f"{number}.jpg": bytes([65 + number]) * 10 for number in range(9)}


@pytest.mark.parametrize("stream", [True, False])
def test_rows_of_all_batches(stream: bool, tmp_path: Path) -> None:
    found = saved_stream(tmp_path / "t.arrow", image_table(IMAGES, [0, 1] * 4 + [0], ["dry", "wet"]), stream)
    listed = found.listing().members
    assert [(one.inner_path, one.name, one.label) for one in listed[:2]] == [("0", "0.jpg", "dry"), ("1", "1.jpg", "wet")]
    assert [found.read(one.inner_path) for one in listed] == list(IMAGES.values())
