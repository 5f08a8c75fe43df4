"""Figures of a pool of models: dots and lines are the table's numbers."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from believable_pool import SECONDARIES, make
from howfar.errors import InputError
from howfar.paper.pool_report import precision_recall_plane


def lines(axes: Axes, label: str) -> list[Line2D]:
    return [one for one in axes.get_lines() if one.get_label() == label]


def test_along_a_grey_curve_f_is_the_same() -> None:
    left, _ = precision_recall_plane(make()).axes
    for curve, f in zip(lines(left, "_f"), (0.2, 0.4, 0.6, 0.8), strict=True):
        recall, precision = np.asarray(curve.get_xdata()), np.asarray(curve.get_ydata())
        assert np.allclose(2 * precision * recall / (precision + recall), f)


def test_further_datasets_are_said_to_be_left_out() -> None:
    figure = precision_recall_plane(make(), limit=2)
    assert "The first 2 of 3 datasets are shown." in figure.get_suptitle()
    assert not lines(figure.axes[0], f"adsam:{SECONDARIES[2]}")
    with pytest.raises(InputError, match="limit"):
        precision_recall_plane(make(), limit=0)


def test_what_has_no_precision_has_no_dot() -> None:
    pool = make()
    pool.scores.loc[pool.scores["model"] == "adsam", "precision"] = np.nan
    assert not lines(precision_recall_plane(pool).axes[0], "adsam:site")
