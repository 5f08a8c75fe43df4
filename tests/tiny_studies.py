"""A tiny study file with two trained segmenters, and a checkpoint of random weights."""

from pathlib import Path
from typing import Any

import torch

from howfar.demo import write_dataset
from howfar.segmenters import build_segmenter
from howfar.segmenters.checkpoint import Checkpoint, CheckpointCard
from howfar.weights.state_dicts import hash_state_dict

DATASETS = """
[datasets]
roads = { path = "roads", stands_for = "P" }
site = { path = "site", stands_for = "S_1" }
walls = { path = "walls", stands_for = "S_5" }
[backbones.pixels]
[backbones.colours]
backbone = "colour_moments"
"""
TRAINED = """
[models.dc]
segmenter = "deepcrack"
options = { width = 2 }
size = 32
epochs = 1
[models.wide]
segmenter = "deepcrack"
options = { width = 3 }
size = 32
epochs = 1
[studies.gain]
kind = "adaptation"
primary = "roads"
secondaries = ["site"]
models = ["dc", "wide"]
shots = [1]
seeds = [3]
bootstrap = 10
"""


def write_folders(root: Path) -> Path:
    """Write the datasets of the study file: two of cracks, and one of other texture and colour."""
    write_dataset(root / "roads", 14, seed=0, size=32)
    write_dataset(root / "site", 9, seed=1, size=32)
    write_dataset(root / "walls", 10, seed=2, size=32, kind="texture", shift=0.8)
    return root


def written(root: Path, text: str, name: str = "mine") -> Path:
    """Write a study file into the folder of its datasets."""
    file = root / f"{name}.toml"
    file.write_text(text, encoding="utf-8")
    return file


def tiny_checkpoint(seed: int = 0, size: int = 32, **data: Any) -> Checkpoint:
    """Make a checkpoint of random weights; `data` says what it learnt from."""
    torch.manual_seed(seed)
    state = build_segmenter("deepcrack", {"width": 4}, pretrained=False).state_dict()
    learnt = {"primary": "roads", "images": 1, "contents": [], "held_out": [], **data}
    return Checkpoint(CheckpointCard("deepcrack", {"width": 4}, size, hash_state_dict(state), {}, learnt, (), None), state)
