from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection

from howfar.figures.performance import performance, slope_text
from howfar.figures.style import look
from howfar.results import Coefficient, Relation


def panel(relation: Relation, name: str) -> Axes:
    return next(axes for axes in performance(relation).axes if axes.get_title("left").startswith(name[:9]))


def line(axes: Axes, label: str) -> tuple[np.ndarray, np.ndarray]:
    (found,) = [one for one in axes.get_lines() if one.get_label() == label]
    return np.asarray(found.get_xdata()), np.asarray(found.get_ydata())


def points(axes: Axes, label: str) -> np.ndarray:
    (found,) = [one for one in axes.collections if isinstance(one, PathCollection) and one.get_label() == label]
    return np.asarray(found.get_offsets())


def test_one_panel_a_labelled_dataset_in_the_runs_order(related: Relation) -> None:
    titles = [axes.get_title("left") for axes in performance(related).axes]
    assert [title[:9] for title in titles] == [one.name[:9] for one in related.datasets]


def test_the_line_is_the_moving_average_and_the_marks_are_the_images(related: Relation) -> None:
    axes = panel(related, "roads_wet")
    curve = related.curves[related.curves["dataset"] == "roads_wet"]
    x, y = line(axes, "smoothed")
    np.testing.assert_array_equal(x, curve["distance"])
    np.testing.assert_array_equal(y, curve["smoothed"])
    together = np.vstack([points(axes, "images"), points(axes, "listed")])
    expected = curve[["distance", "performance"]].to_numpy()
    np.testing.assert_allclose(together[np.lexsort(together.T)], expected[np.lexsort(expected.T)])


def test_crosses_are_the_listed_images(related: Relation) -> None:
    images = related.images[(related.images["dataset"] == "roads_wet") & related.images["listed"]]
    assert len(images) == 2
    assert sorted(points(panel(related, "roads_wet"), "listed")[:, 1]) == pytest.approx(sorted(images["performance"]))


def test_an_image_of_the_same_name_in_another_set_is_not_crossed(related: Relation) -> None:
    images = related.images.copy()
    images["listed"] = (images["dataset"] == "roads_wet") & (images["image"] == "image-0003.png")
    relation = replace(related, images=images)
    assert len(points(panel(relation, "roads_wet"), "listed")) == 1
    assert len(points(panel(relation, "roads-dry"), "listed")) == 0


def test_mean_and_tau_are_levels(related: Relation) -> None:
    axes = panel(related, "roads-dry")
    assert line(axes, "mean:roads-dry")[1].tolist() == [related.datasets[0].mean] * 2
    assert line(axes, "_tau")[1].tolist() == [related.settings.tau] * 2


def test_verdict_and_slope_stand_above(related: Relation) -> None:
    one = related.datasets[0]
    assert one.trend is not None
    slope = one.trend.slope
    assert slope.value is not None
    written = [text.get_text() for text in panel(related, "roads-dry").texts]
    assert "falls with distance" in written
    assert any(text.startswith(f"slope −{abs(slope.value):.2f} [−") and text.endswith("n = 120") for text in written)


def test_panels_share_their_axes(related: Relation) -> None:
    assert len({(axes.get_xlim(), axes.get_ylim()) for axes in performance(related).axes}) == 1


def test_a_set_without_performances_says_so(sized: Callable[..., Relation]) -> None:
    axes = panel(sized(("blank", 9), ("roads", 40), blank=("blank",)), "blank")
    assert "no image has a performance" in [text.get_text() for text in axes.texts]
    assert not [one for one in axes.get_lines() if one.get_label() == "smoothed"]


def test_many_points_are_pixels_few_stand_above_the_line(sized: Callable[..., Relation]) -> None:
    relation = sized(("roads", 5000), ("three", 3))
    for name in ("roads", "three"):
        axes = panel(relation, name)
        marks = [one for one in axes.collections if one.get_label() == "images"]
        (smoothed,) = [one for one in axes.get_lines() if one.get_label() == "smoothed"]
        assert all(one.get_rasterized() for one in marks)
        assert (marks[0].get_zorder() > smoothed.get_zorder()) == (name == "three")


def test_the_legend_names_crosses_only_where_there_are_some(related: Relation) -> None:
    def legend(relation: Relation) -> list[str]:
        (found,) = performance(relation).legends
        return [text.get_text() for text in found.get_texts()]

    assert "listed as probable failure" in legend(related)
    assert "listed as probable failure" not in legend(replace(related, images=related.images.assign(listed=False)))
    assert "τ = 0.5" in legend(related)


def test_colour_is_the_datasets(related: Relation) -> None:
    (smoothed,) = [one for one in panel(related, "one").get_lines() if one.get_label() == "smoothed"]
    assert smoothed.get_color() == look(5).colour


@pytest.mark.parametrize(
    ("slope", "text"),
    [
        (Coefficient(-0.31, -0.42, -0.2), "slope −0.31 [−0.42, −0.20] · "),
        (Coefficient(0.1), "slope +0.10 · "),
        (None, ""),
    ],
)
def test_an_undefined_slope_is_left_out(slope: Coefficient | None, text: str) -> None:
    assert slope_text(slope) == text
