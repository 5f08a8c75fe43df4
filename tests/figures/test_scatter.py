from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.colors import to_hex

from howfar.figures.distances import POINTS, scatter
from howfar.figures.style import PRIMARY, look
from howfar.results import Comparison


def test_one_panel_a_secondary_with_p_grey_and_s_coloured(six: Comparison) -> None:
    figure = scatter(six)
    assert len(figure.axes) == 6
    by_name = {str(axes.collections[1].get_label()): axes for axes in figure.axes}
    for index, dataset in enumerate(six.datasets):
        own, points = by_name[dataset.name].collections
        images = six.images[six.images["dataset"] == dataset.name]
        primary = six.primary_images[six.primary_images["against"] == dataset.name]
        np.testing.assert_allclose(np.asarray(points.get_offsets(), dtype=float), images[["pc1", "pc2"]])
        np.testing.assert_allclose(np.asarray(own.get_offsets(), dtype=float), primary[["pc1", "pc2"]])
        assert to_hex(np.asarray(points.get_facecolor())[0]) == look(index).colour
        assert to_hex(np.asarray(own.get_facecolor())[0]) == PRIMARY


def test_both_axes_have_one_unit_and_the_variance_is_stated(six: Comparison) -> None:
    for axes in scatter(six).axes:
        assert axes.get_aspect() == 1.0
        assert any("z = 5 (81 % of variance)" in text.get_text() for text in axes.texts)


def test_no_variance_is_claimed_without_a_projection(six: Comparison) -> None:
    bare = replace(six, settings=replace(six.settings, projection="none"))
    assert all("no projection" in axes.texts[0].get_text() for axes in scatter(bare).axes)


def test_large_sets_are_thinned_and_undefined_points_left_out(six: Comparison) -> None:
    name = six.datasets[0].name
    many = pd.concat([six.images[six.images["dataset"] == name]] * 100, ignore_index=True)
    many.loc[:10, "pc1"] = np.nan
    one = replace(six, datasets=six.datasets[:1], images=many)
    (axes,) = scatter(one).axes
    assert len(many) > POINTS
    assert POINTS // 2 < len(np.asarray(axes.collections[1].get_offsets())) <= POINTS
    assert np.isfinite(np.asarray(axes.collections[1].get_offsets())).all()
