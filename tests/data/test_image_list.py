from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from howfar.data.image_list import read_list
from howfar.errors import InputError, MissingPathError


def test_a_line_an_image(tmp_path: Path) -> None:
    file = tmp_path / "labelled.txt"
    file.write_bytes("\ufeff0001.jpg\r\n\n  /data/straße 2.png \na,b.png".encode())
    assert read_list(file) == ("0001.jpg", "/data/straße 2.png", "a,b.png")
    file.write_text("")
    assert read_list(str(file)) == ()


def test_the_column_image_of_a_table(tmp_path: Path) -> None:
    frame = pd.DataFrame({"rank": [1, 2, 3], "image": ["0002.jpg", None, "new/1.jpg"]})
    frame.to_csv(tmp_path / "labelled.csv", index=False)
    frame.to_parquet(tmp_path / "labelled.parquet")
    for name in ("labelled.csv", "labelled.parquet"):
        assert read_list(tmp_path / name) == ("0002.jpg", "new/1.jpg")


def test_bad_lists_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("file\n0001.jpg\n")
    (tmp_path / "picture.txt").write_bytes(b"\xff\xd8\xff\xe0\x00")
    with pytest.raises(MissingPathError, match=r"no list of images at .*gone\.txt"):
        read_list(tmp_path / "gone.txt")
    for name, message in (("other.csv", "no column image; its columns: file"), ("picture.txt", "not a readable list")):
        with pytest.raises(InputError, match=message) as caught:
            read_list(tmp_path / name)
        assert "\n" not in str(caught.value)
