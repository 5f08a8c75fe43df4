"""`howfar evaluate` as a user runs it: what is printed where, the file, the exit code."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from command_world import Command
from howfar.cli.main import run
from howfar.results import Evaluation

SIDE = 24


@pytest.fixture
def roads(tmp_path: Path) -> Path:
    """Four images with masks, and maps beside."""
    for name in ("roads/images", "roads/masks", "maps", "other"):
        (tmp_path / name).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for k in range(4):
        truth = rng.random((SIDE, SIDE)) < 0.2
        p = (255 * (0.5 * truth + 0.5 * rng.random(truth.shape))).astype(np.uint8)
        Image.fromarray(p).save(tmp_path / f"roads/images/{k}.png")
        Image.fromarray(truth).save(tmp_path / f"roads/masks/{k}.png")
        Image.fromarray(p).save(tmp_path / f"maps/{k}.png")
        Image.fromarray(p[:, ::-1]).save(tmp_path / f"other/{k}.png")
    return tmp_path / "roads"


def test_scores_notes_and_the_file_are_printed(roads: Path, tmp_path: Path, howfar: Command) -> None:
    (tmp_path / "maps/9.png").write_bytes((tmp_path / "maps/0.png").read_bytes())
    file = tmp_path / "new/e.parquet"
    code, out, err = howfar("evaluate", roads, "--predictions", tmp_path / "maps", "-o", file)
    assert code == 0, err
    found = Evaluation.load(file)
    lines = out.splitlines()
    assert lines[0] == found.caption()
    assert lines[0].startswith("roads: 4 images, 4 scored; per image: F at threshold ")
    shown = dict(line.split() for line in lines[2:13])
    assert set(shown) == set(found.scores)
    assert shown["ods"] == f"{found.scores['ods']:.4g}"
    assert lines[13:] == [f"note: 1 map matches no image (9.png below {tmp_path}/maps)", f"per image: {file}"]
    assert "image/s" in err


def test_an_evaluation_that_was_cut_short_is_replaced(roads: Path, tmp_path: Path, howfar: Command) -> None:
    file = tmp_path / "e.parquet"
    command = ["evaluate", roads, "--predictions", tmp_path / "maps", "-o", file]
    assert howfar(*command)[0] == 0
    whole = file.read_bytes()
    for left in (whole[: len(whole) // 2], b""):
        file.write_bytes(left)
        assert howfar(*command)[0] == 0
        assert len(Evaluation.load(file).images) == 4
    file.write_text("image,performance\n")
    code, _, err = howfar(*command)
    assert (code, file.read_text()) == (2, "image,performance\n")
    assert "must not replace what is no evaluation of howfar" in err


def test_partial_lists_what_is_left_out(roads: Path, tmp_path: Path, howfar: Command) -> None:
    for k in range(4, 27):
        Image.new("L", (SIDE, SIDE)).save(roads / f"images/{k}.png")
    command, file = ("evaluate", roads, "--predictions", tmp_path / "maps"), tmp_path / "roads.parquet"
    code, out, err = howfar(*command)
    assert (code, out) == (2, "")
    assert err == (
        f"howfar: 23 of 27 images of roads have no prediction; the first is 4.png: no prediction (no map 4.* below "
        f"{tmp_path}/maps): predict them, or pass --partial to score only the other 4\n"
    )
    assert howfar(*command, "--partial")[1].endswith("23 images have no prediction: left out (--json lists them)\n")
    assert f"23 images have no prediction: left out (names in {file})" in howfar(*command, "--partial", "-o", file)[1]
    assert len(Evaluation.load(file).skipped) == 23
    skipped = [line for line in howfar(*command, "--partial", "--verbose")[1].splitlines() if line.startswith("skipped: ")]
    assert len(skipped) == 23
    assert skipped[0] == f"skipped: {roads}/images/4.png: no prediction (no map 4.* below {tmp_path}/maps)"
    quiet = howfar(*command, "--partial", "--quiet")[1]
    assert not any(word in quiet for word in ("left out", "skipped"))


def test_classification_and_detection(roads: Path, tmp_path: Path, howfar: Command) -> None:
    (tmp_path / "set.csv").write_text("image,label\nroads/images/0.png,dry\nroads/images/1.png,wet\n")
    (tmp_path / "p.csv").write_text("image,predicted\n0.png,dry\n1.png,dry\n")
    code, out, err = howfar(
        "evaluate", tmp_path / "set.csv", "--task", "classification", "--predictions", tmp_path / "p.csv", "--json"
    )
    assert (code, json.loads(out)["scores"]["accuracy"]) == (0, 0.5), err
    entries = [{"image": f"{k}.png", "boxes": [[0, 0, 9, 9]], "scores": [0.9]} for k in range(2)]
    (tmp_path / "p.json").write_text(json.dumps(entries))
    more = ["--predictions", tmp_path / "p.json", "--truth", tmp_path / "p.json", "--json"]
    code, out, err = howfar("evaluate", tmp_path / "set.csv", "--task", "detection", *more)
    assert (code, json.loads(out)["scores"]) == (0, {"map": 1.0, "map_50": 1.0, "f1": 1.0}), err


def test_a_checkpoint_in_place_of_predictions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import howfar
    from howfar.demo import write_dataset

    roads, model = write_dataset(tmp_path / "roads", 6, seed=0, size=40), tmp_path / "m.safetensors"
    training = {"options": {"width": 4}, "size": 32, "epochs": 1, "batch": 4, "pretrained": False, "progress": False}
    howfar.train(roads, "deepcrack", model, **training)
    assert run(["evaluate", str(roads), "--model", str(model), "--learnt", "-o", str(tmp_path / "e.parquet"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    maps = howfar.predict(model, roads, tmp_path / "maps", progress=False).folder
    mirrored = howfar.predict(model, roads, tmp_path / "mirrored", flipped=True, progress=False).folder
    wanted = howfar.evaluate(roads, maps, flipped=mirrored, progress=False)
    assert found["scores"] == dict(wanted.scores)
    images = howfar.Evaluation.load(tmp_path / "e.parquet").images
    assert images["flip_agreement"].tolist() == wanted.images["flip_agreement"].tolist()
    assert (images["prediction"] == "").all()
    assert run(["evaluate", str(roads), "--model", str(model)]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].startswith("roads: 1 images, 1 scored")
    assert "note: 5 images that the model learnt from were left out: the option learnt (--learnt) scores them too" in shown
    assert sum("left out" in line for line in shown) == 1
    assert run(["evaluate", str(roads), "--model", str(model), "--verbose"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("skipped: ") and line.endswith(": the model learnt from it") for line in shown) == 5
