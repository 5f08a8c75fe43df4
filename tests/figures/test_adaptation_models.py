from __future__ import annotations

from dataclasses import replace

import pytest

from howfar.errors import InputError
from howfar.figures.adaptation_models import (
    arms,
    by_background,
    by_shots,
    change_text,
    looks,
    scored,
    seeds_of,
    seeds_text,
    strategies,
    strategy_of,
)
from howfar.results.adaptation import Adaptation


def test_the_strategy_shown_is_the_first_that_is_not_random(study: Adaptation) -> None:
    assert strategies(study) == ["far", "random"]
    assert strategy_of(study) == "far"
    turned = replace(study, models=study.models.iloc[::-1])
    assert strategies(turned)[0] == "random"
    assert strategy_of(turned) == "far"
    assert strategy_of(study, "random") == "random"
    alone = replace(study, models=study.models[study.models["strategy"] != "far"])
    assert strategy_of(alone) == "random"
    with pytest.raises(InputError, match=r"strategy must be one of the study's \(far, random\), got 'near'"):
        strategy_of(study, "near")


def test_models_are_in_order_of_their_images_and_not_of_their_rows(study: Adaptation) -> None:
    turned = replace(study, models=study.models.iloc[::-1])
    assert by_shots(turned, "far") == ["far-1", "far-3", "far-7"]
    assert by_background(turned, "random") == ["random-7", "random-7-B3", "random-7-B7"]
    assert len(arms(study)) == 1 + 10


def test_without_background_there_is_no_such_row_of_models(bakeoff: Adaptation) -> None:
    assert by_background(bakeoff, "far") == []


def test_models_with_as_many_images_look_alike(study: Adaptation) -> None:
    found = looks(study)
    assert found["far-3"] == found["random-3"]
    assert found["far-7-B3"] == found["random-7-B3"]
    assert len({found[name].colour for name in ("M", "far-1", "far-3", "far-7", "far-7-B3", "far-7-B7")}) == 6


def test_seeds_are_those_that_all_have(study: Adaptation) -> None:
    assert seeds_of(study, ["M", "random-7"]) == [0, 1, 2, 3]
    assert seeds_of(study, ["M", "random-7", "far-7"]) == [0, 1, 2]
    apart = study.models[(study.models["model"] != "far-7") | (study.models["seed"] == 2)]
    apart = apart[(apart["model"] != "far-3") | (apart["seed"] == 0)]
    assert seeds_of(replace(study, models=apart), ["far-3", "far-7"]) == [0, 2]
    assert seeds_of(study, []) == []


def test_only_datasets_with_an_f_are_scored(study: Adaptation) -> None:
    assert scored(study) == [*study.secondaries, "blind, labelled"]


def test_seeds_and_changes_in_words() -> None:
    assert (seeds_text([0]), seeds_text([0, 1, 2])) == ("one seed", "means over 3 seeds")
    assert change_text(0.048, -0.0002, 0.1) == "+0.048 [0.000, +0.100]"
