"""Performances from files, and their images found again: by name, by content, or with one line that says why not."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from howfar.errors import HowfarError, InputError, MissingPathError, StoreError
from howfar.studies.performance.image_performance import evaluations_of, match, read_performances

IMAGES = pd.DataFrame(
    {
        "dataset": ["a", "a", "a", "b", "b"],
        "image": ["1.png", "2.png", "3.png", "1.png", "9.png"],
        "content": ["h1", "h2", "h3", "h4", "h9"],
    }
)


def table(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame(columns)


def line(*arguments: Any, images: pd.DataFrame = IMAGES) -> str:
    with pytest.raises(HowfarError) as caught:
        match(images, read_performances(*arguments))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_files_of_evaluate_tables_and_what_is_in_memory_are_read_alike(world: Any, tmp_path: Path) -> None:
    near = world.evaluations["near"]
    rows = table(dataset=["x", "y"], image=["1.png", "1.png"], performance=[0.25, None])
    rows.to_csv(tmp_path / "T.CSV", index=False)
    rows.to_parquet(tmp_path / "t.parquet")
    given = [near.save(tmp_path / "e.parquet"), str(tmp_path / "T.CSV")]
    found = read_performances(given)
    assert [(one.dataset, one.task, one.n, one.scored) for one in found] == [
        ("near", "segmentation", 16, 14),
        ("x", "given", 1, 1),
        ("y", "given", 1, 0),
    ]
    pd.testing.assert_frame_equal(found[0].images, near.images)
    for argument in (rows, tmp_path / "t.parquet", str(tmp_path / "t.parquet"), [rows], (rows,)):
        for one, other in zip(read_performances(argument), found[1:], strict=True):
            pd.testing.assert_frame_equal(one.images, other.images, check_dtype=False)
    assert read_performances(near) == [near]
    assert [one.dataset for one in read_performances(iter([rows[:1], near]))] == ["x", "near"]


def test_an_evaluation_is_known_by_what_it_holds_and_not_by_its_ending(world: Any, tmp_path: Path) -> None:
    file = world.evaluations["near"].save(tmp_path / "near.parquet").rename(tmp_path / "near.scores")
    assert read_performances(file)[0].task == "segmentation"
    (tmp_path / "table.txt").write_text("image,performance\n1.png,0.5\n")
    assert line(tmp_path / "table.txt").endswith(": pass UTF-8 CSV (named .csv) or Parquet")


def test_only_a_number_may_be_missing_by_a_word(tmp_path: Path) -> None:
    lines = ["dataset,image,performance,entropy,content", "NA,null,NA,,None", "NA,b.png,0.5,nan,", "None,NA,,0.25,"]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    found = read_performances(tmp_path / "t.csv")
    assert [(one.dataset, one.images["image"].tolist()) for one in found] == [("NA", ["null", "b.png"]), ("None", ["NA"])]
    assert found[0].images["content"].tolist() == ["None", ""]
    np.testing.assert_array_equal(found[0].images[["performance", "entropy"]], [[np.nan, np.nan], [0.5, np.nan]])
    np.testing.assert_array_equal(found[1].images[["performance", "entropy"]], [[np.nan, 0.25]])


def test_a_path_at_which_no_table_lies_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(MissingPathError) as caught:
        read_performances(tmp_path / "none.csv")
    assert str(caught.value) == (
        f"performance: nothing at {tmp_path}/none.csv: run howfar evaluate -o FILE, or pass a CSV or Parquet table"
    )
    (tmp_path / "near.csv").touch()
    with pytest.raises(MissingPathError, match=r"pass .*/near.csv alone; .* the column dataset of a table$"):
        read_performances(f"near={tmp_path}/near.csv")
    assert line(tmp_path) == f"performance must be a file, got '{tmp_path}': name each file in the folder"
    assert line(Path("https://a.b/c.csv")) == (
        "performance must be a path, not a URL, got 'https:/a.b/c.csv': copy the file to this machine first"
    )
    assert line(3) == "performance must be an Evaluation, a file or a table, got 'int'"
    assert line([None]) == "performance must be an Evaluation, a file or a table, got 'NoneType'"
    assert line([]) == "performance must name at least one file, got []: run howfar evaluate -o FILE first"


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n\x00\xff", b'image,performance\n"1.png,0.5\n', b"PAR1PAR1"])
def test_a_file_that_is_no_table_is_one_line(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    told = line(tmp_path / name)
    assert told.startswith(str(tmp_path / name))
    assert "cannot be read (" in told or "has no column image" in told


def test_a_damaged_evaluation_is_never_taken_for_a_table(world: Any, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = world.evaluations["near"].save(tmp_path / "e.parquet")
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2])
    assert line(file).startswith(f"{file} cannot be read (")
    rows = pa.Table.from_pandas(table(image=["1.png"], performance=[0.5]))
    for document in (b"{", b"{}", b'{"format": 9}'):
        pq.write_table(rows.replace_schema_metadata({b"howfar": document}), file)
        with pytest.raises(StoreError, match=r"e\.parquet (was not written by howfar evaluate|has another format)"):
            read_performances(file)
    place = data.index(b"PAR1", 4)
    file.write_bytes(data[:200] + bytes(len(data[200 : place - 3000])) + data[place - 3000 :])
    with pytest.raises(HowfarError):
        read_performances(file)


def test_two_files_of_one_dataset_are_refused(world: Any, tmp_path: Path) -> None:
    near = world.evaluations["near"]
    files = [near.save(tmp_path / name) for name in ("1.parquet", "2.parquet")]
    assert line(files) == "performance must tell of each dataset once, got 'near': leave one of the two out"
    rows = table(image=["1.png"], performance=[0.5])
    received = "got 'two tables without the column dataset': add it, or call each file by its dataset's name"
    assert line([rows, rows]) == f"performance must tell of each dataset once, {received}"
    assert len(read_performances([rows, rows.assign(dataset="a")])) == 2


COPIES = IMAGES.assign(content=["h1", "h1", "h1", "h4", "h9"])


@pytest.mark.parametrize(
    ("rows", "images", "wanted"),
    [
        # By dataset and name.
        ({"dataset": ["b", "a", "a"], "image": ["1", "3", "1"], "performance": [0.4, 0.3, 0.1]}, IMAGES, "1-34- 0 b0 a0"),
        # A renamed image by its content within its dataset; that of another dataset is another dataset's image.
        ({"dataset": "a", "image": ["x", "2"], "content": ["h1", "other"], "performance": [0.1, 0.2]}, IMAGES, "12--- 1 a0"),
        ({"dataset": "a", "image": ["x", "2"], "content": ["h4", "h2"], "performance": [0.1, 0.2]}, IMAGES, "-2--- 0 a1"),
        # Renumbered files by content, whatever they are called.
        (
            {"dataset": "a", "image": ["1", "2", "3"], "content": ["h2", "h3", "h1"], "performance": [0.2, 0.3, 0.1]},
            IMAGES,
            "123-- 0 a0",
        ),
        # A changed image by its name, and counted; but its name is not given to it where its own is there by content.
        (
            {"dataset": "a", "image": ["1", "2", "3"], "content": ["new", "h2", ""], "performance": [0.1, 0.2, 0.3]},
            IMAGES,
            "123-- 1 a0",
        ),
        ({"dataset": "a", "image": ["1", "2"], "content": ["new", "h1"], "performance": [0.9, 0.1]}, IMAGES, "1---- 0 a1"),
        # Copies of one picture are told apart by name, and else given one each.
        ({"dataset": "c", "image": ["3", "1"], "content": ["h1", "h1"], "performance": [0.3, 0.1]}, COPIES, "1-3-- 0 a0"),
        ({"dataset": "c", "image": ["x", "y"], "content": ["h1", "h1"], "performance": [0.3, 0.1]}, COPIES, "31--- 0 a0"),
        (
            {"dataset": "c", "image": list("xyzw"), "content": ["h1"] * 4, "performance": [0.1, 0.2, 0.3, 0.4]},
            COPIES,
            "123-- 0 a1",
        ),
        # A dataset that goes by another name by content alone.
        (
            {"dataset": "c", "image": ["1", "2", "3"], "content": ["h2", "h1", ""], "performance": [0.2, 0.1, 0.3]},
            IMAGES,
            "12--- 0 a1",
        ),
        # A table without datasets is of any; content goes before name.
        ({"image": ["9", "2", "none"], "performance": [0.9, 0.2, 0.0]}, IMAGES, "-2--9 0 1"),
        ({"image": ["2", "none"], "performance": [0.2, 0.0]}, IMAGES, "-2--- 0 a1"),
        ({"image": ["9", "2"], "performance": [0.9, 0.2]}, IMAGES.drop(columns="content"), "-2--9 0 0"),
        ({"image": ["1", "2"], "content": ["h4", "h2"], "performance": [0.1, 0.2]}, IMAGES, "-2-1- 0 0"),
        ({"image": ["2"], "content": ["h9"], "performance": [0.9]}, IMAGES, "----9 0 b0"),
        # One content in several datasets needs its dataset.
        (
            {"dataset": "b", "image": ["1"], "content": ["h1"], "performance": [0.1]},
            IMAGES.assign(content=["h1", "h2", "h3", "h1", "h9"]),
            "---1- 0 b0",
        ),
    ],
)
def test_images_are_found_by_dataset_content_and_name(rows: dict[str, Any], images: pd.DataFrame, wanted: str) -> None:
    """`wanted` has a digit for each image of the run, "-" where none was found, then the changed and the unmatched ones."""
    given = pd.DataFrame({**rows, "image": [f"{name}.png" for name in rows["image"]]})
    found = match(images, read_performances(given))
    digits = "".join("-" if value != value else f"{10 * value:.0f}" for value in found.rows["performance"])
    unmatched = " ".join(f"{name}{count}" for name, count in found.unmatched.items())
    assert f"{digits} {found.changed} {unmatched}" == wanted


def test_an_image_is_changed_where_both_contents_are_known() -> None:
    both = table(dataset=["a", "a", "b"], image=["1.png", "2.png", "9.png"], content=["x", "y", "z"], performance=0.5)
    for rows, images, count in (
        (both, IMAGES, 3),
        (both.drop(columns="content"), IMAGES, 0),
        (both, IMAGES.assign(content=""), 0),
        (both, IMAGES.drop(columns="content"), 0),
        # Ready-made embeddings have no path: their contents are those of numbers.
        (both, IMAGES.assign(path=""), 0),
        (both, IMAGES.assign(path=["a/1.png", "", "", "", ""]), 1),
        (table(image=["2.png", "x.png"], content=["y", "z"], performance=0.5), IMAGES, 1),
    ):
        assert match(images, read_performances(rows)).changed == count


def test_what_cannot_be_matched_is_one_line() -> None:
    rows = table(image=["1.png", "2.png"], performance=[0.1, 0.2])
    assert (
        line(rows) == "performance: image 1.png is in a and b: add the column dataset, or call the file by its dataset's name"
    )
    assert line(rows.assign(dataset="site")) == (
        "performance of site: none of its 2 images (first: 1.png) is in the run, whose datasets are a, b (first: 1.png): "
        "name datasets (NAME=PATH) and images as the run does"
    )
    strange = table(dataset="site", image=["x.png"], content=["h1"], performance=[0.1])
    assert line(strange, images=IMAGES.assign(content=["h1", "h2", "h3", "h1", "h9"])) == (
        "performance: image x.png is in a and b: name its dataset as the run does (NAME=PATH)"
    )
    other = table(image=["2.png", "9.png"], performance=[0.2, 0.9])
    assert line([rows.assign(dataset="a"), other]) == "a/2.png has two performances: pass each image once"


def plain(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"image": ["1.png", "2.png"], "performance": [0.5, 0.7]} | columns)


def table_line(rows: pd.DataFrame) -> str:
    with pytest.raises(InputError) as caught:
        evaluations_of(rows, "t.csv")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_histograms_are_whole_numbers_and_may_be_missing() -> None:
    counts = np.arange(256.0)
    (one,) = evaluations_of(plain(histogram=[counts, None]), "t.csv")
    assert one.images["histogram"][0].dtype == np.int64
    assert one.images["histogram"][0].tolist() == list(range(256))
    assert one.images["histogram"][1] is None
    (two,) = evaluations_of(plain(histogram=[list(counts), np.nan]), "t.csv")
    assert two.images["histogram"][0].tolist() == list(range(256))
    assert two.images["histogram"][1] is None


@pytest.mark.parametrize(
    "counts",
    [[1] * 255, [1] * 257, [-1] + [1] * 255, [0.5] * 256, [np.nan] * 256, [np.inf] * 256, [{}] * 256, ["x"] * 256, [[1] * 256]],
)
def test_what_is_no_histogram_is_one_line(counts: Any) -> None:
    rows = plain()
    rows["histogram"] = pd.Series([None, counts], dtype=object)
    assert table_line(rows) == "t.csv: column histogram must hold 256 counts of pixels, or nothing"


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (plain().drop(columns="image"), "t.csv has no column image; its columns: performance: it needs image and performance"),
        (plain().rename(columns={"performance": 3}), "t.csv has no column performance; its columns: image, 3: it needs"),
        (pd.DataFrame(), "t.csv has no column image; its columns: none: it needs image and performance"),
        (plain().iloc[:0], "t.csv has no row: it needs one for each image"),
        (plain(image=["1.png", None]), "t.csv: row 2 has no image: name it"),
        (plain(image=["1.png", "1.png"]), "t.csv: image 1.png is there twice: name each row's dataset"),
        (plain(performance=[0.5, 1.01]), "t.csv: column performance must lie between 0 and 1, got '1.01 in row 2': divide"),
        (plain(foreground=[0.5, 5]), "t.csv: column foreground must lie between 0 and 1, got '5 in row 2': divide"),
        (plain(performance=[0.5, np.inf]), "t.csv: column performance must be finite, got 'infinity in row 2': leave it empty"),
        (plain(performance=["good", "bad"]), "t.csv: column performance must hold numbers (could not convert"),
        (plain(flip_agreement=["high", 0.5]), "t.csv: column flip_agreement must hold numbers (could not convert"),
    ],
)  # fmt: skip
def test_what_cannot_be_right_is_one_line(rows: pd.DataFrame, words: str) -> None:
    assert table_line(rows).startswith(words)
