"""Shares of false positives on background, with intervals over photographs and trainings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from howfar.paper.adapted_models import possible_changes, shares_of
from howfar.results.adaptation_result import Adaptation
from results.test_conformance import adaptation


def made(photographs: int, seeds: tuple[int, ...] = (0, 1, 2)) -> Adaptation:
    rng = np.random.default_rng(5)
    frames = [
        pd.DataFrame(
            {
                "seed": seed,
                "model": model,
                "dataset": "plain",
                "photograph": [f"p{k}" for k in range(photographs)],
                "false_positive_share": rng.uniform(0.0, level, photographs),
            }
        )
        for seed in (*seeds, 9)
        for model, level in (("M", 0.5), ("far-7", 0.4), ("far-7-B3", 0.02))
    ]
    suppression = pd.DataFrame({"model": ["far-7", "far-7-B3"], "of": ["", "far-7"]})
    settings = {"seeds": list(seeds), "random_seeds": [9]}
    images = pd.concat(frames, ignore_index=True)
    return replace(adaptation(), background="plain", settings=settings, images=images, suppression=suppression)


def test_a_share_is_the_mean_over_images_and_seeds() -> None:
    study = made(8)
    found = {row["model"]: row for row in shares_of(study, "net", 200)}
    assert list(found) == ["M", "far-7", "far-7-B3"]
    own = study.images[(study.images["model"] == "far-7-B3") & (study.images["seed"] < 9)]
    by_seed = own.groupby("seed")["false_positive_share"].mean()
    row = found["far-7-B3"]
    assert row["share"] == pytest.approx(own["false_positive_share"].mean())
    assert (row["lowest"], row["highest"]) == (by_seed.min(), by_seed.max())
    assert row["low"] < row["share"] < row["high"]


def test_an_interval_stays_within_what_a_share_can_be() -> None:
    for row in shares_of(made(2, (0, 1)), "net", 200):
        assert 0 <= row["low"] <= row["share"] <= row["high"] <= 1


def test_one_photograph_has_no_interval() -> None:
    (row, *_) = shares_of(made(1), "net", 50)
    assert row["share"] > 0
    assert np.isnan(row["low"])
    assert np.isnan(row["high"])


def test_a_change_is_one_that_the_share_allows() -> None:
    changes = pd.DataFrame({"segmenter": "net", "model": ["far-7", "B3"], "of": ["", "far-7"], "low": -1.39, "high": 1.17})
    shares = pd.DataFrame({"segmenter": "net", "model": ["far-7", "B3"], "share": [0.25, 0.1]})
    found = possible_changes(changes, shares)
    assert found.loc[1, ["low", "high"]].tolist() == [-0.25, 0.75]
    assert np.isnan(found.loc[0, "low"])
