"""Files of boxes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from howfar.data.boxes import boxes_in, read_document
from howfar.errors import InputError, MissingPathError


def read(tmp_path: Path, document: Any) -> dict[str, dict[str, Any]]:
    file = tmp_path / "boxes.json"
    file.write_text(json.dumps(document))
    return boxes_in(read_document(file, "predictions"), file, "predictions")


def test_labels_are_texts_and_all_of_one_class_where_there_are_none(tmp_path: Path) -> None:
    box = [0, 0, 4, 4.5]
    found = read(
        tmp_path,
        [{"image": "1.jpg", "boxes": [box, box], "labels": ["car", 7], "scores": [1, 0.5]}, {"image": "2.jpg", "boxes": [box]}],
    )
    assert found == {
        "1.jpg": {"boxes": [box, box], "labels": ["car", "7"], "scores": [1, 0.5]},
        "2.jpg": {"boxes": [box], "labels": ["0"]},
    }


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"images": []}, "must hold a list with one object an image"),
        ([], "must hold a list"),
        ([{"image": "1.jpg"}], "entry 1 lacks image or boxes"),
        ([{"image": "1.jpg", "boxes": []}, [1, 2]], "entry 2 lacks image or boxes"),
        ([{"image": 1, "boxes": []}], "entry 1 lacks image or boxes"),
        ([{"image": "1.jpg", "boxes": [], "labels": "car"}], "entry 1 (1.jpg) must have a list of names or numbers as labels"),
        ([{"image": "1.jpg", "boxes": []}] * 2, "image 1.jpg is there twice"),
    ],
)
def test_other_forms_are_refused(tmp_path: Path, document: Any, words: str) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, document)
    assert words in str(caught.value)


def test_no_json_at_all(tmp_path: Path) -> None:
    with pytest.raises(MissingPathError, match="no file of true boxes at"):
        read_document(tmp_path / "boxes.json", "true boxes")
    (tmp_path / "boxes.json").write_text("text")
    with pytest.raises(InputError, match="is not readable JSON"):
        read_document(tmp_path / "boxes.json", "predictions")
