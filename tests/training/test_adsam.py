"""A SAM-Adapter's checkpoint stands by itself: nothing is needed of the base that it was trained on."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import SamConfig, SamModel

import howfar
from howfar.errors import InputError, MissingPathError, StoreError
from howfar.segmenters import build_segmenter
from howfar.segmenters.checkpoint import KEY, Checkpoint
from howfar.weights.state_dicts import hash_state_dict
from worlds.hub import no_progress_bars, save_sam

SIDE = 64
ABSENT = r"the checkpoint was written before howfar kept in it what adsam is built by, .*: put the base back where it was"


def train(roads: Path, out: Path, base: Path | str, **given: Any) -> Checkpoint:
    options = {"base": str(base), "r": 3}
    usual = {"epochs": 1, "batch": 4, "device": "cpu", "progress": False, "options": options}
    return howfar.train(roads, "adsam", out, **{**usual, **given})


@pytest.fixture(scope="module")
def trained(roads: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Checkpoint]:
    """Where the checkpoint is, where its base was, and what was trained while it was there."""
    folder = tmp_path_factory.mktemp("adsam")
    with no_progress_bars():
        base = save_sam(folder / "base", SIDE)
    made = train(roads, folder / "m.safetensors", base)
    return folder / "m.safetensors", base, made


@pytest.fixture
def gone(trained: tuple[Path, Path, Checkpoint]) -> Iterator[None]:
    """The base is somewhere else for a while."""
    base = trained[1]
    base.rename(base.with_name("elsewhere"))
    yield
    base.with_name("elsewhere").rename(base)


def test_the_card_holds_what_the_network_is_built_by(trained: tuple[Path, Path, Checkpoint]) -> None:
    file, base, made = trained
    held = Checkpoint.load(file).card.architecture
    assert held == made.card.architecture
    assert SamConfig.from_dict(dict(held["config"])).to_dict()["vision_config"]["num_attention_heads"] == 2
    # Where it lay is no part of what it is.
    assert str(base) not in json.dumps(held)
    assert held["base_weights"] == hash_state_dict(SamModel.from_pretrained(base).state_dict())


def test_the_network_is_the_same_where_the_base_is_not(trained: tuple[Path, Path, Checkpoint], gone: None) -> None:
    file, base, made = trained
    assert not base.exists()
    built = Checkpoint.load(file).build()
    assert not built.training
    assert hash_state_dict(built.state_dict()) == made.card.weights
    pictures = torch.rand(2, 3, SIDE, SIDE)
    with torch.no_grad():
        found = built(pictures)
        base.with_name("elsewhere").rename(base)
        wanted = build_segmenter("adsam", made.card.options)
        base.rename(base.with_name("elsewhere"))
        wanted.load_state_dict(made.state)
        assert torch.equal(found, wanted.eval()(pictures))
    assert not any(one.requires_grad for one in built.encoder.parameters())


def test_training_begins_with_a_checkpoint_whose_base_is_gone(trained, gone, roads, tmp_path):
    for base in (trained[1], "facebook/sam-vit-base"):
        made = train(roads, tmp_path / "m.safetensors", base, start=trained[0])
        assert made.card.size == SIDE
        assert made.card.architecture == trained[2].card.architecture
        assert made.card.data["started_from"] == trained[2].card.weights
    with pytest.raises(InputError, match="size must be 64, the one side that adsam takes with its options, got 128"):
        train(roads, tmp_path / "m.safetensors", trained[1], start=trained[0], size=128)
    with pytest.raises(InputError, match="weights do not fit the network: the checkpoint to begin with has another shape for"):
        train(roads, tmp_path / "n.safetensors", trained[1], start=trained[0], options={"r": 5})


def rewritten(file: Path, to: Path, change: Any) -> Path:
    with safe_open(file, framework="pt") as opened:
        document = json.loads(opened.metadata()[KEY])
    change(document)
    save_file(load_file(file), to, {KEY: json.dumps(document)})
    return to


def test_an_earlier_checkpoint_whose_base_is_gone_is_one_line(trained, gone, roads, tmp_path):
    earlier = rewritten(trained[0], tmp_path / "m.safetensors", lambda document: document.pop("architecture"))
    for run in (
        lambda: Checkpoint.load(earlier).build(),
        lambda: train(roads, tmp_path / "n.safetensors", trained[1], start=earlier, size=SIDE),
    ):
        with pytest.raises(MissingPathError, match=ABSENT) as caught:
            run()
        assert str(trained[1]) in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("architecture", "words"),
    [
        ({"config": None}, "the checkpoint does not hold the configuration of a model for adsam: train again"),
        ({"config": {"model_type": "vit"}}, "the checkpoint does not hold the configuration of a model for adsam: train again"),
        ({"other": 1}, "the checkpoint does not hold the configuration of a model for adsam: train again"),
        (
            {"config": {"model_type": "sam", "vision_config": {"hidden_size": "many"}}},
            "the configuration of SamModel in the checkpoint cannot be read (",
        ),
        ({"config": {"model_type": "sam", "vision_config": {"num_hidden_layers": 1}}}, "weights do not fit the network"),
    ],
)
def test_a_damaged_description_is_one_line(architecture, words, trained, tmp_path):
    made = trained[2]
    with pytest.raises(InputError) as caught, torch.device("meta"):
        Checkpoint(replace(made.card, architecture=architecture), made.state).build()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    file = rewritten(trained[0], tmp_path / "m.safetensors", lambda document: document.update(architecture=[architecture]))
    with pytest.raises(StoreError, match="is damaged: its description cannot be read"):
        Checkpoint.load(file)
