"""A tiny study file with two trained segmenters, which the tests of studies of trained models share."""

from pathlib import Path

from howfar.demo import write_dataset

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
