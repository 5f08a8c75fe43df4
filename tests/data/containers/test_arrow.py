"""Arrow files: streams and files for random access, mapped into memory."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from howfar.data.containers.parquet import ArrowImages
from howfar.errors import ImageError, InputError
from packed import FILE, image_table

IMAGES = {f"{number}.jpg": bytes([65 + number]) * 10 for number in range(9)}


def saved(file: Path, table: pa.Table, stream: bool = True) -> ArrowImages:
    make = pa.ipc.new_stream if stream else pa.ipc.new_file
    with pa.OSFile(str(file), "wb") as sink, make(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=4)
    return ArrowImages(file)


@pytest.mark.parametrize("stream", [True, False])
def test_rows_of_all_batches(stream: bool, tmp_path: Path) -> None:
    found = saved(tmp_path / "t.arrow", image_table(IMAGES, [0, 1] * 4 + [0], ["dry", "wet"]), stream)
    listed = found.listing().members
    assert [(one.inner_path, one.name, one.label) for one in listed[:2]] == [("0", "0.jpg", "dry"), ("1", "1.jpg", "wet")]
    assert [found.read(one.inner_path) for one in listed] == list(IMAGES.values())


def test_masks_where_a_cell_is_filled(tmp_path: Path) -> None:
    masks = [{"bytes": b"m", "path": None}, {"bytes": None, "path": None}, None]
    found = saved(tmp_path / "t.arrow", pa.table({"image": [b"a", b"b", b"c"], "mask": pa.array(masks, FILE)}))
    assert [one.mask for one in found.listing().members] == ["0/mask", None, None]
    assert found.read("0/mask") == b"m"
    with pytest.raises(ImageError, match="no image in this row"):
        found.read("1/mask")
    assert found.has("2/mask")
    assert not found.has("3")


def test_what_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"an Arrow file must lie on this machine, got 's3://b/t\.arrow'"):
        ArrowImages("s3://b/t.arrow")
    (tmp_path / "t.arrow").write_bytes(b"text that is no Arrow file")
    with pytest.raises(InputError, match="is not a readable Arrow file"):
        ArrowImages(tmp_path / "t.arrow")
    with pytest.raises(InputError, match="no column image of bytes; its columns: x"):
        saved(tmp_path / "t.arrow", pa.table({"x": [1]}))
