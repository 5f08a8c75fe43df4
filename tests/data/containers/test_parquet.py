"""Parquet files with image bytes: columns of either kind, names, masks, and rows read in any order by several threads."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from howfar.data import read_bytes
from howfar.data.containers import parquet
from howfar.data.containers.parquet import ParquetFile, ParquetImages
from howfar.errors import ImageError, InputError
from packed import FILE, image_table, write_parquet


def noise(count: int, size: int = 20_000) -> dict[str, bytes]:
    rng = np.random.default_rng(0)
    return {f"{number}.jpg": rng.bytes(size) for number in range(count)}


def saved(folder: Path, table: pa.Table, **options: Any) -> ParquetImages:
    pq.write_table(table, folder / "t.parquet", **options)
    return ParquetImages(folder / "t.parquet")


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), FILE])
def test_columns_of_either_kind(kind: pa.DataType, tmp_path: Path) -> None:
    struct = kind == FILE
    cells = [{"bytes": data, "path": f"{data.decode()}.jpg"} if struct else data for data in (b"a", b"b")]
    found = saved(tmp_path, pa.table({"image": pa.array(cells, kind)}))
    assert [(one.inner_path, one.name) for one in found.listing().members] == [
        ("0", "a.jpg" if struct else None),
        ("1", "b.jpg" if struct else None),
    ]
    assert [found.read("1"), found.read("0")] == [b"b", b"a"]


def test_classes_have_their_names(tmp_path: Path) -> None:
    found = saved(tmp_path, image_table(noise(4, 10), [1, 0, -1, 1], ["dry", "wet"]))
    assert [one.label for one in found.listing().members] == ["wet", "dry", None, "wet"]
    plain = saved(tmp_path, pa.table({"image": [b"a", b"b"], "label": ["x", None]}))
    assert [one.label for one in plain.listing().members] == ["x", None]


@pytest.mark.parametrize("statistics", [True, False])
def test_masks_are_there_where_a_cell_is_filled(statistics: bool, tmp_path: Path) -> None:
    table = pa.table({"image": [b"a", b"b", b"c"], "mask": pa.array([b"m", None, b"n"], pa.binary())})
    found = saved(tmp_path, table, row_group_size=2, write_statistics=statistics)
    assert [one.mask for one in found.listing().members] == ["0/mask", None, "2/mask"]
    assert found.read("2/mask") == b"n"
    full = saved(tmp_path, table.set_column(1, "mask", pa.array([b"m", b"k", b"n"])), write_statistics=statistics)
    assert [one.mask for one in full.listing().members] == ["0/mask", "1/mask", "2/mask"]
    assert found.has("0/mask")
    assert not saved(tmp_path, pa.table({"image": [b"a"]})).has("0/mask")


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


@pytest.mark.parametrize("inner_path", ["5", "x", "-1", "0/mask", "0/label", "²"])
def test_what_is_no_row_is_said(inner_path: str, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no such row"):
        saved(tmp_path, pa.table({"image": [b"a"]})).read(inner_path)


def test_other_files_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no column image of bytes; its columns: picture: name the column"):
        saved(tmp_path, pa.table({"picture": [b"a"]}))
    (tmp_path / "t.parquet").write_bytes(b"text")
    with pytest.raises(InputError, match="is not a readable Parquet file"):
        ParquetImages(tmp_path / "t.parquet")


def test_any_order_and_several_threads_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "PIECE_BYTES", 100_000)
    monkeypatch.setattr(parquet, "KEPT_BYTES", 300_000)
    images = noise(120)
    found = ParquetImages(write_parquet(tmp_path / "t.parquet", images, rows=50))
    wanted = list(images.values())
    orders = [np.random.default_rng(seed).permutation(120) for seed in range(3)] + [np.arange(120), np.arange(119, -1, -1)]

    def check(order: Any) -> bool:
        return all(found.read(str(row)) == wanted[row] for row in order)

    with ThreadPoolExecutor(len(orders)) as pool:
        assert all(pool.map(check, orders))


def test_rows_in_order_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "PIECE_BYTES", 100_000)
    monkeypatch.setattr(parquet, "KEPT_BYTES", 300_000)
    found = ParquetImages(write_parquet(tmp_path / "t.parquet", noise(100), rows=50))
    opened: list[object] = []
    plain = ParquetFile.pieces
    monkeypatch.setattr(ParquetFile, "pieces", lambda *given: opened.append(given) or plain(*given))
    for row in range(100):
        found.read(str(row))
    assert len(opened) == 2  # row groups
    kept = parquet._piece_cache
    assert sum(piece.nbytes for piece in kept._pieces.values()) == kept._bytes <= 300_000


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
