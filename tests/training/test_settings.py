"""Settings: the segmenter's own, what the caller changes, and one line for what breaks a rule."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from howfar.errors import HowfarError, InputError
from howfar.segmenters import segmenter_family
from howfar.training.training_settings import settings_for
from worlds.hub import go_offline, put_into_cache


@pytest.mark.parametrize("name", ["unetplusplus", "deepcrack", "adsam", "frozen"])
def test_what_is_not_given_is_the_segmenters_own(name: str) -> None:
    family = segmenter_family(name)
    found = settings_for(family, rate=None, seed=None)
    for field in ("size", "epochs", "batch", "loss", "schedule", "rate", "decay"):
        assert getattr(found, field) == getattr(family.training, field), field
    assert (found.augment, found.holdout, found.patience, found.keep, found.precision, found.seed) == (
        True, 0.1, None, "best", "32", 0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"size": 100}, "size must be a multiple of 32 for deepcrack, got 100: pass 96 or 128"),
        ({"rate": float("inf")}, "rate must"),
        ({"epoch": None}, "did you mean epochs?"),
        ({"patience": 3, "holdout": 0}, "patience needs held-out photographs to judge by, and holdout is 0, got 3: hold"),
        ({"loss": "dicee"}, "no losses named 'dicee'"),
        ({"steps": 2, "epochs": 3}, "steps must be at least 1 in each of the 3 epochs, got 2: pass 3, or fewer epochs"),
        ({"balance": 0.5, "batch": 1}, "balance needs a batch of at least two images, got 1: pass batch=2 or more"),
        ({"rescale": 0.4, "augment": False}, "rescale is a kind of augmentation, and augment is off, got 0.4"),
    ],
)
def test_what_breaks_a_rule_is_one_line(given: dict[str, Any], words: str) -> None:
    with pytest.raises(HowfarError) as caught:
        settings_for(segmenter_family("deepcrack"), **given)
    assert "\n" not in str(caught.value)
    assert words in str(caught.value)


# Of a network that takes one side alone


def base(folder: Path, config: str) -> dict[str, Any]:
    (folder / "config.json").write_text(config)
    return {"base": str(folder)}


def test_the_options_tell_the_size(tmp_path: Path) -> None:
    adsam = segmenter_family("adsam")
    options = base(tmp_path, '{"model_type": "sam", "vision_config": {"image_size": 64}}')
    assert settings_for(adsam, options).size == settings_for(adsam, options, size=64).size == 64
    assert settings_for(adsam, {}).size == 1024
    line = r"size must be 64, the one side that adsam takes with its options, got 128: pass 64, or options of another side"
    with pytest.raises(InputError, match=line):
        settings_for(adsam, options, size=128)
    for given in ({}, {"base": "facebook/sam-vit-huge"}):
        with pytest.raises(InputError, match="size must be 1024, the one side"):
            settings_for(adsam, given, size=512)
    # UNet++ and DeepCrack take any.
    assert settings_for(segmenter_family("deepcrack"), {"width": 4}, size=64).size == 64


def test_a_base_in_the_hubs_cache_tells_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.json").write_text('{"vision_config": {"image_size": 96}}')
    put_into_cache(go_offline(monkeypatch, tmp_path / "cache"), "owner/sam", tmp_path)
    assert settings_for(segmenter_family("adsam"), {"base": "owner/sam"}).size == 96
    with pytest.raises(InputError, match="size must be 96"):
        settings_for(segmenter_family("adsam"), {"base": "owner/sam"}, size=64)
