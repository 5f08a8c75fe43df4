"""Figures of a pool of models: dots and lines are the table's numbers."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from believable_pool import SECONDARIES, make
from howfar.errors import InputError
from howfar.paper.pool_report import labels_curve, precision_recall_plane, rank_intervals
from howfar.results.segmenter_studies import WISHES


def lines(axes: Axes, label: str) -> list[Line2D]:
    return [one for one in axes.get_lines() if one.get_label() == label]


def test_a_dot_lies_at_recall_and_precision_of_m_and_of_the_most_images() -> None:
    pool = make()
    scores = pool.scores.set_index(["model", "shots", "dataset"])
    for axes, shots in zip(precision_recall_plane(pool).axes, (0, 7), strict=True):
        for model in pool.models:
            for dataset in SECONDARIES:
                (dot,) = lines(axes, f"{model}:{dataset}")
                row = scores.loc[(model, shots, dataset)]
                assert (dot.get_xdata()[0], dot.get_ydata()[0]) == (row["recall"], row["precision"])
        assert len(lines(axes, "_interval")) == 2 * 9


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


@pytest.mark.parametrize("noise", [0.01, 0.15])
def test_ranks_and_their_intervals_are_the_rankings(noise: float) -> None:
    pool = make(noise=noise)
    figure = rank_intervals(pool)
    assert len(figure.axes) == len(WISHES)
    for axes, wish in zip(figure.axes, WISHES, strict=True):
        rows = pool.ranking(wish).set_index("model")
        intervals = [line.get_xdata() for line in lines(axes, "_interval")]
        for place, model in enumerate(pool.models):
            (dot,) = lines(axes, model)
            assert (dot.get_xdata()[0], dot.get_ydata()[0]) == (rows.loc[model, "rank"], place)
            assert list(intervals[place]) == [rows.loc[model, "rank_low"], rows.loc[model, "rank_high"]]
        assert axes.get_title(loc="left") == wish


def test_a_single_wish_and_weights_have_their_own_panels() -> None:
    assert len(rank_intervals(make(wishes=("recall",))).axes) == 1
    assert len(rank_intervals(make(weights={"recall": 2.0, "fast": 1.0})).axes) == 3


def test_lines_of_mean_f_are_the_scores_and_the_level_is_marked() -> None:
    pool = make(level=0.4)
    figure = labels_curve(pool)
    for axes, dataset in zip(figure.axes, SECONDARIES, strict=True):
        for model in pool.models:
            (line,) = lines(axes, model)
            rows = pool.scores[(pool.scores["model"] == model) & (pool.scores["dataset"] == dataset)]
            assert list(line.get_ydata()) == rows["mean_f"].tolist()
        (level,) = lines(axes, "_level")
        assert set(level.get_ydata()) == {0.4}
        assert [text.get_text() for text in axes.get_xticklabels()] == ["0", "1", "3", "7"]
    assert "The first 1 of 3 datasets are shown." in labels_curve(pool, limit=1).get_suptitle()
