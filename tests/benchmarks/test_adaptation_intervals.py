"""The intervals of an earlier study by today's rule: the split of a variance is undone exactly where photographs were many."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from howfar.studies.adaptation.gains import LEVEL, Component, half_width, pooled
from worlds.scripts import script

MEANS = {"M": (0.2, 0.3, 0.25), "far-1": (0.31, 0.28, 0.35), "random-1": (0.3, 0.52, 0.3)}


@pytest.fixture(scope="module")
def summary() -> ModuleType:
    return script("benchmarks/adaptation_intervals.py")


def test_the_ends_are_those_of_the_parts_that_were_put_together(summary):
    photographs = 0.0004
    rows = [
        {"seed": seed, "model": model, "dataset": "site", "mean_f": f}
        for model, values in MEANS.items()
        for seed, f in enumerate(values)
    ]
    spreads = {}
    for arm in ("far-1", "random-1"):
        seeds = np.subtract(MEANS[arm], MEANS["M"])
        spreads[arm] = (float(seeds.mean()), [Component(photographs, 0), Component(float(seeds.var(ddof=1)) / 3, 2)])
    over = np.subtract(MEANS["far-1"], MEANS["random-1"])
    rival = (float(over.mean()), [Component(photographs, 0), Component(float(over.var(ddof=1)) / 3, 2)])
    gains = []
    for arm, (mean, parts) in spreads.items():
        half = half_width(parts, LEVEL)
        row = {"model": arm, "dataset": "site", "gain": mean, "low": mean - half, "high": mean + half, "over_random": None}
        gains.append(row)
    half = half_width(rival[1], LEVEL)
    gains[0] |= {"over_random": rival[0], "over_random_low": rival[0] - half, "over_random_high": rival[0] + half}
    models = [{"model": model, "shots": 0 if model == "M" else 1} for model in MEANS]
    found = summary.by_pooled_trainings({"models": models, "scores": rows, "gains": gains})
    for row, spread in zip(found, pooled(list(spreads.values())), strict=True):
        assert spread is not None
        half = half_width(spread[1], LEVEL)
        assert (row["low"], row["high"]) == pytest.approx((spread[0] - half, spread[0] + half), abs=1e-6)
    # A single comparison has nothing to pool: its interval stays what it was.
    assert (found[0]["over_random_low"], found[0]["over_random_high"]) == pytest.approx(
        (rival[0] - half_width(rival[1], LEVEL), rival[0] + half_width(rival[1], LEVEL)), abs=1e-6
    )
    assert found[0]["below_random"] is bool(rival[0] + half_width(rival[1], LEVEL) < 0)


def test_of_two_variances_that_explain_an_interval_the_one_like_the_others_is_taken(summary):
    seeds = Component(0.0016, 2)
    few, many = summary.explained(half_width([Component(0.0002, 0), seeds], LEVEL), seeds)
    assert few == pytest.approx(0.0002, rel=1e-3)
    assert summary.explained(half_width([Component(many, 0), seeds], LEVEL), seeds)[0] == pytest.approx(few, rel=1e-3)
    assert summary.photographs([[0.0003], [few, many], [0.0001]]) == [0.0003, few, 0.0001]
    assert summary.photographs([[many], [few, many], [many]]) == [many, many, many]


def test_an_interval_that_is_too_short_for_its_seeds_leaves_nothing_for_photographs(summary):
    seeds = summary.of_seeds(pd.Series([0.1, 0.2, 0.3]))
    assert summary.explained(half_width([seeds], LEVEL) / 2, seeds) == []
    assert summary.photographs([[]]) == [0.0]
