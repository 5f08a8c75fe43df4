"""The summary of few labels: draws count within their training and site, rivals on the same draws, and forgetting."""

from types import ModuleType
from typing import Any

import pandas as pd
import pytest

from worlds.scripts import script


@pytest.fixture(scope="module")
def summary() -> ModuleType:
    return script("benchmarks/few_labels_summary.py")


def cell(
    way: str, labels: int, site: str, seed: int, draw: int, f: float, own: float = 0.8, tiled: bool = False
) -> list[dict[str, Any]]:
    """Score two images of the site and one of P, all alike."""
    common = {"model": "net", "seed": seed, "site": site, "draw": draw, "way": way, "labels": labels, "tiled": tiled}
    common |= {"ground": "roads", "seconds": 1.0, "threshold": 0.5}
    scores = [("site", site, "1", f), ("site", site, "2", f), ("P", "P", "3", own)]
    return [
        {**common, "of": of, "dataset": dataset, "image": image, "photograph": image}
        | dict.fromkeys(("f", "f_share", "f_otsu", "ods"), score)
        for of, dataset, image, score in scores
    ]


def frame(*cells: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame([row for rows in cells for row in rows])


def models(*owns: float) -> list[dict[str, Any]]:
    return [row for seed, own in enumerate(owns) for site in "ab" for row in cell("M", 0, site, seed, 0, 0.3, own)]


def test_a_site_of_two_draws_counts_no_more_than_one_of_one(summary):
    rows = frame(
        models(0.8), cell("tune", 7, "a", 0, 0, 0.5), cell("tune", 7, "a", 0, 1, 0.7), cell("tune", 7, "b", 0, 0, 0.3, 0.7)
    )
    tuned = next(row for row in summary.ways(rows) if row["way"] == "tune")
    assert tuned["ODS"] == pytest.approx((0.6 + 0.3) / 2)
    assert tuned["gain of ODS"] == {"mean": 0.15, "worst": 0.0}
    assert tuned["P's held-out ODS"] == {"mean": -0.05, "worst": -0.1}
    spread = tuned["spread between draws"]
    assert spread == {"deviation": 0.1414, "degrees of freedom": 1, "sites of trainings": 1, "trainings": 1}


@pytest.mark.parametrize(("own", "forgets"), [(0.78, False), (0.70, True)])
def test_forgetting_is_held_against_what_trainings_differ_by(own, forgets, summary):
    spread = 0.8 - 0.2 / 2**0.5, 0.8  # a standard deviation of 0.1
    rows = frame(models(*spread), cell("tune", 7, "a", 1, 0, 0.5, own), cell("tune", 7, "b", 1, 0, 0.5, own))
    limit = frame(models(0.8 - 0.05 / 2**0.5, 0.8), cell("tune", 7, "a", 1, 0, 0.5, own))
    assert not next(row for row in summary.ways(rows) if row["way"] == "tune")["forgets"]
    assert next(row for row in summary.ways(limit) if row["way"] == "tune")["forgets"] is forgets


def test_of_one_training_nothing_is_said_of_forgetting(summary):
    rows = frame(models(0.8), cell("tune", 7, "a", 0, 0, 0.5, 0.1))
    assert summary.spread_of_model(rows) is None
    assert next(row for row in summary.ways(rows) if row["way"] == "tune")["forgets"] is None


def test_rivals_are_compared_on_draws_that_both_have(summary):
    rows = frame(
        models(0.8),
        *(cell("good", 7, site, 0, 0, 0.6) for site in "ab"),
        *(cell("bad", 7, site, 0, 0, 0.4) for site in "ab"),
        *(cell("retrain", 7, site, 0, draw, 0.5 if draw == 0 else 0.9) for site in "ab" for draw in (0, 1)),
    )
    found = summary.chosen_on_other_sites(rows)
    assert found["chosen"] == {"a": "good", "b": "good"}
    assert found["over 7 labels: retrain"]["cells"] == 2
    assert found["over 7 labels: retrain"]["mean F"]["mean"] == pytest.approx(0.1)


def test_the_way_is_chosen_of_those_measured_everywhere_and_compared_over_all_its_draws(summary):
    rows = frame(
        models(0.8),
        *(cell("retrain", 7, site, 0, 0, 0.5) for site in "ab"),
        *(cell("good", 7, site, 0, draw, 0.6 - draw / 10, tiled=True) for site in "ab" for draw in (0, 1)),
        *(cell("good", 7, site, 0, 0, 0.4) for site in "ab"),
        cell("elsewhere", 7, "a", 0, 0, 0.9),
        *(cell("finetune", 14, site, 0, draw, 0.4) for site in "ab" for draw in (0, 1)),
    )
    found = summary.chosen_on_other_sites(rows)
    assert found["candidates"] == ["good", "good, by tiles", "retrain"]
    assert found["chosen"] == {"a": "good, by tiles", "b": "good, by tiles"}
    assert found["over 14 labels: finetune"]["cells"] == 4
    assert found["over 14 labels: finetune"]["mean F"]["mean"] == pytest.approx(0.15)


def test_of_one_site_nothing_can_be_chosen_on_others(summary):
    assert summary.chosen_on_other_sites(frame(models(0.8), cell("retrain", 7, "a", 0, 0, 0.5))) == {}


def test_what_other_draws_would_give_is_told_over_trainings_with_every_draw(summary):
    of_draw = {0: 0.1, 1: 0.2, 2: 0.3}
    good = [cell("good", 7, site, 0, draw, 0.4 + gain) for site in "ab" for draw, gain in of_draw.items()]
    rows = frame(
        *good, *(cell("tune", 14, site, 0, draw, 0.4) for site in "ab" for draw in of_draw), *(cell("good", 7, "a", 1, 0, 0.9),)
    )
    picked, rival = summary.condition(rows, ("good", 7, False)), summary.condition(rows, ("tune", 14, False))
    found = summary.over_draws(rival, picked)
    assert found["by draw"] == [0.1, 0.2, 0.3]
    assert found["trainings"] == 1
    half = 4.302653 * 0.1 / 3**0.5  # Student's t of two degrees of freedom
    assert found["mean F"] == {"mean": 0.2, "low": round(0.2 - half, 4), "high": round(0.2 + half, 4)}
    first = summary.within(picked, summary.cells_of(picked[picked["draw"] == 0], summary.CELL))
    assert summary.over_draws(rival, first) is None
