"""Background images of several segmenters: false positives and their price, a row a model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

from howfar.figures.adaptation_gains import adaptation_suppression, by_seed
from howfar.paper.suppression_report import suppression
from howfar.results import Provenance
from howfar.results.adaptation import Adaptation
from howfar.results.segmenter_studies import Suppression


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
    assert x(right, "cost:far-7-B7") == [row["cost"]]
    assert x(right, "interval:cost:far-7-B7") == [row["cost_low"], row["cost_high"]]
    assert not [one for one in right.get_lines() if one.get_label() in ("cost:far-7", "cost:M")]


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


def made() -> Suppression:
    shares, changes = [], []
    for k, name in enumerate(("net", "wide")):
        for place, model in enumerate(("M", "far-7", "far-7-B3")):
            share = 0.03 - 0.01 * place + 0.1 * k
            ends = {"low": share - 0.005, "high": share + 0.005, "lowest": share, "highest": share}
            shares.append({"segmenter": name, "model": model, "share": share, **ends})
        blank = dict.fromkeys(("change", "low", "high", "cost", "cost_low", "cost_high"), float("nan"))
        changes.append({"segmenter": name, "model": "far-7", "of": "", **blank})
        cost = {"change": -0.01, "low": -0.02, "high": 0.0, "cost": -0.02 - k, "cost_low": -0.03 - k, "cost_high": 0.01 - k}
        changes.append({"segmenter": name, "model": "far-7-B3", "of": "far-7", **cost})
    return Suppression(
        of="adaptation",
        primary="roads",
        secondaries=("site",),
        background="pl$in",
        segmenters=("net", "wide"),
        architectures=("deepcrack", "deepcrack"),
        seeds=(0,),
        left=1,
        shares=pd.DataFrame(shares),
        changes=pd.DataFrame(changes),
        provenance=Provenance.now(),
    )


def drawn(axes: Axes) -> dict[str, list[float]]:
    return {str(line.get_label()): [float(x) for x in line.get_xdata()] for line in axes.lines}  # type: ignore[union-attr]  # numbers


def test_left_are_shares_right_is_the_cost() -> None:
    figure = suppression(made())
    left, right = map(drawn, figure.axes)
    assert left["net:far-7-B3"] == pytest.approx([0.01])
    assert left["interval:wide:M"] == pytest.approx([0.125, 0.135])
    assert right["cost:wide:far-7-B3"] == pytest.approx([-1.02])
    assert right["interval:cost:net:far-7-B3"] == pytest.approx([-0.03, 0.01])
    assert "cost:net:far-7" not in right


def test_rows_are_named_by_segmenter_and_model() -> None:
    figure = suppression(made())
    figure.draw_without_rendering()
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == [f"{name} · {model}" for name in ("net", "wide") for model in ("M", "far-7", "far-7-B3")]
    assert "on 1 image of pl$in that no model learnt from" in figure.get_suptitle()
