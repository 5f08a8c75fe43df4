"""The violins and images of the study of scenes show what its tables say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from categories import write_categories, write_study
from howfar.paper.scenes_report import scene_images, scene_violins
from howfar.results.distance_studies import Scenes
from howfar.studies.study_file.study import study


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Scenes:
    # More than eight images, from which on they are violins.
    folder = write_categories(tmp_path_factory.mktemp("categories"), 9)
    done: Any = study(write_study(folder, "scenes", 'primaries = ["campus"]\nk = 2', "bootstrap = 0"), progress=False)
    return done["scenes"]


def test_named_categories_alone_are_shown(result: Scenes) -> None:
    named = replace(result, sets=("sky", "ocean"))
    figure = scene_violins(named, "campus")
    assert sorted(label.get_text() for label in figure.axes[0].get_yticklabels()) == ["ocean", "sky"]
    assert "The categories named" in figure.get_suptitle()


def test_an_image_that_is_gone_is_a_grey_box(result: Scenes, tmp_path: Path) -> None:
    gone = result.extremes.assign(path=str(tmp_path / "gone.jpg"))
    figure = scene_images(replace(result, extremes=gone), "campus", "closest")
    (axes,) = figure.axes
    assert not axes.images
    assert len(axes.patches) == 4
    assert sum("not found" in text.get_text() for text in axes.texts) == 4


def test_a_missing_distance_from_itself_is_no_stroke(result: Scenes) -> None:
    whole = scene_violins(result, "campus")
    figure = scene_violins(replace(result, distances=result.distances.assign(self_distance=np.nan)), "campus")
    figure.canvas.draw()
    without, with_strokes = (
        sum(
            len(points)
            for axes in each.axes
            for mark in axes.collections
            if str(mark.get_label()).startswith("own:")
            for points in mark.get_segments()
        )
        for each in (figure, whole)
    )
    assert without == 0 < with_strokes
