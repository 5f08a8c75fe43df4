from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
from matplotlib.lines import Line2D

from howfar.figures.distances import min_max, sorted_distances
from howfar.figures.style import look
from howfar.results import Comparison


def lines(comparison: Comparison, panel: int) -> dict[str, Line2D]:
    return {str(line.get_label()): line for line in sorted_distances(comparison).axes[panel].get_lines()}


def test_left_panel_holds_the_scaled_distances_in_order(six: Comparison) -> None:
    found = lines(six, 0)
    for dataset in six.datasets:
        if dataset.name.startswith("a <b>"):
            continue
        expected = np.sort(six.images.loc[six.images["dataset"] == dataset.name, "i_dist_scaled"])
        np.testing.assert_allclose(np.asarray(found[dataset.name].get_ydata()), expected)
        share = np.asarray(found[dataset.name].get_xdata())
        assert (share[0], share[-1]) == ((0.5, 0.5) if dataset.n == 1 else (0.0, 1.0))


def test_right_panel_is_over_ps_own_distance(six: Comparison) -> None:
    found = lines(six, 1)
    dataset = six.datasets[0]
    values = np.sort(six.images.loc[six.images["dataset"] == dataset.name, "i_dist_mean"])
    np.testing.assert_allclose(np.asarray(found[dataset.name].get_ydata()), values / dataset.self_distance)
    assert list(np.asarray(found["_one"].get_ydata())) == [1.0, 1.0]


def test_p_itself_is_a_grey_curve_whose_mean_is_one(six: Comparison) -> None:
    own = np.asarray(lines(six, 1)["training & <set> itself"].get_ydata())
    assert own.mean() == pytest.approx(1.0, abs=0.02)
    assert np.all(np.diff(own) >= 0)
    assert np.asarray(lines(six, 0)["training & <set> itself"].get_ydata())[-1] == pytest.approx(1.0)


def test_without_a_yardstick_the_right_panel_is_raw(six: Comparison, believable: ModuleType) -> None:
    bare = believable.without_yardstick(six)
    found = lines(bare, 1)
    assert "_one" not in found
    assert "training & <set> itself" not in found
    values = np.sort(six.images.loc[six.images["dataset"] == "roads-dry", "i_dist_mean"])
    np.testing.assert_allclose(np.asarray(found["roads-dry"].get_ydata()), values)
    assert sorted_distances(bare).axes[1].get_ylabel() == "mean distance to the images of P"


def test_colour_and_legend(six: Comparison) -> None:
    assert lines(six, 0)["street photographs"].get_color() == look(4).colour
    (legend,) = sorted_distances(six).legends
    assert len(legend.get_texts()) == 7


@pytest.mark.parametrize(("values", "scaled"), [([2.0, 3.0, 6.0], [0.0, 0.25, 1.0]), ([4.0, 4.0], [0.0, 0.0])])
def test_equal_distances_are_scaled_to_nothing(values: list[float], scaled: list[float]) -> None:
    assert min_max(np.array(values)).tolist() == scaled
