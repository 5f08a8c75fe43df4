"""Tables of predicted classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from howfar.data.classes import ClassPredictions, read_classes
from howfar.data.documents import read_tabular
from howfar.errors import InputError, MissingPathError


def read(tmp_path: Path, text: str) -> ClassPredictions:
    (tmp_path / "p.csv").write_text(text, encoding="utf-8")
    return read_classes(tmp_path / "p.csv")


def test_probabilities(tmp_path: Path) -> None:
    found = read(tmp_path, "\ufeffimage, dry ,NA\n1.jpg,0.9,0.1\n2.jpg,0.2,0.8\n3.jpg,,0.8\n")
    assert (found.images, found.classes) == (("1.jpg", "2.jpg", "3.jpg"), ("dry", "NA"))
    assert found.predicted == ("dry", "NA", "")
    assert np.array_equal(found.confidence, [0.9, 0.8, np.nan], equal_nan=True)
    assert np.array_equal(found.probabilities, [[0.9, 0.1], [0.2, 0.8], [np.nan, 0.8]], equal_nan=True)


def test_predicted_classes_with_and_without_confidence(tmp_path: Path) -> None:
    found = read(tmp_path, "image,predicted,confidence,other\nNA,null,0.5,x\n2.jpg,,,y\n")
    assert (found.images, found.classes, found.predicted) == (("NA", "2.jpg"), ("null",), ("null", ""))
    assert found.probabilities is None
    assert np.array_equal(found.confidence, [0.5, np.nan], equal_nan=True)
    assert np.isnan(read(tmp_path, "image,predicted\n1.jpg,wet\n").confidence).all()


def test_parquet(tmp_path: Path) -> None:
    pd.DataFrame({"image": ["1.jpg"], "0": [0.25], "1": [0.75]}).to_parquet(tmp_path / "p.parquet")
    found = read_classes(tmp_path / "p.parquet")
    assert (found.classes, found.predicted, found.confidence.tolist()) == (("0", "1"), ("1",), [0.75])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name,dry,wet\n1.jpg,0.5,0.5\n", "has 1 rows and the columns name, dry, wet: it needs rows with the column image"),
        ("image\n1.jpg\n", "has 1 rows and the columns image"),
        ("image,dry,wet\n", "has 0 rows"),
        ("image,dry,wet\n1.jpg,0.5,0.5\n,1,0\n", "row 2 has no image"),
        ("image,dry,wet\n1.jpg,0.5,0.5\n1.jpg,1,0\n", "image 1.jpg is there twice"),
        ("image,dry\n1.jpg,0.5\n", "has probabilities of one class only (dry)"),
        ("image,dry,wet\n1.jpg,high,low\n", "column dry must hold numbers"),
        ("image,predicted,confidence\n1.jpg,dry,97\n", "column confidence must lie in 0-1"),
    ],
)
def test_what_is_no_such_table(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, text)
    assert words in str(caught.value)


def test_no_table_at_all(tmp_path: Path) -> None:
    with pytest.raises(MissingPathError, match="no table of predictions at"):
        read_classes(tmp_path / "p.csv")
    (tmp_path / "p.parquet").write_text("text")
    with pytest.raises(InputError, match="is not a readable table"):
        read_classes(tmp_path / "p.parquet")


def test_rows_that_end_with_a_comma_are_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("image,label\n1.jpg,wet,\n2.jpg,dry,\n")
    with pytest.raises(InputError, match="its rows have more cells than its header"):
        read_tabular(tmp_path / "t.csv")
