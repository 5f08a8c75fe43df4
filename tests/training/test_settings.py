"""Settings: the segmenter's own, what the caller changes, and one line for what breaks a rule."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from howfar.errors import InputError, UnknownNameError
from howfar.segmenters import recipe_of
from howfar.training.settings import settings_for


@pytest.mark.parametrize("name", ["unetplusplus", "deepcrack", "adsam"])
def test_what_is_not_given_is_the_segmenters_own(name: str) -> None:
    recipe = recipe_of(name)
    found = settings_for(recipe, rate=None, seed=None)
    for field in ("size", "epochs", "batch", "loss", "schedule", "rate", "decay"):
        assert getattr(found, field) == getattr(recipe.training, field), field
    assert (found.augment, found.holdout, found.patience, found.keep, found.precision, found.seed) == (
        True, 0.1, None, "best", "32", 0,
    )  # fmt: skip


def test_what_is_given_is_kept() -> None:
    given = {
        "size": 64, "epochs": 3, "batch": 2, "loss": "dice", "schedule": "poly", "rate": 0.5, "decay": 0.0, "augment": False,
        "holdout": 0.0, "patience": 4, "keep": "last", "precision": "bf16", "seed": 7,
    }  # fmt: skip
    assert settings_for(recipe_of("deepcrack"), **given).model_dump() == given


def test_nothing_is_changed_later() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        settings_for(recipe_of("deepcrack")).size = 64


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"size": 100}, ["size must be a multiple of 32 for deepcrack, got 100: pass 96 or 128"]),
        ({"size": 20}, ["size must be a multiple of 32 for deepcrack, got 20: pass 32"]),
        ({"size": 0}, ["size is refused", "greater than 0"]),
        ({"epochs": 0}, ["epochs is refused", "greater than 0", "got 0"]),
        ({"epochs": 1.5}, ["epochs is refused"]),
        ({"batch": -1}, ["batch is refused"]),
        ({"rate": 0.0}, ["rate is refused"]),
        ({"rate": float("inf")}, ["rate is refused"]),
        ({"rate": float("nan")}, ["rate is refused"]),
        ({"decay": -1e-9}, ["decay is refused"]),
        ({"holdout": 1.0}, ["holdout is refused", "less than 1"]),
        ({"holdout": float("nan")}, ["holdout is refused"]),
        ({"patience": 0}, ["patience is refused"]),
        ({"keep": "first"}, ["keep is refused", "'best' or 'last'"]),
        ({"precision": "16"}, ["precision is refused", "'32' or 'bf16'"]),
        ({"seed": -1}, ["seed is refused"]),
        ({"seed": 2**32}, ["seed is refused"]),
        ({"epoch": 3}, ["epoch is refused"]),
    ],
)
def test_what_breaks_a_rule_is_one_line(given: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        settings_for(recipe_of("deepcrack"), **given)
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_unknown_losses_and_schedules() -> None:
    with pytest.raises(UnknownNameError, match="dicee"):
        settings_for(recipe_of("deepcrack"), loss="dicee")
    with pytest.raises(UnknownNameError, match="cosin"):
        settings_for(recipe_of("deepcrack"), schedule="cosin")
