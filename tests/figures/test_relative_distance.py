from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
from matplotlib.axes import Axes

from howfar.figures.distances import UNDEFINED, relative
from howfar.results import Comparison


def axes_of(comparison: Comparison) -> Axes:
    (axes,) = relative(comparison).axes
    return axes


def across(axes: Axes) -> dict[str, list[float]]:
    return {str(line.get_label()): [float(x) for x in np.asarray(line.get_xdata())] for line in axes.get_lines()}


def test_dots_intervals_and_the_line_at_one(six: Comparison) -> None:
    found = across(axes_of(six))
    assert found["_one"] == [1.0, 1.0]
    for dataset in six.datasets:
        assert found[dataset.name] == [dataset.relative]
        if dataset.relative_ci is None:
            assert f"ci:{dataset.name}" not in found
        else:
            assert found[f"ci:{dataset.name}"] == list(dataset.relative_ci)


def test_trivial_backbones_stand_in_the_row_of_their_dataset(six: Comparison) -> None:
    axes = axes_of(six)
    rows = {str(line.get_label()): float(np.asarray(line.get_ydata())[0]) for line in axes.get_lines()}
    names = [dataset.name for dataset in six.datasets]
    for backbone in ("pixels", "colour_moments"):
        (line,) = [line for line in axes.get_lines() if line.get_label() == backbone]
        points = {float(y): float(x) for x, y in zip(np.asarray(line.get_xdata()), np.asarray(line.get_ydata()), strict=True)}
        expected = {rows[b.dataset]: b.relative for b in six.baselines if b.backbone == backbone}
        assert points == expected
    assert len(points) == len(names)


def test_everything_drawn_is_inside_the_axis(six: Comparison) -> None:
    axes = axes_of(six)
    low, high = axes.get_xlim()
    assert all(low < x < high for values in across(axes).values() for x in values)


def test_numbers_are_written_beside(six: Comparison) -> None:
    texts = [text.get_text() for text in axes_of(six).texts]
    low, high = six.datasets[0].relative_ci or (0.0, 0.0)
    assert f"{six.datasets[0].relative:.2f} [{low:.2f}, {high:.2f}]" in texts
    assert f"{six.datasets[5].relative:.2f}" in texts


@pytest.mark.parametrize(("largest", "scale"), [(7.0, "linear"), (9.0, "log")])
def test_a_wide_span_is_logarithmic(largest: float, scale: str, six: Comparison) -> None:
    near = replace(six.datasets[0], relative=1.0, relative_ci=None)
    far = replace(six.datasets[1], relative=largest, relative_ci=None)
    assert axes_of(replace(six, datasets=(near, far), baselines=())).get_xscale() == scale


def test_undefined_is_said(six: Comparison, believable: ModuleType) -> None:
    figure = relative(believable.without_yardstick(six))
    assert UNDEFINED in [text.get_text() for text in figure.axes[0].texts]
    assert not figure.legends


def test_one_undefined_among_others_is_a_dash(six: Comparison) -> None:
    datasets = (replace(six.datasets[0], relative=None, relative_ci=None), *six.datasets[1:])
    axes = axes_of(replace(six, datasets=datasets))
    assert "–" in [text.get_text() for text in axes.texts]
    assert "roads-dry" not in across(axes)
