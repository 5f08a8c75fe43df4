from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from howfar.data.table import list_line, match_list, read_list
from howfar.errors import InputError, MissingPathError
from howfar.wording import printable


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


@pytest.mark.parametrize("name", ["a b.png", "道路 é.png", "a\\n.png", "\u202ea.png", "a\u200b.png", "-x.png", 'it\'s "q".png'])
def test_a_line_is_the_path_where_a_line_can_hold_it(name: str, tmp_path: Path) -> None:
    path = str(tmp_path / name)
    assert list_line(path) == path
    assert "".join(list_line(path)).splitlines() == [path]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("a\nb.png", r"a\nb.png"),
        ("a\x1b[31m.png", r"a\x1b[31m.png"),
        ("a\x85b.png", r"a\x85b.png"),
        ("a\u2028b.png", r"a\u2028b.png"),
        ("a.png ", r"a.png\x20"),
        ("a.png\u3000", r"a.png\u3000"),
        ("bad\udcff.png", r"bad\xff.png"),
    ],
)
def test_what_no_line_holds_is_written_out_and_found_again(name: str, line: str, tmp_path: Path) -> None:
    path = f"/site/{name}"
    assert list_line(path) == f"/site/{line}"
    (tmp_path / "chosen.txt").write_text(f"{list_line(path)}\n/site/2.png\n", encoding="utf-8")
    listed = read_list(tmp_path / "chosen.txt")
    assert match_list(listed, [name, "2.png"], [path, "/site/2.png"]) == [0, 1]
    assert match_list([printable(path)], [name], [path]) == [0]  # as earlier versions wrote it


def test_a_path_that_stands_as_it_is_counts_before_one_that_is_written_out() -> None:
    paths = ["/site/a\nb.png", r"/site/a\nb.png"]
    assert match_list([r"/site/a\nb.png"], ["1", "2"], paths) == [1]
