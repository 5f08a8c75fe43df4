"""Rows of pictures of several segmenters: one image for all, chosen by rule, with the maps of each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure

from howfar.figures.adaptation_rows import adaptation_rows, stand_in
from howfar.results.adaptation import Adaptations


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def test_each_dataset_has_a_row_for_every_segmenter(several: Adaptations, several_folder: Path) -> None:
    figure = adaptation_rows(several, ("roads", "walls"), folder=several_folder)
    headings = [text for text in texts(figure) if " · " in text and text.partition(" · ")[0] in ("roads", "walls")]
    assert headings == [f"{dataset} · {name}" for dataset in ("roads", "walls") for name in several.models]
    # Photograph, ground truth, M, far-1, far-3, far-7.
    assert len(figure.axes[0].images) == 2 * 3 * 6


def test_background_shows_m7_and_those_with_background(several: Adaptations, several_folder: Path) -> None:
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
    rows = pd.DataFrame(
        {"model": "M", "image": ["a", "b", "c", "a", "c"], "f": [0.1, 0.2, 0.3, 0.1, 0.3], "false_positive_share": float("nan")}
    )
    assert stand_in(rows, "site").image == "a"


def test_without_f_false_positives_choose_and_without_either_the_name() -> None:
    rows = pd.DataFrame({"model": "M", "image": ["a", "b", "c"], "f": float("nan"), "false_positive_share": [0.3, 0.1, 0.2]})
    assert stand_in(rows, "plain") == ("plain", "c", "median of false positives by M")
    assert stand_in(rows.assign(false_positive_share=float("nan")), "new") == ("new", "b", "middle by name")


def test_a_segmenter_without_the_image_has_no_row(several: Adaptations, several_folder: Path) -> None:
    first, *others = several.adaptations
    fewer = replace(first, images=first.images[first.images["dataset"] != "roads"])
    figure = adaptation_rows(Adaptations(several.models, (fewer, *others)), ("roads",), folder=several_folder)
    assert f"roads · {several.models[0]}" not in texts(figure)
    assert f"roads · {several.models[1]}" in texts(figure)


@pytest.mark.parametrize("datasets", [(), ("nowhere",)])
def test_datasets_without_images_are_told(several: Adaptations, datasets: tuple[str, ...]) -> None:
    assert "no image of these datasets" in texts(adaptation_rows(several, datasets))[0]
