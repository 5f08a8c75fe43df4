"""`howfar train` as a user runs it: what is printed where, the file, the exit code."""

import json
from pathlib import Path

import pytest
from PIL import Image

from howfar.cli.main import run
from howfar.demo import write_dataset
from howfar.segmenters import build_segmenter
from howfar.segmenters.checkpoint import Checkpoint
from howfar.training.lightning_module import Keep
from tiny_studies import tiny_checkpoint

TINY = ("--model", "deepcrack", "--option", "width=4", "--weights", "none", "--size", "32", "--batch", "4", "--device", "cpu")


@pytest.fixture(scope="module")
def roads(tmp_path_factory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("train") / "roads", 8, seed=0, size=32)


@pytest.fixture
def out(tmp_path) -> Path:
    return tmp_path / "new" / "m.safetensors"


def test_epochs_and_the_file_are_printed(roads, out, howfar):
    code, stdout, err = howfar("train", roads, "-o", out, *TINY, "--epochs", "2")
    assert code == 0, err
    found = Checkpoint.load(out)
    lines = stdout.splitlines()
    assert lines[0] == repr(found) == "Checkpoint of deepcrack, 32 px, trained on 7 images of roads"
    assert lines[1].split() == ["epoch", "loss", "held-out", "ODS", "at", "threshold"]
    for line, entry in zip(lines[2:4], found.card.history, strict=True):
        epoch, loss, ods, threshold = line.split()
        assert (int(epoch), float(threshold)) == (entry["epoch"], pytest.approx(entry["threshold"], abs=0.01))
        assert (float(loss), float(ods)) == (pytest.approx(entry["loss"], rel=0.01), pytest.approx(entry["ods"], abs=0.01))
    assert lines[4:] == [f"checkpoint: {out}"]
    assert [file.name for file in out.parent.iterdir()] == [out.name]


def test_a_stop_is_said_and_gone_on_from(roads, out, howfar, monkeypatch):
    usual = Keep.on_train_epoch_end

    def stop(self: Keep, trainer: object, module: object) -> None:
        usual(self, trainer, module)  # type: ignore[arg-type]  # as Lightning calls it
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Keep, "on_train_epoch_end", stop)
        code, stdout, err = howfar("train", roads, "-o", out, *TINY, "--epochs", "2")
    assert (code, stdout) == (130, "")
    assert err.splitlines()[-1] == "howfar: stopped; run the same command to go on: what was done is kept"
    assert [file.name for file in out.parent.iterdir()] == [f"{out.name}.state"]
    code, _, err = howfar("train", roads, "-o", out, *TINY, "--epochs", "2")
    assert code == 0, err
    assert [file.name for file in out.parent.iterdir()] == [out.name]


def test_the_default_is_unetplusplus_with_packaged_weights(roads, out, howfar):
    code, stdout, err = howfar(
        "train", roads, "-o", out, "--size", "32", "--epochs", "1", "--rate", "1e-9", "--decay", "0", "--json"
    )
    assert code == 0, err
    assert json.loads(stdout)["segmenter"] == "unetplusplus"
    assert json.loads(stdout)["options"] == {"encoder": "lite0"}
    name = "network.encoder.model.conv_stem.weight"
    wanted = build_segmenter("unetplusplus").state_dict()[name]
    assert (Checkpoint.load(out).state[name] - wanted).abs().max() < 1e-6


@pytest.fixture(scope="module")
def model(roads, tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("m") / "m.safetensors"
    assert run(["train", str(roads), "-o", str(file), *TINY, "--epochs", "1"]) == 0
    return file


def test_a_file_that_is_no_checkpoint_and_the_start_itself_are_not_replaced(roads, model, tmp_path, howfar, capsys):
    capsys.readouterr()
    photo = tmp_path / "photo.safetensors"
    Image.new("RGB", (4, 4)).save(photo, format="png")
    before = photo.read_bytes(), model.read_bytes()
    code, _, err = howfar("train", roads, "-o", photo, *TINY, "--epochs", "1")
    assert (code, photo.read_bytes()) == (2, before[0])
    assert "--out must be new, or a checkpoint of howfar train to replace" in err
    tiny_checkpoint(reading={"bands": [4, 3, 2]}).save(tmp_path / "bands.safetensors")
    code, _, err = howfar("train", roads, "-o", tmp_path / "bands.safetensors", *TINY, "--epochs", "1")
    assert code == 2
    assert "--out must be new, or a checkpoint that reads the same bands, got" in err
    for more in ((), ("--way", "norm", "--site", roads)):
        code, _, err = howfar("train", roads, "-o", model, *(TINY if not more else ()), "--start", model, *more)
        assert code == 2
        assert "must not be the checkpoint that training begins with" in err
    assert model.read_bytes() == before[1]
