"""A frozen encoder is trained by the same command as others: to the same weights however much memory it has, and resumed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import Dinov2Model

import howfar
from howfar.cli.main import run
from howfar.segmenters.checkpoint import Checkpoint
from howfar.segmenters.frozen_encoder_network import Encoder
from howfar.weights.state_dicts import hash_state_dict
from worlds.hub import save_dinov2
from worlds.interrupted import stopped_after

Train = Callable[..., Checkpoint]


@pytest.fixture(scope="module")
def vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_dinov2(tmp_path_factory.mktemp("frozen") / "vit")


@pytest.fixture
def train(roads: Path, vit: Path, tmp_path: Path) -> Train:
    def call(out: str = "m", **given: Any) -> Checkpoint:
        options = {"encoder": str(vit), "width": 4, **given.pop("options", {})}
        usual = {"size": 32, "epochs": 3, "batch": 3, "holdout": 0.25, "device": "cpu", "progress": False}
        return howfar.train(roads, "frozen", tmp_path / f"{out}.safetensors", options=options, **{**usual, **given})

    return call


def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the images that encoders are given."""
    seen: list[int] = []
    usual = Encoder.forward

    def forward(self: Encoder, pictures: torch.Tensor) -> tuple[torch.Tensor, ...]:
        seen.append(len(pictures))
        return usual(self, pictures)

    monkeypatch.setattr(Encoder, "forward", forward)
    return seen


def test_a_vit_of_the_hubs_format_trains_and_predicts_by_the_command_line(roads, vit, tmp_path, capsys):
    base = vit.rename(tmp_path / "base")
    ckpt, again = tmp_path / "m.safetensors", tmp_path / "again.safetensors"
    tiny = ["--model", "frozen", "--option", "width=4", "--size", "32", "--batch", "4", "--epochs", "2", "--device", "cpu"]
    chosen = ["--option", f"encoder={base}", "--option", "decoder=conv", "--memory", "200MB", "--json"]
    assert run(["train", str(roads), "-o", str(ckpt), *tiny, *chosen]) == 0
    card = json.loads(capsys.readouterr().out)
    assert (card["segmenter"], card["options"]["decoder"], card["options"]["views"]) == ("frozen", "conv", 4)
    assert card["architecture"]["encoder_weights"] == hash_state_dict(Dinov2Model.from_pretrained(base).state_dict())
    # What follows needs the checkpoint alone.
    base.rename(vit)
    assert run(["predict", str(ckpt), str(roads), "-o", str(tmp_path / "maps"), "--device", "cpu"]) == 0
    names = sorted(file.stem for file in (tmp_path / "maps").glob("*.png"))
    assert names == sorted(file.stem for file in (roads / "images").iterdir())
    assert np.asarray(Image.open(tmp_path / "maps" / f"{names[0]}.png")).std() > 0
    assert run(["predict", str(ckpt), str(roads), "-o", str(tmp_path / "n"), "--adapt", "norm", "--device", "cpu"]) == 0
    assert run(["train", str(roads), "-o", str(again), *tiny, "--start", str(ckpt)]) == 0
    second = Checkpoint.load(again).card
    assert second.data["started_from"] == card["weights"]
    # What was not typed is that of the checkpoint, whose network is trained on.
    assert (second.options["encoder"], second.options["decoder"]) == (str(base), "conv")
    other = [*tiny, "--start", str(ckpt), "--option", "encoder=efficientnet_lite0"]
    capsys.readouterr()
    assert run(["train", str(roads), "-o", str(tmp_path / "never.safetensors"), *other]) == 2
    assert f"encoder must be that of the checkpoint to begin with ({base}), got" in capsys.readouterr().err
    backbone = howfar.load_backbone("frozen", weights=ckpt, device="cpu")
    assert howfar.embed(roads, backbone, progress=False).layers == (16 * 4 * 4,)


def test_batch_norm_of_the_encoder_keeps_its_statistics(train: Train) -> None:
    trained = train(options={"encoder": "efficientnet_lite0"}, epochs=1).state
    published = howfar.segmenters.build_segmenter("frozen", {"width": 4}).state_dict()
    names = [name for name in trained if name.startswith("encoder.")]
    assert any(name.endswith("running_mean") for name in names)
    assert all(torch.equal(trained[name], published[name]) for name in names)
    assert not torch.equal(trained["decoder.norms.0.running_mean"], published["decoder.norms.0.running_mean"])


def test_memory_and_workers_change_no_bit(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, found, counts = encoded(monkeypatch), [], []
    for name, limit, workers in (("all", 1 << 20, 0), ("none", 0, 0), ("workers", 1 << 20, 1)):
        monkeypatch.setattr("howfar.training.lightning_module.LIMIT", limit)
        seen.clear()
        found.append(train(name, epochs=6, options={"views": 2}, workers=workers).card.weights)
        counts.append(sum(seen))
    assert len(set(found)) == 1
    # One for the encoder's making, six images of at most two views, two held out; without memory all in each of six epochs.
    assert counts[0] == counts[2] <= 1 + 6 * 2 + 2
    assert counts[1] == 1 + 6 * (6 + 2)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_killed_training_goes_on_to_the_same_weights(train: Train, workers: int) -> None:
    wanted = train("whole")
    with stopped_after(2):
        train("killed", workers=workers)
    resumed = train("killed", workers=workers)
    assert (resumed.card.weights, resumed.card.history) == (wanted.card.weights, wanted.card.history)
