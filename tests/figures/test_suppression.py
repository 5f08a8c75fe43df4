"""Background images of several segmenters: false positives and their price, a row a model."""

from __future__ import annotations

import pandas as pd
import pytest
from matplotlib.axes import Axes

from howfar.paper.suppression_report import suppression
from howfar.results import Provenance
from howfar.results.segmenter_studies import Suppression


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
