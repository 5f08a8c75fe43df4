"""Slopes of several segmenters: pooled with an interval, and those of the datasets, on one scale."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
from matplotlib.axes import Axes

from howfar.paper.performance_by_distance_report import performance_slopes
from howfar.results import Provenance
from howfar.results.segmenter_studies import PerformanceByDistance

MODELS = ("M", "far-1", "far-7", "random-7", "far-7-B3")


def made(secondaries: tuple[str, ...] = ("site", "walls")) -> PerformanceByDistance:
    datasets = [*(["all"] if len(secondaries) > 1 else []), *secondaries]
    rows = []
    for name in ("net", "wide"):
        for place, model in enumerate(MODELS):
            for k, dataset in enumerate(datasets):
                for measure, more in (("f_ods", 0.0), ("f", 0.05)):
                    slope = -0.5 + 0.1 * place + 0.02 * k + more
                    own = {"segmenter": name, "model": model, "dataset": dataset, "measure": measure, "slope": slope}
                    rows.append({**own, "low": slope - 0.1, "high": slope + 0.1})
    return PerformanceByDistance(
        of="adaptation",
        primary="roads",
        secondaries=secondaries,
        segmenters=("net", "wide"),
        architectures=("deepcrack", "deepcrack"),
        seeds=(0,),
        adapted="far-7",
        tau=0.5,
        flat=0.15,
        strata=pd.DataFrame(),
        slopes=pd.DataFrame(rows),
        provenance=Provenance.now(),
    )


def drawn(axes: Axes) -> dict[str, list[float]]:
    return {str(line.get_label()): [float(x) for x in line.get_xdata()] for line in axes.lines}  # type: ignore[union-attr]  # numbers


def test_a_single_secondary_is_the_dot() -> None:
    found = drawn(performance_slopes(made(("site",))).axes[0])
    assert found["slope:M"] == pytest.approx([-0.5])
    assert "site:M" not in found


def test_what_has_no_slope_is_left_out() -> None:
    result = made()
    slopes = result.slopes.assign(slope=result.slopes["slope"].where(result.slopes["model"] != "far-1"))
    found = drawn(performance_slopes(replace(result, slopes=slopes)).axes[0])
    assert "slope:far-1" not in found
    assert "slope:far-7" in found
