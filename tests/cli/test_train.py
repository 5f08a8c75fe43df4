"""`howfar train` as a user runs it: what is printed where, the file, the exit code."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from PIL import Image

from howfar.adaptation import TUNED
from howfar.cli.main import run
from howfar.demo import write_dataset
from howfar.segmenters import build_segmenter
from howfar.segmenters.checkpoint import Checkpoint
from howfar.training.lightning_module import Keep

TINY = ("--model", "deepcrack", "--option", "width=4", "--weights", "none", "--size", "32", "--batch", "4", "--device", "cpu")


@pytest.fixture(scope="module")
def roads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("train") / "roads", 8, seed=0, size=32)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "new" / "m.safetensors"


def howfar(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    code = run(["train", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_epochs_and_the_file_are_printed(roads: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, stdout, err = howfar(capsys, roads, "-o", out, *TINY, "--epochs", "2")
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


def test_json_is_one_document(roads: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, stdout, _ = howfar(capsys, roads, "-o", out, *TINY, "--epochs", "1", "--json")
    assert code == 0
    assert json.loads(stdout) == Checkpoint.load(out).card.to_dict()
    assert stdout.count("\n") == 1


def test_progress_goes_to_stderr_alone(
    roads: Path, out: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # As at a terminal.
    monkeypatch.setattr("howfar.progress.BRIEF", 0.0)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    code, stdout, err = howfar(capsys, roads, "-o", out, *TINY, "--epochs", "2", "--json")
    assert code == 0
    json.loads(stdout)
    assert "reading" in err
    shown = re.sub(r"\x1b\[\w", "", err).split("\r")
    last = next(line for line in reversed(shown) if line.startswith("training"))
    history = Checkpoint.load(out).card.history
    assert "4/4" in last
    assert f"epoch=2/2, loss={history[-1]['loss']:.3f}, held-out ODS={history[-1]['ods']:.3f}" in last


def test_every_option_reaches_the_training(roads: Path, out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bare").mkdir()
    Image.new("RGB", (32, 32), (1, 2, 3)).save(tmp_path / "bare" / "1.png")
    chosen = {
        "epochs": 1, "batch": 3, "loss": "bce", "schedule": "poly", "rate": 0.002, "decay": 0.01, "holdout": 0.3, "patience": 4,
        "keep": "last", "precision": "bf16", "seed": 5, "size": 64,
    }  # fmt: skip
    spelt = [part for name, value in chosen.items() for part in (f"--{name}", str(value))]
    site = write_dataset(tmp_path / "site", 2, seed=7, size=32)
    (tmp_path / "chosen.csv").write_text(f"image\n{site}/images/0002.jpg\n")
    beside = ["--add", f"{site}:{tmp_path}/chosen.csv"]
    more = [*beside, "--no-augment", "--background", tmp_path / "bare", "--group", "(00)", "--workers", "0"]
    code, _, err = howfar(capsys, roads, "-o", out, *TINY, *spelt, *more)
    assert code == 0, err
    card = Checkpoint.load(out).card
    assert dict(card.settings) == {**chosen, "augment": False, "steps": None, "balance": None, "rescale": 0.0, "tune": "all"}
    assert card.options == {"width": 4}
    assert card.data["extra"] == ["site/0002.jpg", "bare/1.png"]
    # All eight are tiles of the photograph "00": one photograph stays, and none is held out.
    assert (card.data["images"], card.data["held_out"]) == (10, [])
    again = tmp_path / "again.safetensors"
    code, _, err = howfar(capsys, roads, "-o", again, *TINY, "--epochs", "1", "--start", out)
    assert code == 0, err
    assert Checkpoint.load(again).card.data["started_from"] == card.weights


def test_a_stop_is_said_and_gone_on_from(
    roads: Path, out: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = Keep.on_train_epoch_end

    def stop(self: Keep, trainer: object, module: object) -> None:
        usual(self, trainer, module)  # type: ignore[arg-type]  # as Lightning calls it
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Keep, "on_train_epoch_end", stop)
        code, stdout, err = howfar(capsys, roads, "-o", out, *TINY, "--epochs", "2")
    assert (code, stdout) == (130, "")
    assert err.splitlines()[-1] == "howfar: stopped; run the same command to go on: what was done is kept"
    assert [file.name for file in out.parent.iterdir()] == [f"{out.name}.state"]
    code, _, err = howfar(capsys, roads, "-o", out, *TINY, "--epochs", "2")
    assert code == 0, err
    assert [file.name for file in out.parent.iterdir()] == [out.name]


def test_the_default_is_unetplusplus_with_packaged_weights(roads: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, stdout, err = howfar(
        capsys, roads, "-o", out, "--size", "32", "--epochs", "1", "--rate", "1e-9", "--decay", "0", "--json"
    )
    assert code == 0, err
    assert json.loads(stdout)["segmenter"] == "unetplusplus"
    assert json.loads(stdout)["options"] == {"encoder": "lite0"}
    name = "network.encoder.model.conv_stem.weight"
    wanted = build_segmenter("unetplusplus").state_dict()[name]
    assert (Checkpoint.load(out).state[name] - wanted).abs().max() < 1e-6


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, ["PRIMARY"]),
        (["{roads}"], 2, ["--out"]),
        (["{roads}", "-o", "m.pth"], 2, ["out must end in .safetensors", "m.pth", "nothing in such a file can be executed"]),
        (["{roads}", "-o", "{folder}"], 2, ["out must be a file, not a folder"]),
        (["{roads}", "-o", "{roads}/images/0001.jpg/m.safetensors"], 2, ["out must be a folder that can be made"]),
        (["/no/such/folder", "-o", "{out}"], 2, ["/no/such/folder"]),
        (["{bare}", "-o", "{out}"], 2, ["dataset bare must have masks to learn from"]),
        (["{roads}", "-o", "{out}", "--model", "unet"], 2, ["unet", "unetplusplus"]),
        (["{roads}", "-o", "{out}", "--option", "width"], 2, ["option must be NAME=VALUE, got 'width'", "encoder=b3"]),
        (["{roads}", "-o", "{out}", "--option", "wide=4"], 2, ["option must be one of deepcrack", "did you mean width?"]),
        (["{roads}", "-o", "{out}", "--option", "width=0"], 2, ["deepcrack's width must"]),
        (["{roads}", "-o", "{out}", "--size", "50"], 2, ["size must be a multiple of 32 for deepcrack, got 50: pass 32 or 64"]),
        (["{roads}", "-o", "{out}", "--epochs", "0"], 2, ["epochs must", "got 0"]),
        (["{roads}", "-o", "{out}", "--epochs", "two"], 2, ["--epochs"]),
        (["{roads}", "-o", "{out}", "--loss", "focal"], 2, ["focal", "bce_dice"]),
        (["{roads}", "-o", "{out}", "--schedule", "cosin"], 2, ["cosin", "cosine"]),
        (["{roads}", "-o", "{out}", "--holdout", "1"], 2, ["holdout must"]),
        (["{roads}", "-o", "{out}", "--keep", "all"], 2, ["keep must", "best or last"]),
        (["{roads}", "-o", "{out}", "--precision", "16"], 2, ["precision must"]),
        (["{roads}", "-o", "{out}", "--group", "(a"], 2, ["group must be a regular expression"]),
        (["{roads}", "-o", "{out}", "--option", "width=64", "--weights", "none.pth"], 2, ["none.pth"]),
        (["{roads}", "-o", "{out}", "--start", "none.safetensors"], 2, ["no checkpoint at none.safetensors"]),
        (["{roads}", "-o", "{out}", "--background", "/no/such"], 2, ["/no/such"]),
        (
            ["{roads}", "-o", "{out}", "--background", "{roads}"],
            2,
            ["are held out too, under another name: remove the doubles"],
        ),
        (["{roads}", "-o", "{out}", "--workers", "-1"], 2, ["workers must be at least 0"]),
        (["{roads}", "-o", "{out}", "--device", "abacus"], 2, ["device must be"]),
        (["{wrong}", "-o", "{out}"], 2, ["wrong/1.png: its mask is 8×32 pixels, the picture 32×32"]),
        (["{roads}", "-o", "{out}", "--rate", "1e30"], 2, ["rate must be so low that the loss stays finite"]),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str],
    code: int,
    words: list[str],
    roads: Path,
    out: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "folder.safetensors").mkdir()
    for name, shape in (("bare", None), ("wrong", (8, 32))):
        (tmp_path / name / "images").mkdir(parents=True)
        Image.effect_noise((32, 32), 50).save(tmp_path / name / "images" / "1.png")
        if shape:
            (tmp_path / name / "masks").mkdir()
            Image.new("L", shape, 255).save(tmp_path / name / "masks" / "1.png")
    places = {"roads": roads, "out": out, "folder": tmp_path / "folder.safetensors"}
    places |= {name: tmp_path / name for name in ("bare", "wrong")}
    spelt = [argument.format(**places) for argument in arguments]
    tiny = [part for k in range(0, len(TINY), 2) if TINY[k] not in spelt or TINY[k] == "--option" for part in TINY[k : k + 2]]
    found, stdout, err = howfar(capsys, *tiny, *spelt)
    assert (found, stdout) == (code, "")
    assert err.startswith("howfar: ")
    assert err.count("\n") == 1
    for word in words:
        assert word in err
    assert not out.exists()


@pytest.fixture(scope="module")
def model(roads: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("m") / "m.safetensors"
    assert run(["train", str(roads), "-o", str(file), *TINY, "--epochs", "1"]) == 0
    return file


@pytest.fixture(scope="module")
def added(tmp_path_factory: pytest.TempPathFactory) -> str:
    site = write_dataset(tmp_path_factory.mktemp("add") / "site", 5, seed=7, size=32)
    listed = site.parent / "chosen.csv"
    listed.write_text("image\n0001.jpg\n0003.jpg\n")
    return f"{site}:{listed}"


def test_a_way_adapts_the_model_of_start(
    roads: Path, model: Path, added: str, out: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("howfar.adaptation.TUNED", {**TUNED, "steps": 2, "epochs": 1})
    capsys.readouterr()
    code, _, err = howfar(
        capsys, roads, "-o", out, "--start", model, "--add", added, "--way", "finetune+norm", "--device", "cpu"
    )
    assert code == 0, err
    found, before = Checkpoint.load(out), Checkpoint.load(model)
    assert found.card.data["started_from"] == before.card.weights
    assert found.card.data["extra"] == ["site/0001.jpg", "site/0003.jpg"]
    entry = dict(found.card.data["adapted"])
    assert len(entry.pop("contents")) == 5
    assert entry.pop("own_settings") == before.card.settings
    assert entry == {"way": "finetune+norm", "share": 0.3, "dataset": "site", "size": 32, "tiled": False, "labels": 2}
    assert [file.name for file in out.parent.iterdir()] == [out.name]


def test_a_way_without_labels_needs_only_the_site(
    roads: Path, model: Path, added: str, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = added.rpartition(":")[0]
    code, shown, err = howfar(capsys, roads, "-o", out, "--start", model, "--way", "norm", "--site", site)
    assert code == 0, err
    lines = shown.splitlines()
    assert lines[0] == "Checkpoint of deepcrack, 32 px, adapted to site by norm, no label"
    assert "its confidence no longer tells its performance" in " ".join(lines[1:])
    assert "epoch" not in shown
    assert Checkpoint.load(out).card.data["adapted"]["labels"] == 0


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--way", "norm"), "needs the model to adapt"),
        (("--site", "x"), "is of use only with"),
        (("--start", "MODEL", "--way", "norm"), "needs images of the site"),
        (("--start", "MODEL", "--way", "finetune", "--site", "SITE"), "must be one that needs no label where none is given"),
        (("--start", "MODEL", "--way", "nrm", "--site", "SITE"), "did you mean 'norm'?"),
        (("--start", "MODEL", "--way", "norm", "--site", "SITE", "--epochs", "3"), "must not be given with --way"),
        (
            ("--start", "MODEL", "--way", "norm", "--site", "SITE", "--model", "unetplusplus"),
            "model must not be given with --way",
        ),
        (("--start", "MODEL", "--way", "norm", "--site", "SITE", "--background", "SITE"), "not be given with --way"),
    ],
)
def test_what_a_way_lacks_is_one_line(
    roads: Path, model: Path, added: str, out: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], line: str
) -> None:
    capsys.readouterr()
    places = {"MODEL": str(model), "SITE": added.rpartition(":")[0]}
    code, _, err = howfar(capsys, roads, "-o", out, *(places.get(each, each) for each in options))
    assert code == 2
    assert line in err
    assert len(err.strip().splitlines()) == 1
    assert not out.exists()


def test_a_file_that_is_no_checkpoint_and_the_start_itself_are_not_replaced(
    roads: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    photo = tmp_path / "photo.safetensors"
    Image.new("RGB", (4, 4)).save(photo, format="png")
    before = photo.read_bytes(), model.read_bytes()
    code, _, err = howfar(capsys, roads, "-o", photo, *TINY, "--epochs", "1")
    assert (code, photo.read_bytes()) == (2, before[0])
    assert "--out must be new, or a checkpoint of howfar train to replace" in err
    for more in ((), ("--way", "norm", "--site", roads)):
        code, _, err = howfar(capsys, roads, "-o", model, *(TINY if not more else ()), "--start", model, *more)
        assert code == 2
        assert "must not be the checkpoint that training begins with" in err
    assert model.read_bytes() == before[1]
