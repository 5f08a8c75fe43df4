"""Tables of performances: what is taken, what each dataset becomes, and one line for whatever cannot be right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from howfar.errors import InputError
from howfar.studies.performance.performance_files import evaluations_of


def table(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"image": ["1.png", "2.png"], "performance": [0.5, 0.7]} | columns)


def line(rows: pd.DataFrame) -> str:
    with pytest.raises(InputError) as caught:
        evaluations_of(rows, "t.csv")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_each_dataset_becomes_an_evaluation_in_the_tables_order() -> None:
    rows = table(dataset=["b", "a"]).set_axis([9, 9], axis=0)
    more = pd.concat([rows, pd.DataFrame({"image": ["1.png", "3.png"], "performance": [0.1, None], "dataset": "b"}).iloc[1:]])
    found = evaluations_of(more, "t.csv")
    assert [(one.dataset, one.n, one.scored) for one in found] == [("b", 2, 1), ("a", 1, 1)]
    first = found[0]
    assert (first.task, first.metric, first.threshold, first.tolerance, dict(first.scores)) == (
        "given", "performance", None, 0.0, {},
    )  # fmt: skip
    assert (first.notes, first.skipped) == ((), ())
    assert first.images["image"].tolist() == ["1.png", "3.png"]
    assert first.images.index.tolist() == [0, 1]
    assert list(first.images) == ["image", "performance", "dataset"]
    np.testing.assert_array_equal(first.images["performance"], [0.5, np.nan])


def test_a_table_without_datasets_is_of_the_dataset_without_a_name() -> None:
    for rows in (table(), table(dataset=[None, None]), table(dataset=["", np.nan])):
        (one,) = evaluations_of(rows, "t.csv")
        assert (one.dataset, one.n) == ("", 2)
        assert one.images["dataset"].tolist() == ["", ""]


def test_texts_are_texts_and_gaps_in_them_empty() -> None:
    rows = table(image=[1, 2], dataset=[7, 7], content=["h", None], prediction=[np.nan, "m.png"], path=[pd.NA, "p"])
    (one,) = evaluations_of(rows, "t.csv")
    assert one.dataset == "7"
    assert one.images["image"].tolist() == ["1", "2"]
    assert one.images["content"].tolist() == ["h", ""]
    assert one.images["prediction"].tolist() == ["", "m.png"]
    assert one.images["path"].tolist() == ["", "p"]


@pytest.mark.parametrize("values", [[0, 1], ["0", "1"], [False, True], pd.array([0, 1], "Int64"), np.array([0, 1], np.float32)])
def test_whatever_holds_numbers_is_a_performance(values: Any) -> None:
    (one,) = evaluations_of(table(performance=values), "t.csv")
    assert one.images["performance"].dtype == np.float64
    assert one.images["performance"].tolist() == [0.0, 1.0]


def test_unknown_numbers_stay_unknown() -> None:
    (one,) = evaluations_of(table(performance=[None, "0.5"], foreground=pd.array([None, 0.25], "Float64")), "t.csv")
    np.testing.assert_array_equal(one.images["performance"], [np.nan, 0.5])
    np.testing.assert_array_equal(one.images["foreground"], [np.nan, 0.25])
    assert one.scored == 1


def test_the_callers_table_is_left_as_it_was() -> None:
    rows = table(content=[None, "h"], performance=["0.5", "1"])
    before = rows.copy()
    evaluations_of(rows, "t.csv")
    pd.testing.assert_frame_equal(rows, before)


def test_histograms_are_whole_numbers_and_may_be_missing() -> None:
    counts = np.arange(256.0)
    (one,) = evaluations_of(table(histogram=[counts, None]), "t.csv")
    assert one.images["histogram"][0].dtype == np.int64
    assert one.images["histogram"][0].tolist() == list(range(256))
    assert one.images["histogram"][1] is None
    (two,) = evaluations_of(table(histogram=[list(counts), np.nan]), "t.csv")
    assert two.images["histogram"][0].tolist() == list(range(256))
    assert two.images["histogram"][1] is None


@pytest.mark.parametrize(
    "counts",
    [[1] * 255, [1] * 257, [-1] + [1] * 255, [0.5] * 256, [np.nan] * 256, [np.inf] * 256, [{}] * 256, ["x"] * 256, [[1] * 256]],
)
def test_what_is_no_histogram_is_one_line(counts: Any) -> None:
    rows = table()
    rows["histogram"] = pd.Series([None, counts], dtype=object)
    assert line(rows) == "t.csv: column histogram must hold 256 counts of pixels, or nothing"


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (table().drop(columns="image"), "t.csv has no column image; its columns: performance: it needs image and performance"),
        (table().rename(columns={"performance": 3}), "t.csv has no column performance; its columns: image, 3: it needs"),
        (pd.DataFrame(), "t.csv has no column image; its columns: none: it needs image and performance"),
        (table().iloc[:0], "t.csv has no row: it needs one for each image"),
        (table(image=["1.png", None]), "t.csv: row 2 has no image: name it"),
        (table(image=["", "2.png"]), "t.csv: row 1 has no image: name it"),
        (table(image=["1.png", "1.png"]), "t.csv: image 1.png is there twice: keep one row an image"),
        (table(performance=[0.5, 1.01]), "t.csv: column performance must lie between 0 and 1, got '1.01 in row 2': divide"),
        (table(performance=[-0.5, 71]), "t.csv: column performance must lie between 0 and 1, got '-0.5 in row 1': divide"),
        (table(foreground=[0.5, 5]), "t.csv: column foreground must lie between 0 and 1, got '5 in row 2': divide"),
        (table(performance=[0.5, np.inf]), "t.csv: column performance must be finite, got 'infinity in row 2': leave it empty"),
        (table(entropy=[-np.inf, 0.5]), "t.csv: column entropy must be finite, got 'infinity in row 1': leave it empty"),
        (table(performance=["good", "bad"]), "t.csv: column performance must hold numbers (could not convert"),
        (table(performance=[{}, 0.5]), "t.csv: column performance must hold numbers (float() argument must be"),
        (table(flip_agreement=["high", 0.5]), "t.csv: column flip_agreement must hold numbers (could not convert"),
    ],
)  # fmt: skip
def test_what_cannot_be_right_is_one_line(rows: pd.DataFrame, words: str) -> None:
    assert line(rows).startswith(words)


def test_an_image_may_be_there_once_in_each_dataset() -> None:
    rows = pd.concat([table(dataset="a"), table(dataset="b")])
    assert [one.n for one in evaluations_of(rows, "t.csv")] == [2, 2]
    assert "image 1.png is there twice" in line(pd.concat([rows, table(dataset="b")]))


def test_signals_may_be_any_number_and_unknown_columns_anything() -> None:
    (one,) = evaluations_of(table(entropy=[7.5, -2], weather=["rain", None], infinity=[np.inf, 0]), "t.csv")
    assert one.images["entropy"].tolist() == [7.5, -2.0]
    assert one.images["weather"][0] == "rain"
