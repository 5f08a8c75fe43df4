from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.axes import Axes

from howfar.figures.adaptation_gains import adaptation_suppression, by_seed
from howfar.results.adaptation import Adaptation


def x(axes: Axes, label: str) -> list[float]:
    (found,) = [one for one in axes.get_lines() if one.get_label() == label]
    return [float(value) for value in np.asarray(found.get_xdata())]


def shares(study: Adaptation, model: str) -> list[float]:
    """Of the seeds that all models have, by the scores of the background."""
    rows = study.scores[(study.scores["model"] == model) & (study.scores["dataset"] == study.background)]
    return [float(one) for one in rows[rows["seed"] < 3]["false_positive_share"]]


def test_seeds_and_their_mean(study: Adaptation) -> None:
    left, _ = adaptation_suppression(study).axes
    for model in ("M", "far-7", "random-7-B3"):
        assert x(left, f"seeds:{model}") == pytest.approx(shares(study, model))
        assert x(left, model) == pytest.approx([np.mean(shares(study, model))])


def test_cost_stands_beside_with_its_interval(study: Adaptation) -> None:
    _, right = adaptation_suppression(study).axes
    row = study.suppression.set_index("model").loc["far-7-B7"]
    assert x(right, "far-7-B7") == [row["cost"]]
    assert x(right, "interval:far-7-B7") == [row["cost_low"], row["cost_high"]]
    assert not [one for one in right.get_lines() if one.get_label() in ("far-7", "M")]


def test_m_comes_first_then_each_strategy_without_and_with(study: Adaptation) -> None:
    labels = [label.get_text() for label in adaptation_suppression(study).axes[0].get_yticklabels()]
    assert labels == ["M", *(f"{name}-7{more}" for name in ("far", "random") for more in ("", "-B3", "-B7"))]


def test_one_seed_has_no_dots_of_its_own(study: Adaptation) -> None:
    one = replace(study, models=study.models[study.models["seed"] == 0])
    left, _ = adaptation_suppression(one).axes
    assert not [line for line in left.get_lines() if str(line.get_label()).startswith("seeds:")]
    assert x(left, "far-7") == pytest.approx(shares(study, "far-7")[:1])


def test_images_of_the_secondaries_do_not_count(study: Adaptation) -> None:
    images = study.images.copy()
    images.loc[images["dataset"] == "roads", "false_positive_share"] = 0.9
    changed = by_seed(replace(study, images=images), ["M"])
    np.testing.assert_array_equal(changed, by_seed(study, ["M"]))


def test_without_background_it_says_so(bakeoff: Adaptation) -> None:
    (axes,) = adaptation_suppression(bakeoff).axes
    assert "no model learnt from background images" in axes.texts[0].get_text()
