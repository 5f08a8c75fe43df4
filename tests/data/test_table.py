"""Tables and lists name images."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from howfar.data import Dataset
from howfar.data.image_tables_and_lists import list_line, match_list, read_list
from howfar.errors import InputError, MissingPathError
from howfar.formatting_and_escaping import printable
from howfar.results import Skipped


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("images/1.png", "images/2.png", "masks/1.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def csv(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    (folder / "list.csv").write_text(text, encoding=encoding)
    return folder / "list.csv"


def test_csv_and_parquet(folder: Path) -> None:
    table = csv(folder, "image,weight,mask,label\nimages/1.png,3,masks/1.png,7\n./images/2.png,4,,\n\n")
    rows = {"image": ["images/1.png", "./images/2.png"], "mask": ["masks/1.png", None], "label": [7, None]}
    pd.DataFrame(rows).astype({"label": "Int64"}).to_parquet(folder / "list.parquet")
    for found in (Dataset.from_table(table), Dataset.from_table(folder / "list.parquet", name="list")):
        assert (found.name, found.skipped) == ("list", ())
        assert [(item.name, item.path, item.mask, item.label) for item in found.items] == [
            ("images/1.png", folder / "images/1.png", folder / "masks/1.png", "7"),
            ("images/2.png", folder / "images/2.png", None, None),
        ]
    # Absolute paths, a mark of byte order, blanks in the header, and quotes.
    (folder / "a,b.png").write_bytes(b"x")
    absolute = (folder / "images/1.png").as_posix()
    found = Dataset.from_table(csv(folder, f'image , label\n{absolute},x\n"a,b.png",y\n', encoding="utf-8-sig"))
    assert [(item.name, item.label) for item in found.items] == [(absolute, "x"), ("a,b.png", "y")]


def test_paths_as_windows_writes_them_are_found(folder: Path) -> None:
    found = Dataset.from_table(csv(folder, "image,mask\nimages\\1.png,masks\\1.png\n.\\images\\2.png,\n"))
    assert [(item.name, item.mask) for item in found.items] == [
        ("images/1.png", folder / "masks/1.png"),
        ("images/2.png", None),
    ]
    (folder / "a\\b.png").write_bytes(b"x")  # a name that Linux may have
    assert Dataset.from_table(csv(folder, "image\na\\b.png\n")).items[0].path == folder / "a\\b.png"


def test_missing_files_are_skipped(folder: Path) -> None:
    (folder / "gone.png").symlink_to("nowhere")
    text = "image,mask\nimages/1.png,masks/9.png\nnone.png,masks/1.png\ngone.png,\nimages,\n"
    found = Dataset.from_table(csv(folder, text))
    assert [(item.name, item.mask) for item in found.items] == [("images/1.png", None)]
    assert found.skipped == (
        Skipped("list", str(folder / "masks/9.png"), "mask: no such file; the image is kept without it"),
        Skipped("list", str(folder / "none.png"), "no such file"),
        Skipped("list", str(folder / "gone.png"), "broken link"),
        Skipped("list", str(folder / "images"), "a folder, not an image"),
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("path,label\na,b\n", "has no column image; its columns: path, label: name the column"),
        ("", "has no column image; its columns: none"),
        ("image,label\nimages/1.png\n", "row 1 has 1 cells and the header 2"),
        ("image,label\n,x\n", "row 1 has no image"),
        ("image\nimages/1.png\n./images/1.png\n", "image images/1.png is in rows 1 and 2: drop one"),
        ("image\nnone.png\n", r"names no image that is there \(1 rows; the first: .*none.png: no such file\)"),
        ("image\n", r"names no image that is there \(0 rows\)"),
    ],
)
def test_errors_are_one_clear_line(folder: Path, text: str, line: str) -> None:
    with pytest.raises(InputError, match=line) as caught:
        Dataset.from_table(csv(folder, text))
    assert "\n" not in str(caught.value)


def test_lists_are_one_image_a_line_or_a_column(tmp_path: Path) -> None:
    file = tmp_path / "labelled.txt"
    file.write_bytes("\ufeff0001.jpg\r\n\n  /data/straße 2.png \na,b.png".encode())
    assert read_list(file) == ("0001.jpg", "/data/straße 2.png", "a,b.png")
    file.write_text("")
    assert read_list(str(file)) == ()
    frame = pd.DataFrame({"rank": [1, 2, 3], "image": ["0002.jpg", None, "new/1.jpg"]})
    frame.to_csv(tmp_path / "labelled.csv", index=False)
    frame.to_parquet(tmp_path / "labelled.parquet")
    for name in ("labelled.csv", "labelled.parquet"):
        assert read_list(tmp_path / name) == ("0002.jpg", "new/1.jpg")


@pytest.mark.parametrize(
    ("read", "name", "data", "line"),
    [
        (Dataset.from_table, "l.csv", b"image\n\xff\xfe\n", "cannot be read|is not a readable table"),
        (Dataset.from_table, "l.parquet", b"PAR1 is not enough", "is not a readable table"),
        (read_list, "other.csv", b"file\n0001.jpg\n", "no column image; its columns: file"),
        (read_list, "picture.txt", b"\xff\xd8\xff\xe0\x00", "cannot be read .*pass UTF-8 text with one image a line"),
    ],
)
def test_what_is_no_table_or_list(read: Callable[[Path], object], name: str, data: bytes, line: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=line) as caught:
        read(tmp_path / name)
    assert "\n" not in str(caught.value)
    with pytest.raises(MissingPathError, match="nothing at"):
        read(tmp_path / f"gone-{name}")


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
    # A path that stands as it is counts before one that is written out.
    assert match_list([f"/site/{line}"], ["1", "2"], [path, f"/site/{line}"]) == [1]


def test_a_column_of_groups_is_read(folder: Path) -> None:
    found = Dataset.from_table(csv(folder, "image,group,camera\nimages/1.png,north,a\nimages/2.png,,b\n"))
    assert found.groups == ["north", None]
    assert [item.further for item in found.items] == [(("camera", "a"),), (("camera", "b"),)]
