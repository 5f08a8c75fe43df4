from __future__ import annotations

from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes

from howfar.figures.estimates import KINDS, OTHER, judgements
from howfar.figures.style import PAPER
from howfar.results import Relation


def across(axes: Axes) -> dict[str, list[float]]:
    return {str(line.get_label()): np.asarray(line.get_xdata(), dtype=float).tolist() for line in axes.get_lines()}


def test_errors_of_every_estimator_in_the_given_order(related: Relation) -> None:
    errors, _ = judgements(related).axes
    found = across(errors)
    for one in related.judgements:
        assert found[f"image:{one.estimator}"] == [one.mae_image]
        assert found[f"set:{one.estimator}"] == [one.mae_set]
    assert [label.get_text() for label in errors.get_yticklabels()] == [one.estimator for one in related.judgements]
    marks = {str(line.get_label()): line for line in errors.get_lines()}
    assert marks["set:atc"].get_markerfacecolor() == PAPER
    assert marks["image:atc"].get_markerfacecolor() != PAPER


def test_the_means_errors_are_upright_lines_through_its_dots(related: Relation) -> None:
    found = across(judgements(related).axes[0])
    mean = related.judgements[0]
    assert found["_mean_image"] == [mean.mae_image] * 2
    assert found["_mean_set"] == [mean.mae_set] * 2


def test_coverage_against_the_claimed_level(related: Relation) -> None:
    _, cover = judgements(related).axes
    found = across(cover)
    assert found["_level"] == [related.settings.level] * 2
    for one in related.judgements:
        assert found[one.estimator] == [one.coverage]
    low, high = cover.get_xlim()
    assert all(low < x < high for values in found.values() for x in values)


def test_undefined_coverage_is_left_out(related: Relation) -> None:
    first, *rest = related.judgements
    _, cover = judgements(replace(related, judgements=(replace(first, coverage=None), *rest))).axes
    assert first.estimator not in across(cover)


def test_kinds_have_colours_and_others_a_common_one(related: Relation) -> None:
    mine = replace(related.judgements[1], estimator="mine", kind="magic")
    figure = judgements(replace(related, judgements=(*related.judgements, mine)))
    marks = {str(line.get_label()): line for line in figure.axes[0].get_lines()}
    for one in related.judgements:
        assert marks[f"image:{one.estimator}"].get_markerfacecolor() == KINDS[one.kind].colour
    assert marks["image:mine"].get_markerfacecolor() == OTHER.colour
    assert len({kind.colour for kind in (*KINDS.values(), OTHER)}) == len(KINDS) + 1
    assert "other" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_the_estimator_in_use_is_bold(related: Relation) -> None:
    errors, _ = judgements(related).axes
    bold = [label.get_text() for label in errors.get_yticklabels() if label.get_fontweight() == "bold"]
    assert bold == ["signals"]


def test_estimators_without_any_error_are_drawn(related: Relation) -> None:
    exact = replace(related, judgements=tuple(replace(row, mae_image=0.0, mae_set=0.0) for row in related.judgements))
    assert judgements(exact).axes[0].get_xlim() == (0, 0.0108)
