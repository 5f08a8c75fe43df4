"""Rows of pictures of several segmenters: one image for all, chosen by rule, with the maps of each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from howfar.figures.adaptation_rows import adaptation_rows, first_seed, stand_in
from howfar.figures.pictures import grey
from howfar.results.adaptation import Adaptation, Adaptations


def sheet(study: Adaptation, folder: Path, **options: str | int) -> Axes:
    (axes,) = adaptation_rows(study, folder=folder, **options).axes  # type: ignore[arg-type]  # of two options' types
    return axes


def pictures(axes: Axes) -> dict[str, np.ndarray]:
    return {str(image.get_label()): np.asarray(image.get_array()) for image in axes.images}


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
    turned = rows(**columns).iloc[::-1]
    assert stand_in(turned, "s") == ("s", image, reason)


def test_of_an_even_number_of_equals_it_is_the_lower_by_name() -> None:
    even = rows(f=[0.5] * 5)
    even = even[even["image"] != "a"]
    assert stand_in(even, "s").image == "c"
    assert stand_in(even.iloc[::-1], "s").image == "c"


def test_photograph_truth_and_the_maps_of_each_model_stand_in_a_row(study: Adaptation, study_folder: Path) -> None:
    axes = sheet(study, study_folder)
    found = pictures(axes)
    models = ["M", "far-1", "far-3", "far-7", "far-7-B3", "far-7-B7"]
    assert [name.partition(":")[2] for name in found if name.startswith("roads:")] == ["photograph", "ground truth", *models]
    first = study.images[study.images["seed"] == 0]
    one = stand_in(first, "roads")
    row = first[(first["image"] == one.image) & (first["dataset"] == "roads")].set_index("model").loc["far-3"]
    with Image.open(study_folder / row["map"]) as picture:
        np.testing.assert_array_equal(found["roads:far-3"][..., 0], np.asarray(picture))
    with Image.open(row["mask"]) as picture:
        np.testing.assert_array_equal(found["roads:ground truth"][..., 0], np.asarray(picture))
    with Image.open(row["path"]) as picture:
        np.testing.assert_array_equal(found["roads:photograph"], np.asarray(picture))
    written = [text.get_text() for text in axes.texts]
    assert f"far-3\nF {row['f']:.2f}" in written
    assert f"{one.image} · median of F by M" in written


def test_every_dataset_has_a_row_and_those_without_masks_no_truth(study: Adaptation, study_folder: Path) -> None:
    found = pictures(sheet(study, study_folder))
    names = list(dict.fromkeys(name.partition(":")[0] for name in found))
    assert names == [*study.secondaries, "blind, labelled", "blind", "plain & empty"]
    assert "blind:ground truth" not in found
    assert "blind, labelled:ground truth" in found
    written = [text.get_text() for text in sheet(study, study_folder).texts]
    assert written.count("none") == 2
    assert sum(text.startswith("far-7-B7\nfalse ") for text in written) == 1


def test_another_strategy_may_be_asked_for(study: Adaptation, study_folder: Path) -> None:
    found = pictures(sheet(study, study_folder, strategy="random", limit=1))
    assert [name.partition(":")[2] for name in found][2:] == [
        "M", "random-1", "random-3", "random-7", "random-7-B3", "random-7-B7",
    ]  # fmt: skip


def test_pictures_are_of_the_first_seed_of_the_settings(study: Adaptation) -> None:
    assert first_seed(study) == 0
    turned = replace(study, settings={**study.settings, "seeds": (2, 0, 1)})
    assert first_seed(turned) == 2
    assert first_seed(replace(study, settings={**study.settings, "seeds": (9,)})) == 0


def test_what_cannot_be_read_is_a_box(study: Adaptation, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n")
    images = study.images.assign(path="", mask=str(broken))
    written = [text.get_text() for text in sheet(replace(study, images=images), tmp_path, limit=1).texts]
    assert written.count("no file") == 1
    assert written.count("unreadable") == 1
    assert written.count("not found") == 6


def test_a_model_that_was_not_made_in_the_seed_says_so(study: Adaptation, study_folder: Path) -> None:
    images = study.images[(study.images["model"] != "far-3") | (study.images["seed"] != 0)]
    written = [text.get_text() for text in sheet(replace(study, images=images), study_folder, limit=1).texts]
    assert written.count("not made\nin this seed") == 1


def test_thin_lines_stay_in_a_small_picture() -> None:
    values = np.zeros((400, 600), dtype=np.uint8)
    values[200] = 200
    pixels = grey(lambda: values).pixels
    assert pixels is not None
    assert pixels.shape == (96, 144, 3)
    assert np.flatnonzero(pixels.any(axis=(1, 2))).tolist() == [48]
    assert pixels[48, 0].tolist() == [200, 200, 200]


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def test_each_dataset_has_a_row_for_every_segmenter(several: Adaptations, several_folder: Path) -> None:
    figure = adaptation_rows(several, ("roads", "walls"), folder=several_folder, background=False)
    headings = [text for text in texts(figure) if " · " in text and text.partition(" · ")[0] in ("roads", "walls")]
    assert headings == [f"{dataset} · {name}" for dataset in ("roads", "walls") for name in several.models]
    # Photograph, ground truth, M, far-1, far-3, far-7.
    assert len(figure.axes[0].images) == 2 * 3 * 6


def test_rows_of_several_with_background(several: Adaptations, several_folder: Path) -> None:
    figure = adaptation_rows(several, ("blind",), folder=several_folder, background=True)
    under = {text.partition("\n")[0] for text in texts(figure)}
    assert {"far-7", "far-7-B3", "far-7-B7"} <= under
    assert not {"M", "far-1"} & under
    # A photograph and three maps; where no row has ground truth there is no column for it.
    assert "ground truth" not in under
    assert "ground truth" in texts(adaptation_rows(several, ("blind", "blind, labelled"), folder=several_folder))
    assert len(figure.axes[0].images) == 3 * 4


def test_the_image_is_in_the_middle_by_the_mean_of_all_segmenters(several: Adaptations) -> None:
    rows = several.rows("images")
    own = rows[(rows["seed"] == 0) & (rows["dataset"] == "walls")]
    mean = own[own["model"] == "M"].groupby("image")["f"].mean().sort_values()
    shown = stand_in(own, "walls")
    assert shown.image == mean.index[(len(mean) - 1) // 2]
    assert shown.reason == "median of F by M"


def test_an_image_that_one_segmenter_learnt_from_is_not_shown() -> None:
    rows = pd.DataFrame({"image": list("abcac"), "f": [0.1, 0.2, 0.3, 0.1, 0.3]})
    rows = rows.assign(model="M", dataset="site", false_positive_share=np.nan)
    assert stand_in(rows, "site").image == "a"


def test_without_f_false_positives_choose_and_without_either_the_name() -> None:
    rows = pd.DataFrame({"dataset": "plain", "image": list("abc"), "f": np.nan, "false_positive_share": [0.3, 0.1, 0.2]})
    rows = rows.assign(model="M")
    assert stand_in(rows, "plain") == ("plain", "c", "median of false positives by M")
    assert stand_in(rows.assign(dataset="new", false_positive_share=np.nan), "new") == ("new", "b", "middle by name")


def test_a_segmenter_without_the_image_has_no_row(several: Adaptations, several_folder: Path) -> None:
    first, *others = several.adaptations
    fewer = replace(first, images=first.images[first.images["dataset"] != "roads"])
    figure = adaptation_rows(Adaptations(several.models, (fewer, *others)), ("roads",), folder=several_folder)
    assert f"roads · {several.models[0]}" not in texts(figure)
    assert f"roads · {several.models[1]}" in texts(figure)


@pytest.mark.parametrize("datasets", [(), ("nowhere",)])
def test_datasets_without_images_are_told(several: Adaptations, datasets: tuple[str, ...]) -> None:
    assert "no image of these datasets" in texts(adaptation_rows(several, datasets))[0]
