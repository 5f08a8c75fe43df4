"""Small folders of categories, and study files about them, for the tests of the studies of scenes and of robustness."""

from pathlib import Path

from howfar.demo import write_dataset

NAMES = ("campus", "highway", "kitchen", "ocean", "sky")
"""The categories, as a folder of datasets lists them."""
SHIFTS = {"campus": 0.0, "highway": 0.5, "kitchen": 0.2, "ocean": 0.9, "sky": 0.7}


def write_categories(folder: Path, count: int = 7) -> Path:
    """Write five categories of pavement in different light into ``scenes/``, and return the folder above it."""
    for seed, name in enumerate(NAMES):
        write_dataset(folder / "scenes" / name, count, seed=seed, shift=SHIFTS[name], size=48)
    return folder


def write_study(folder: Path, kind: str, body: str, settings: str = "bootstrap = 60") -> Path:
    """Write a study file of one study into the folder of categories."""
    text = f"""
[settings]
{settings}
[datasets]
scenes = {{path = "scenes", each = "folder"}}
[backbones.pixels]
[backbones.colours]
backbone = "colour_moments"
[studies.{kind}]
datasets = ["scenes"]
backbones = ["pixels", "colours"]
{body}
"""
    file = folder / "mine.toml"
    file.write_text(text, encoding="utf-8")
    return file
