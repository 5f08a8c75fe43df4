"""Settings: the segmenter's own, what the caller changes, and one line for what breaks a rule."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from howfar.errors import InputError, UnknownNameError
from howfar.segmenters import segmenter_family
from howfar.training.settings import settings_for


@pytest.mark.parametrize("name", ["unetplusplus", "deepcrack", "adsam", "frozen"])
def test_what_is_not_given_is_the_segmenters_own(name: str) -> None:
    family = segmenter_family(name)
    found = settings_for(family, rate=None, seed=None)
    for field in ("size", "epochs", "batch", "loss", "schedule", "rate", "decay"):
        assert getattr(found, field) == getattr(family.training, field), field
    assert (found.augment, found.holdout, found.patience, found.keep, found.precision, found.seed) == (
        True, 0.1, None, "best", "32", 0,
    )  # fmt: skip


@pytest.mark.parametrize(("augment", "rescale"), [(False, 0.0), (True, 0.4)])
def test_what_is_given_is_kept(augment: bool, rescale: float) -> None:
    given = {
        "size": 64, "epochs": 3, "batch": 2, "loss": "dice", "schedule": "poly", "rate": 0.5, "decay": 0.0, "augment": augment,
        "holdout": 0.2, "patience": 4, "keep": "last", "precision": "bf16", "seed": 7,
        "steps": 12, "balance": 0.5, "rescale": rescale, "tune": "norm",
    }  # fmt: skip
    assert settings_for(segmenter_family("deepcrack"), **given).model_dump() == given


def test_nothing_is_changed_later() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        settings_for(segmenter_family("deepcrack")).size = 64


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"size": 100}, ["size must be a multiple of 32 for deepcrack, got 100: pass 96 or 128"]),
        ({"size": 20}, ["size must be a multiple of 32 for deepcrack, got 20: pass 32"]),
        ({"size": 0}, ["size must", "above 0"]),
        ({"epochs": 0}, ["epochs must", "above 0", "got 0"]),
        ({"epochs": 1.5}, ["epochs must"]),
        ({"batch": -1}, ["batch must"]),
        ({"rate": 0.0}, ["rate must"]),
        ({"rate": float("inf")}, ["rate must"]),
        ({"rate": float("nan")}, ["rate must"]),
        ({"decay": -1e-9}, ["decay must"]),
        ({"holdout": 1.0}, ["holdout must", "below 1"]),
        ({"holdout": float("nan")}, ["holdout must"]),
        ({"patience": 0}, ["patience must"]),
        ({"keep": "first"}, ["keep must", "best or last"]),
        ({"precision": "16"}, ["precision must", "32 or bf16"]),
        ({"seed": -1}, ["seed must"]),
        ({"seed": 2**32}, ["seed must"]),
        ({"epoch": 3}, ["option must be a known one, got 'epoch': did you mean epochs?"]),
        ({"epoch": None}, ["did you mean epochs?"]),
        ({"zzz": 3}, ["option must be a known one, got 'zzz': the options are size, epochs, batch, loss,"]),
        ({"patience": 3, "holdout": 0}, ["patience needs held-out photographs to judge by, and holdout is 0, got 3: hold"]),
    ],
)
def test_what_breaks_a_rule_is_one_line(given: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        settings_for(segmenter_family("deepcrack"), **given)
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_unknown_losses_and_schedules() -> None:
    with pytest.raises(UnknownNameError, match="dicee"):
        settings_for(segmenter_family("deepcrack"), loss="dicee")
    with pytest.raises(UnknownNameError, match="cosin"):
        settings_for(segmenter_family("deepcrack"), schedule="cosin")


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


@pytest.mark.parametrize(
    "config", ["{", "[]", "{}", '{"vision_config": 3}', '{"vision_config": {"image_size": "64"}}', '{"vision_config": null}']
)
def test_where_the_options_do_not_tell_the_rule_of_the_patches_stays(config: str, tmp_path: Path) -> None:
    options = base(tmp_path, config)
    assert settings_for(segmenter_family("adsam"), options, size=128).size == 128
    with pytest.raises(InputError, match="size must be a multiple of 16 for adsam, got 100: pass 96 or 112"):
        settings_for(segmenter_family("adsam"), options, size=100)
    for absent in ("/no/such", "owner/other"):
        assert settings_for(segmenter_family("adsam"), {"base": absent}, size=128).size == 128


def test_a_configuration_that_leaves_the_side_out_has_the_usual_one(tmp_path: Path) -> None:
    assert settings_for(segmenter_family("adsam"), base(tmp_path, '{"vision_config": {}}'), size=1024).size == 1024
    with pytest.raises(InputError, match="size must be 1024"):
        settings_for(segmenter_family("adsam"), base(tmp_path, '{"vision_config": {}}'), size=64)


def test_a_base_in_the_hubs_cache_tells_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    revision = "0" * 40
    snapshot = tmp_path / "models--owner--sam" / "snapshots" / revision
    (tmp_path / "models--owner--sam" / "refs").mkdir(parents=True)
    (tmp_path / "models--owner--sam" / "refs" / "main").write_text(revision)
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text('{"vision_config": {"image_size": 96}}')
    assert settings_for(segmenter_family("adsam"), {"base": "owner/sam"}).size == 96
    with pytest.raises(InputError, match="size must be 96"):
        settings_for(segmenter_family("adsam"), {"base": "owner/sam"}, size=64)


def test_a_wrong_option_is_refused_with_the_settings() -> None:
    with pytest.raises(InputError, match="option must be one of adsam, got 'bas': did you mean base"):
        settings_for(segmenter_family("adsam"), {"bas": "x"})


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"steps": 2, "epochs": 3}, "steps must be at least 1 in each of the 3 epochs, got 2: pass 3, or fewer epochs"),
        ({"balance": 0.5, "batch": 1}, "balance needs a batch of at least two images, got 1: pass batch=2 or more"),
        ({"balance": 1.0}, "balance must be below 1, got 1.0"),
        ({"rescale": 0.6}, "rescale must be at most 0.5, got 0.6"),
        ({"rescale": 0.4, "augment": False}, "rescale is a kind of augmentation, and augment is off, got 0.4"),
        ({"tune": "bias"}, "tune must be all or norm, got 'bias'"),
    ],
)
def test_settings_of_adapting_are_checked(given: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError) as caught:
        settings_for(segmenter_family("deepcrack"), **given)
    assert line in str(caught.value)
