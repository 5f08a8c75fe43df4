from __future__ import annotations

from dataclasses import replace

import pytest

from howfar import registry
from howfar.figures import Caption, registration
from howfar.figures.adaptation_models import change_text
from howfar.results.adaptation import Adaptation


def caption(name: str, adaptation: Adaptation) -> Caption:
    name = f"adaptation_{name}"
    return registration(name, registry.load("adaptation_figures", name)).caption(adaptation)


@pytest.mark.parametrize("name", [name.removeprefix("adaptation_") for name in registry.OURS["adaptation_figures"]])
def test_every_figure_has_a_heading_a_text_and_an_alternative(name: str, study: Adaptation) -> None:
    found = caption(name, study)
    assert found.title
    assert found.text.endswith(".")
    assert found.alternative.endswith(".")


def test_alternatives_hold_the_numbers(study: Adaptation) -> None:
    row = study.gains[(study.gains["model"] == "far-7") & (study.gains["dataset"] == "all")].iloc[0]
    assert f"far-7 {change_text(row['gain'], row['low'], row['high'])}" in caption("gains", study).alternative
    scores = study.scores[study.scores["dataset"].isin(study.secondaries) & (study.scores["seed"] < 3)]
    mean = scores[scores["model"] == "far-7"].groupby("seed")["ods"].mean().mean()
    assert f"far-7 {mean:.3f}" in caption("bars", study).alternative
    assert "far-7-B7 0." in caption("bars_background", study).alternative
    assert "M 5." in caption("suppression", study).alternative


@pytest.mark.parametrize("name", ["bars", "curves", "bars_background", "curves_background"])
def test_figures_of_the_paper_say_whose_f_they_show_and_why(name: str, study: Adaptation) -> None:
    text = caption(name, study).text
    assert "as section 3.3 of the paper measures, so that it can be held beside the paper's figure" in text
    assert "That threshold looks at the dataset's labels" in text


def test_curves_of_an_earlier_version_say_that_they_are_not_the_papers(study: Adaptation) -> None:
    old = replace(study, images=study.images.drop(columns="f_ods"))
    assert "F is at the model's own threshold, and not at the dataset's best as in the paper" in caption("curves", old).text


def test_random_is_spoken_of_where_it_is_drawn(study: Adaptation) -> None:
    assert "Hollow, on grey: random." in caption("gains", study).text
    assert "Hollow: as many images drawn at random." in caption("bars", study).text
    alone = replace(study, models=study.models[study.models["strategy"] != "random"])
    assert "random" not in caption("gains", alone).text
    assert "random" not in caption("bars", alone).text


def test_the_rule_of_the_pictures_is_stated(study: Adaptation) -> None:
    text = caption("rows", study).text
    for part in ("chosen by rule", "median of M's F", "median of M's false positives", "middle one by name", "seed 0"):
        assert part in text
