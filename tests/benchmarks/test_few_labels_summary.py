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


@pytest.mark.parametrize(("own", "forgets"), [(0.78, False), (0.70, True)])
def test_forgetting_is_held_against_what_trainings_differ_by(own, forgets, summary):
    spread = 0.8 - 0.2 / 2**0.5, 0.8  # a standard deviation of 0.1
    rows = frame(models(*spread), cell("tune", 7, "a", 1, 0, 0.5, own), cell("tune", 7, "b", 1, 0, 0.5, own))
    limit = frame(models(0.8 - 0.05 / 2**0.5, 0.8), cell("tune", 7, "a", 1, 0, 0.5, own))
    assert not next(row for row in summary.ways(rows) if row["way"] == "tune")["forgets"]
    assert next(row for row in summary.ways(limit) if row["way"] == "tune")["forgets"] is forgets


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
