"""`howfar predict` as a user runs it: what is printed where, the maps, the exit code."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from howfar.demo import write_dataset
from howfar.segmenters import build_segmenter
from howfar.segmenters.checkpoint import Checkpoint, CheckpointCard
from howfar.weights.state_dicts import hash_state_dict

SIDE = 32


@pytest.fixture
def roads(tmp_path) -> Path:
    return write_dataset(tmp_path / "roads", 3, seed=0, size=48)


@pytest.fixture
def model(tmp_path) -> Path:
    torch.manual_seed(0)
    state = build_segmenter("deepcrack", {"width": 4}, pretrained=False).state_dict()
    data = {"primary": "roads", "images": 1, "contents": [], "held_out": []}
    card = CheckpointCard("deepcrack", {"width": 4}, SIDE, hash_state_dict(state), {}, data, (), None)
    return Checkpoint(card, state).save(tmp_path / "m.safetensors")


def test_how_many_and_where_is_printed(model, roads, tmp_path, howfar):
    maps = tmp_path / "new" / "maps"
    code, out, err = howfar("predict", model, roads, "-o", maps)
    assert (code, out) == (0, f"3 maps written: {maps}\n"), err
    assert sorted(file.name for file in maps.iterdir()) == ["0001.png", "0002.png", "0003.png"]
    (maps / "0002.png").unlink()
    assert howfar("predict", model, roads, "-o", maps)[:2] == (0, f"1 map written, 2 were there already: {maps}\n")


def test_skipped_images_are_listed(model, roads, tmp_path, howfar):
    for k in range(4, 27):
        (roads / f"images/{k:04d}.jpg").write_text("text")
    code, out, _ = howfar("predict", model, roads, "-o", tmp_path / "maps")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == f"3 maps written: {tmp_path / 'maps'}"
    assert lines[1].startswith(f"skipped: {roads / 'images/0004.jpg'}: not an image")
    assert len(lines) == 22
    assert lines[-1] == "skipped: 3 more; --json lists all"
