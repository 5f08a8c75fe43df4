"""The violins and images of the study of scenes show what its tables say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_hex

from categories import write_categories, write_study
from howfar.paper.scenes_report import CLOSEST, FARTHEST, scene_images, scene_violins
from howfar.results.distance_studies import Scenes
from howfar.studies.study_file.study import study


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Scenes:
    # More than eight images, from which on they are violins.
    folder = write_categories(tmp_path_factory.mktemp("categories"), 9)
    done: Any = study(write_study(folder, "scenes", 'primaries = ["campus"]\nk = 2', "bootstrap = 0"), progress=False)
    return done["scenes"]


def test_a_panel_shows_the_closest_above_the_farthest(result: Scenes) -> None:
    figure = scene_violins(result, "campus")
    assert len(figure.axes) == 2
    for axes, backbone in zip(figure.axes, result.names(), strict=True):
        order = result.order("campus", backbone)
        assert [label.get_text() for label in axes.get_yticklabels()] == order
        assert axes.get_title(loc="left") == backbone
        shapes = {
            str(shape.get_label()): to_hex(shape.get_facecolor()[0][:3])
            for shape in axes.collections
            if len(shape.get_facecolor())
        }
        assert [shapes[name] for name in order] == [CLOSEST, CLOSEST, FARTHEST, FARTHEST]
        rows = result.measured("campus", backbone).set_index("dataset")
        for line in axes.lines:
            label = str(line.get_label())
            if label.startswith("median:"):
                median = result.distances_of("campus", backbone, label.removeprefix("median:")).median()
                assert line.get_xdata()[0] == pytest.approx(median)
        strokes = [shape for shape in axes.collections if str(shape.get_label()).startswith("own:")]
        for stroke in strokes:
            name = str(stroke.get_label()).removeprefix("own:")
            assert stroke.get_segments()[0][0, 0] == pytest.approx(rows.loc[name, "self_distance"])
        assert len(strokes) == 4


def test_named_categories_alone_are_shown(result: Scenes) -> None:
    named = replace(result, sets=("sky", "ocean"))
    figure = scene_violins(named, "campus")
    assert sorted(label.get_text() for label in figure.axes[0].get_yticklabels()) == ["ocean", "sky"]
    assert "The categories named" in figure.get_suptitle()


@pytest.mark.parametrize("end", ["closest", "farthest"])
def test_images_stand_in_the_order_of_their_distances(result: Scenes, end: Any) -> None:
    figure = scene_images(result, "campus", end)
    (axes,) = figure.axes
    names = [str(image.get_label()) for image in axes.images]
    expected = [name for backbone in result.names() for name in result.at_the_end("campus", backbone, end)["image"]]
    assert names == expected
    words = [text.get_text() for text in axes.texts]
    found = result.at_the_end("campus", "pixels", end)
    assert words[0] == "pixels"
    assert words[1::2][:2] == list(found["dataset"])
    assert words[2].endswith(f" · {found['rank'].iloc[0]}")
    distances = found["i_dist_mean"].tolist()
    assert distances == sorted(distances, reverse=end == "farthest")


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
