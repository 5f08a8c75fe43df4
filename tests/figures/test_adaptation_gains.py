from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from howfar import registry
from howfar.figures.adaptation_gains import adaptation_gains, sorted_gains
from howfar.figures.adaptation_models import change_text
from howfar.figures.style import PAPER
from howfar.results.adaptation import Adaptation


def line(axes: Axes, label: str) -> Line2D:
    (found,) = [one for one in axes.get_lines() if one.get_label() == label]
    return found


def pooled(study: Adaptation, model: str) -> dict[str, float]:
    rows = study.gains[(study.gains["model"] == model) & (study.gains["dataset"] == "all")]
    return dict(rows.iloc[0])


def test_as_many_images_stand_together_and_the_largest_gain_first(study: Adaptation, bakeoff: Adaptation) -> None:
    for adaptation in (study, bakeoff):
        found = sorted_gains(adaptation)
        kinds = list(zip(found["background"] > 0, found["shots"], found["background"], strict=True))
        assert kinds == sorted(kinds)
        for _, rows in found.groupby(["shots", "background"]):
            assert rows["gain"].is_monotonic_decreasing
    assert len(sorted_gains(bakeoff)) == 1 + len(registry.names("strategies"))
    assert list(sorted_gains(bakeoff)["model"].iloc[:2]) == ["norm", "far-7"]


def test_dots_and_intervals_are_the_pooled_gains(study: Adaptation) -> None:
    left, right = adaptation_gains(study).axes
    for axes, columns in ((left, ("gain", "low", "high")), (right, ("over_random", "over_random_low", "over_random_high"))):
        value, low, high = (pooled(study, "far-3")[name] for name in columns)
        assert np.asarray(line(axes, "far-3").get_xdata()).tolist() == [value]
        assert np.asarray(line(axes, "interval:far-3").get_xdata()).tolist() == [low, high]
        assert change_text(value, low, high) in [text.get_text() for text in axes.texts]
    assert not [one for one in right.get_lines() if one.get_label() == "random-3"]


def test_random_is_marked(study: Adaptation) -> None:
    left, _ = adaptation_gains(study).axes
    hollow, filled = line(left, "random-7"), line(left, "far-7")
    assert (hollow.get_markerfacecolor(), hollow.get_marker()) == (PAPER, "D")
    assert (filled.get_markerfacecolor(), filled.get_marker()) == (filled.get_markeredgecolor(), "o")
    place = float(np.asarray(hollow.get_ydata())[0])
    bands = [patch.get_extents().transformed(left.transData.inverted()) for patch in left.patches]
    assert sum(band.y0 < place < band.y1 or band.y1 < place < band.y0 for band in bands) == 1
    assert len(bands) == 5


@pytest.mark.parametrize("column", ["beats_random", "below_random"])
def test_names_are_bold_where_the_corrected_interval_excludes_0(column: str, study: Adaptation) -> None:
    gains = study.gains.assign(beats_random=False, below_random=False)
    gains[column] = gains["model"] == "far-7"
    labels = adaptation_gains(replace(study, gains=gains)).axes[0].get_yticklabels()
    assert [label.get_text() for label in labels if label.get_fontweight() == "bold"] == ["far-7"]


def test_without_random_there_is_one_panel(study: Adaptation) -> None:
    gains = study.gains.assign(over_random=np.nan, beats_random=None, below_random=None)
    assert len(adaptation_gains(replace(study, gains=gains)).axes) == 1
