from __future__ import annotations

from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes

from howfar.figures import registration
from howfar.figures.style import PAPER
from howfar.paper.near_and_far_parts import parts
from howfar.results import DistancePart, Relation


def values(axes: Axes, row: int, kind: str) -> list[float]:
    """The marks of one row from the nearest part to the farthest."""
    shift = -1 if kind == "common" else 1
    (line,) = [
        one
        for one in axes.get_lines()
        if one.get_label() == f"{kind}:line" and 0 < shift * (float(np.asarray(one.get_ydata())[0]) - row) < 0.5
    ]
    return [float(x) for x in np.asarray(line.get_xdata())]


def test_rows_hold_both_kinds_of_performance_near_to_far(related: Relation) -> None:
    halves, thirds = parts(related).axes
    for row, one in enumerate(related.datasets[:4]):
        for axes, cut in ((halves, one.halves), (thirds, one.thirds)):
            assert values(axes, row, "common") == [part.performance_common for part in cut]
            assert values(axes, row, "retuned") == [part.performance for part in cut]


def test_filled_is_common_and_hollow_re_tuned(related: Relation) -> None:
    halves, _ = parts(related).axes
    marks = [line for line in halves.get_lines() if str(line.get_label()).endswith((":0", ":far"))]
    for mark in marks:
        assert (mark.get_markerfacecolor() == PAPER) == str(mark.get_label()).startswith("retuned")


def test_the_arrow_points_the_way_that_performance_goes(related: Relation) -> None:
    for near, far, head in ((0.8, 0.4, "<"), (0.4, 0.8, ">")):
        halves = tuple(DistancePart("", 5, None, None, value, value, 0.2, 0.1) for value in (near, far))
        one = replace(related.datasets[0], halves=halves, thirds=())
        axes, _ = parts(replace(related, datasets=(one,))).axes
        (arrow,) = [line for line in axes.get_lines() if line.get_label() == "common:far"]
        assert arrow.get_marker() == head
        assert np.asarray(arrow.get_xdata()).tolist() == [far]
        assert f"{near:.2f} → {far:.2f}" in [text.get_text() for text in axes.texts]


def test_a_task_without_thresholds_is_drawn_once(related: Relation) -> None:
    def plain(cut: tuple[DistancePart, ...]) -> tuple[DistancePart, ...]:
        return tuple(replace(part, performance=part.performance_common, threshold=None) for part in cut)

    same = tuple(replace(one, halves=plain(one.halves), thirds=plain(one.thirds)) for one in related.datasets)
    figure = parts(replace(related, datasets=same))
    labels = {str(line.get_label()) for axes in figure.axes for line in axes.get_lines()}
    assert not any(label.startswith("retuned") for label in labels)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["nearest part", "farthest part"]
    described = registration("parts", parts).caption
    assert "threshold" not in f"{described(replace(related, datasets=same))}"
    assert "hollow" in described(related).text


def test_a_single_part_is_a_dot_without_an_arrow(related: Relation) -> None:
    one = related.datasets[-1]
    assert one.halves[0].performance_common is None
    axes, _ = parts(replace(related, datasets=(one,))).axes
    assert not [line for line in axes.get_lines() if line.get_label() == "common:far"]
    assert "–" in [text.get_text() for text in axes.texts]
