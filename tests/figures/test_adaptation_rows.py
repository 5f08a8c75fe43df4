"""Rows of pictures of one or several segmenters: one image for all, chosen by rule, with the maps of each."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from howfar.figures.adaptation_pictures import adaptation_rows, stand_in
from howfar.results.adaptation_result import Adaptation

MODELS = ["M", "far-1", "far-3", "far-7", "far-7-B3", "far-7-B7"]


def drawn(*given: Any, **options: Any) -> tuple[dict[str, np.ndarray], list[str]]:
    """The pictures of a figure by their labels, and its texts."""
    (axes,) = adaptation_rows(*given, **options).axes
    pictures = {str(image.get_label()): np.asarray(image.get_array()) for image in axes.images}
    return pictures, [text.get_text() for text in axes.texts]


def rows(**columns: list[float | None]) -> pd.DataFrame:
    names = list("edcba")
    blank = {"f": [None] * 5, "false_positive_share": [None] * 5}
    frame = pd.DataFrame({"model": "M", "dataset": "s", "image": names, **blank, **columns})
    other = frame.assign(model="far-7", f=[0.0, 1.0, 0.0, 0.0, 0.0])
    return pd.concat([other, frame, frame.assign(dataset="t", f=0.5)], ignore_index=True)


@pytest.mark.parametrize(
    ("columns", "image", "reason"),
    [
        ({"f": [0.1, 0.9, 0.5, 0.8, 0.2]}, "c", "median of F by M"),
        ({"f": [0.1, None, 0.5, 0.8, 0.2]}, "a", "median of F by M"),
        ({"f": [0.5] * 5}, "c", "median of F by M"),
        ({"false_positive_share": [0.0, 0.3, 0.2, 0.1, 0.4]}, "c", "median of false positives by M"),
        ({"f": [None, None, 0.3, None, None], "false_positive_share": [0.1, 0.2, None, 0.4, 0.5]}, "c", "median of F by M"),
        ({}, "c", "middle by name"),
    ],
)
def test_the_image_is_chosen_by_rule(columns: dict[str, list[float | None]], image: str, reason: str) -> None:
    assert stand_in(rows(**columns), "s") == ("s", image, reason)
    assert stand_in(rows(**columns).iloc[::-1], "s") == ("s", image, reason)


def test_photograph_truth_and_the_maps_of_each_model_stand_in_a_row(study: Adaptation, study_folder: Path) -> None:
    found, written = drawn(study, folder=study_folder)
    assert [name.partition(":")[2] for name in found if name.startswith("roads:")] == ["photograph", "ground truth", *MODELS]
    first = study.images[study.images["seed"] == 0]
    one = stand_in(first, "roads")
    row = first[(first["image"] == one.image) & (first["dataset"] == "roads")].set_index("model").loc["far-3"]
    for label, file in (("far-3", study_folder / row["map"]), ("ground truth", row["mask"]), ("photograph", row["path"])):
        with Image.open(file) as picture:
            pixels = np.asarray(picture.convert("RGB"))
        np.testing.assert_array_equal(found[f"roads:{label}"], pixels)
    assert f"far-3\nF {row['f']:.2f}" in written
    assert f"{one.image} · median of F by M" in written
    names = list(dict.fromkeys(name.partition(":")[0] for name in found))
    assert names == [*study.secondaries, "blind, labelled", "blind", "plain & empty"]
    assert "blind:ground truth" not in found
    assert "blind, labelled:ground truth" in found
    assert written.count("none") == 2
    assert sum(text.startswith("far-7-B7\nfalse ") for text in written) == 1
    other, _ = drawn(study, folder=study_folder, strategy="random", limit=1)
    assert [name.partition(":")[2] for name in other][2:] == [name.replace("far", "random") for name in MODELS]


def test_what_cannot_be_read_or_was_not_made_is_a_box(study: Adaptation, study_folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n")
    images = study.images.assign(path="", mask=str(broken))
    _, written = drawn(replace(study, images=images), folder=tmp_path, limit=1)
    assert [written.count(reason) for reason in ("no file", "unreadable", "not found")] == [1, 1, 6]
    fewer = study.images[(study.images["model"] != "far-3") | (study.images["seed"] != 0)]
    _, written = drawn(replace(study, images=fewer), folder=study_folder, limit=1)
    assert written.count("not made\nin this seed") == 1
