from __future__ import annotations

from dataclasses import replace

import pytest

from howfar.report import performance as report_performance
from howfar.report.performance import SLICES
from howfar.results import Comparison
from howfar.results.slices import DistanceSlice, PerformanceSlice


def far(value: str, p_value: float | None, difference: float | None = 0.5, *, small: bool = False) -> DistanceSlice:
    return DistanceSlice("roads-dry", "camera", value, 20, 3.1, 1.5, (1.4, 1.6), 0.25, difference, p_value, p_value, small)


def scored(value: str, p_value: float, difference: float) -> PerformanceSlice:
    ci = (0.4, 0.6)
    return PerformanceSlice("roads-dry", "camera", value, 20, 18, 12, 0.5, ci, 0.55, 3, difference, p_value, p_value, False)


@pytest.mark.parametrize(
    ("distance", "performance", "expected"),
    [
        ([far("A", 0.01)], [], "camera = A of roads-dry lies farther than the rest of its dataset."),
        ([far("A", 0.01), far("", 0.02)], [], "camera = A of roads-dry and camera = (empty) of roads-dry lie farther"),
        ([far("A", 0.2), far("B", 0.01, -0.5)], [], "No slice is shown to lie farther than the rest of its dataset."),
        ([far("A", None, None, small=True)], [], "No slice is shown to lie farther"),
        ([], [scored("A", 0.01, -0.2)], "camera = A of roads-dry does worse than the rest of its dataset."),
        ([], [scored("A", 0.01, 0.2)], "No slice is shown to do worse than the rest of its dataset."),
    ],
)
def test_the_lead_names_what_is_clearly_worse(
    distance: list[DistanceSlice], performance: list[PerformanceSlice], expected: str
) -> None:
    assert report_performance.slice_lead(distance, performance).startswith(expected)


def test_the_table_sorts_by_its_numbers(six: Comparison) -> None:
    name = six.datasets[0].name
    slices = tuple(replace(each, dataset=name) for each in (far("A", 0.01), far("B", None, None, small=True)))
    first, small = report_performance.slice_distance(replace(six, slices=slices)).rows
    assert [cell.text for cell in first] == ["camera = A", name, "20", "1.500 [1.400, 1.600]", "25 %", "+0.500", "0.010"]
    assert [cell.sort for cell in first[2:]] == [20, 1.5, 0.25, 0.5, 0.01]
    assert small[-1].text == "too small"


def test_there_is_no_section_without_slices(six: Comparison) -> None:
    assert SLICES.content(six, None) is None
    content = SLICES.content(replace(six, slices=(replace(far("A", 0.01, small=True), dataset=six.datasets[0].name),)), None)
    assert content is not None
    assert content["small_distance"].startswith("1 of 1 slices has fewer than 10 images")
    assert content["performance"] is None
