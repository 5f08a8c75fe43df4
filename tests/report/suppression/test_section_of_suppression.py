"""The section of suppression: shares and their price for every segmenter, and figs 13 to 17."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from howfar.paper.suppression import SUPPRESSION, SuppressionSettings
from howfar.paper.suppression_report import lead, limits, section
from howfar.report.section import Context, FigurePart
from howfar.results.segmenter_studies import Adaptations, Suppression


@pytest.fixture(scope="module")
def result(several: Adaptations) -> Suppression:
    inputs = SimpleNamespace(results={"gain": several})
    made = SUPPRESSION.run(SuppressionSettings(of="gain", bootstrap=40), inputs)
    assert isinstance(made, Suppression)
    return made


def test_figures_carry_the_papers_numbers(result: Suppression, run_folder: Path) -> None:
    made = section(result, Context(run_folder / "suppression"))
    labels = {part.name: part.label for part in made.parts if isinstance(part, FigurePart)}
    assert labels == {
        "shares": "",
        "rows": "Figure 13",
        "curves-unetplusplus": "Figure 15",
        "curves-deepcrack": "Figure 14",
        "curves-adsam, 1024 px": "Figure 16",
        "bars": "Figure 17",
    }


def changed(result: Suppression, **values: float) -> Suppression:
    with_background = result.changes["of"] != ""
    return replace(
        result, changes=result.changes.assign(**{k: result.changes[k].where(~with_background, v) for k, v in values.items()})
    )


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"low": -0.1, "high": 0.1}, "did not provably change false positives"),
        ({"low": 0.1, "high": 0.2}, "raised false positives"),
        ({"low": np.nan, "high": np.nan}, "changed false positives by an amount without an interval"),
        ({"cost_low": -0.1, "cost_high": 0.1}, "with no provable cost in mean F"),
        ({"cost_low": 0.1, "cost_high": 0.2}, "with a rise of mean F"),
        ({"cost": np.nan}, "what that cost was not measured"),
    ],
)
def test_words_follow_the_intervals(result: Suppression, values: dict[str, float], told: str) -> None:
    assert told in lead(changed(result, **values))


def test_one_seed_is_no_verdict(result: Suppression) -> None:
    alone = replace(result, seeds=(0,))
    assert "With one seed that may be a difference of two trainings." in lead(alone)
    unclear = changed(alone, low=-1.0, high=1.0, cost_low=-1.0, cost_high=1.0)
    assert "With one seed" not in lead(unclear)
    assert "With one seed" not in lead(result)


def test_one_image_left_is_told(result: Suppression) -> None:
    assert "on 1 image of" in limits(replace(result, left=1))[0]
    assert "no interval" in limits(replace(result, left=1))[0]
    assert "no interval" not in limits(result)[0]
