"""`howfar predict` as a user runs it: what is printed where, the maps, the exit code."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from command_world import Command
from howfar.demo import write_dataset
from howfar.pipeline.prediction import predict
from howfar.segmenters import build_segmenter
from howfar.segmenters.checkpoint import Checkpoint, CheckpointCard
from howfar.segmenters.predictor import Reading
from howfar.weights.state_dicts import hash_state_dict

SIDE = 32


@pytest.fixture
def roads(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "roads", 3, seed=0, size=48)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    state = build_segmenter("deepcrack", {"width": 4}, pretrained=False).state_dict()
    data = {"primary": "roads", "images": 1, "contents": [], "held_out": []}
    card = CheckpointCard("deepcrack", {"width": 4}, SIDE, hash_state_dict(state), {}, data, (), None)
    return Checkpoint(card, state).save(tmp_path / "m.safetensors")


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """An ONNX file of three channels, a logit each."""
    weight = np.random.default_rng(0).normal(0, 3, (3, 3, 1, 1)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "weight"], ["y"])],
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["b", 3, "h", "w"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["b", 3, "h", "w"])],
        [numpy_helper.from_array(weight, "weight")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "n.onnx")
    return tmp_path / "n.onnx"


def same(one: Path, other: Path) -> bool:
    files = sorted(file.name for file in one.iterdir())
    assert files == sorted(file.name for file in other.iterdir())
    return all(np.array_equal(Image.open(one / name), Image.open(other / name)) for name in files)


def test_how_many_and_where_is_printed(model: Path, roads: Path, tmp_path: Path, howfar: Command) -> None:
    maps = tmp_path / "new" / "maps"
    code, out, err = howfar("predict", model, roads, "-o", maps)
    assert (code, out) == (0, f"3 maps written: {maps}\n"), err
    assert sorted(file.name for file in maps.iterdir()) == ["0001.png", "0002.png", "0003.png"]
    (maps / "0002.png").unlink()
    assert howfar("predict", model, roads, "-o", maps)[:2] == (0, f"1 map written, 2 were there already: {maps}\n")


def test_json_is_one_document(model: Path, roads: Path, tmp_path: Path, howfar: Command) -> None:
    (roads / "images/0002.jpg").write_text("text")
    code, out, _ = howfar("predict", model, roads, "-o", tmp_path / "maps", "--json")
    assert code == 0
    assert out.count("\n") == 1
    (skipped,) = json.loads(out).pop("skipped")
    assert json.loads(out) | {"skipped": []} == {
        "folder": str(tmp_path / "maps"),
        "written": 2,
        "kept": 0,
        "skipped": [],
        "notes": [],
    }
    assert skipped["path"] == str(roads / "images/0002.jpg")
    assert skipped["reason"].startswith("not an image")


def test_images_that_are_too_large_are_warned_of_on_stderr(model: Path, roads: Path, tmp_path: Path, howfar: Command) -> None:
    known = Checkpoint.load(model)
    small = replace(known.card, data={**known.card.data, "sides": {"median": 20.0, "largest": 20.0}})
    file = Checkpoint(small, known.state).save(tmp_path / "small.safetensors")
    code, out, err = howfar("predict", file, roads, "-o", tmp_path / "maps")
    assert (code, out) == (0, f"3 maps written: {tmp_path / 'maps'}\n")
    assert [line for line in err.splitlines() if "much larger" in line] == [
        line for line in err.splitlines() if "--tile" in line
    ]
    assert "warning: all images of roads are much larger (side up to" in err
    _, out, _ = howfar("predict", file, roads, "-o", tmp_path / "maps", "--json")
    assert len(json.loads(out)["notes"]) == 1


def test_progress_goes_to_stderr_alone(
    model: Path, roads: Path, tmp_path: Path, howfar: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("howfar.progress.BRIEF", 0.0)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    _, out, err = howfar("predict", model, roads, "-o", tmp_path / "maps", "--json")
    json.loads(out)
    assert "predicting roads" in err
    assert "3/3" in err


def test_skipped_images_are_listed(model: Path, roads: Path, tmp_path: Path, howfar: Command) -> None:
    for k in range(4, 27):
        (roads / f"images/{k:04d}.jpg").write_text("text")
    code, out, _ = howfar("predict", model, roads, "-o", tmp_path / "maps")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == f"3 maps written: {tmp_path / 'maps'}"
    assert lines[1].startswith(f"skipped: {roads / 'images/0004.jpg'}: not an image")
    assert len(lines) == 22
    assert lines[-1] == "skipped: 3 more; --json lists all"


@pytest.mark.parametrize(
    ("arguments", "reading"),
    [
        ([], Reading(channel=1)),
        (["--mean", "0.5", "0.4", "0.3"], Reading(channel=1, mean=(0.5, 0.4, 0.3))),
        (["--std", "0.5", "0.4", "0.3"], Reading(channel=1, std=(0.5, 0.4, 0.3))),
        (["--channel", "2"], Reading(channel=2)),
    ],
)
def test_every_option_of_an_onnx_network(
    arguments: list[str], reading: Reading, network: Path, roads: Path, tmp_path: Path, howfar: Command
) -> None:
    code, _, err = howfar("predict", network, roads, "-o", tmp_path / "maps", "--size", "32", "--channel", "1", *arguments)
    assert code == 0, err
    predict(network, roads, tmp_path / "wanted", size=32, reading=reading, progress=False)
    predict(network, roads, tmp_path / "plain", size=32, reading=Reading(channel=1), progress=False)
    assert same(tmp_path / "maps", tmp_path / "wanted")
    assert same(tmp_path / "maps", tmp_path / "plain") is (not arguments)
