from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes

from howfar.figures.estimates import estimates
from howfar.results import Relation


def across(axes: Axes) -> dict[str, list[float]]:
    return {str(line.get_label()): np.asarray(line.get_xdata(), dtype=float).tolist() for line in axes.get_lines()}


def test_estimate_interval_and_measured_value_of_each_set(related: Relation) -> None:
    found = across(estimates(related).axes[0])
    for one in related.estimates:
        assert found[one.dataset] == [one.predicted]
        assert found[f"ci:{one.dataset}"] == [one.low, one.high]
        if one.measured is None:
            assert f"measured:{one.dataset}" not in found
        else:
            assert found[f"measured:{one.dataset}"] == [one.measured]
    assert sum(one.measured is None for one in related.estimates) == 1


def test_the_plane_holds_the_labelled_sets_alone(related: Relation) -> None:
    plane = estimates(related).axes[1]
    dots = [
        (float(np.asarray(line.get_xdata())[0]), float(np.asarray(line.get_ydata())[0]))
        for line in plane.get_lines()
        if line.get_label() == "_at"
    ]
    assert dots == [(one.measured, one.predicted) for one in related.estimates if one.measured is not None]
    assert across(plane)["_diagonal"] == [0.0, 1.0]


def test_without_two_labelled_sets_there_is_no_plane(related: Relation) -> None:
    kept = tuple(one for one in related.estimates if one.measured is None or one.dataset == "one")
    figure = estimates(replace(related, estimates=kept))
    assert len(figure.axes) == 1


def test_another_estimator_is_named_beside_its_row(related: Relation) -> None:
    first, *rest = related.estimates
    texts = [
        text.get_text()
        for text in estimates(replace(related, estimates=(replace(first, estimator="mean"), *rest))).axes[0].texts
    ]
    assert sum(text.endswith("\nby mean") for text in texts) == 1
    assert not any("\nby" in text.get_text() for text in estimates(related).axes[0].texts)


def test_numbers_and_level_at_the_right(sized: Callable[..., Relation]) -> None:
    relation = sized(("a", 40), ("b", 40), ("new", 30), unlabelled=("new",))
    one = relation.estimates[2]
    texts = [text.get_text() for text in estimates(relation).axes[0].texts]
    assert f"{one.predicted:.2f} [{one.low:.2f}, {one.high:.2f}]  67 %" in texts
