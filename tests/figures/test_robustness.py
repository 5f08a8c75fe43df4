"""The figures of the study of robustness show what its tables say."""

from __future__ import annotations

from typing import Any

import pytest

from categories import write_categories, write_study
from howfar.paper.robustness_report import before_and_after, stability
from howfar.results.distance_studies import UNCHANGED, Robustness
from howfar.studies.study_file.study import study

BODY = 'primary = "campus"\nk = 1\nperturbations = ["darker", "noise", "blur"]'


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Robustness:
    folder = write_categories(tmp_path_factory.mktemp("categories"), 9)
    done: Any = study(write_study(folder, "robustness", BODY), progress=False)
    return done["robustness"]


def test_a_mark_is_a_number_of_the_table_with_its_interval(result: Robustness) -> None:
    left, right = stability(result).axes
    for axes, column in ((left, "kendall"), (right, "overlap")):
        marks = [line for line in axes.lines if str(line.get_label()) in result.perturbations]
        for line, bars in zip(marks, axes.collections, strict=True):
            rows = result.stability[result.stability["perturbation"] == line.get_label()]
            assert list(line.get_xdata()) == pytest.approx(rows[column].tolist())
            ends = [(segment[0, 0], segment[1, 0]) for segment in bars.get_segments()]
            expected = list(zip(rows[f"{column}_low"], rows[f"{column}_high"], strict=True))
            assert ends == [pytest.approx(pair) for pair in expected]
    assert [label.get_text() for label in left.get_yticklabels()] == ["pixels", "colours"]


def test_a_panel_shows_a_perturbation_beside_the_images_as_they_are(result: Robustness) -> None:
    figure = before_and_after(result, "colours")
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["darker", "noise", "blur"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == result.perturbed("colours")
    for axes, perturbation in zip(figure.axes, result.perturbations, strict=True):
        medians = {str(line.get_label()): line.get_xdata()[0] for line in axes.lines}
        for category in result.perturbed("colours"):
            for when, which in (("before", UNCHANGED), ("after", perturbation)):
                expected = result.relative_of("colours", which, category).median()
                assert medians[f"median:{when}:{category}"] == pytest.approx(expected)


def test_a_single_perturbation_has_a_single_panel(result: Robustness) -> None:
    from dataclasses import replace

    one = replace(result, perturbations={"noise": result.perturbations["noise"]})
    assert len(before_and_after(one, "pixels").axes) == 1
