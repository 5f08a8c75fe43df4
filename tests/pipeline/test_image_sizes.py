"""Images much larger than what a model learnt from: who is warned, and who is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import howfar
from howfar.pipeline.prediction import Predicted, load_model, predict, size_note
from howfar.segmenters.checkpoint import Checkpoint
from tiny_checkpoints import tiny_checkpoint

SIDE = 32


def checkpoint(sides: dict[str, float] | None) -> Checkpoint:
    return tiny_checkpoint() if sides is None else tiny_checkpoint(sides=sides)


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    for kind in ("images", "masks"):
        (tmp_path / "site" / kind).mkdir(parents=True)
    for number, (width, height) in enumerate([(40, 40), (90, 60), (80, 50)]):
        pixels = np.random.default_rng(number).integers(0, 255, (height, width, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "site" / "images" / f"{number}.png")
        Image.fromarray(np.eye(height, width, dtype=np.uint8) * 255).save(tmp_path / "site" / "masks" / f"{number}.png")
    return tmp_path / "site"


def run(model: Checkpoint, photographs: Path, maps: Path, *, flipped: bool = False, **options: object) -> Predicted:
    return predict(load_model(model, device="cpu", **options), photographs, maps, flipped=flipped, progress=False)


def test_the_note_says_how_many_how_large_and_what_to_do(photographs: Path, tmp_path: Path) -> None:
    (note,) = run(checkpoint({"median": 20.0, "largest": 30.0}), photographs, tmp_path / "maps").notes
    assert note == (
        "2 of 3 images of site are much larger (side up to 73 px) than what the model learnt from (at most 30 px): "
        "thin structures may vanish by resizing, predict by tiles (--tile)"
    )


def test_maps_that_are_there_already_are_warned_of_too(photographs: Path, tmp_path: Path) -> None:
    model = checkpoint({"median": 8.0, "largest": 10.0})
    first, second = (run(model, photographs, tmp_path / "maps") for _ in range(2))
    assert (second.written, second.kept) == (0, 3)
    assert first.notes == second.notes
    assert first.notes[0].startswith("all images of site")


@pytest.mark.parametrize(
    ("largest", "options", "warned"),
    [
        (None, {}, False),  # an older card
        (37.0, {}, False),  # of twice the side
        (20.0, {}, True),
        (20.0, {"tiled": True}, False),
        (20.0, {"size": 2 * SIDE}, False),
    ],
)
def test_who_is_warned(largest: float | None, options: dict[str, Any], warned: bool, photographs: Path, tmp_path: Path) -> None:
    model = checkpoint(None if largest is None else {"median": largest - 1.0, "largest": largest})
    assert bool(run(model, photographs, tmp_path / "maps", **options).notes) is warned


def test_an_evaluation_of_a_model_says_so_too(photographs: Path) -> None:
    model = load_model(checkpoint({"median": 8.0, "largest": 20.0}), device="cpu")
    notes = howfar.evaluate(photographs, model=model, progress=False).notes
    assert [note for note in notes if "much larger" in note] == [notes[0]]
    older = replace(model, card=checkpoint(None).card)
    assert not any("much larger" in note for note in howfar.evaluate(photographs, model=older, progress=False).notes)


def test_maps_that_are_gone_count_for_nothing(tmp_path: Path) -> None:
    assert size_note("site", {"sides": {"largest": 1.0}}, 8, 8, [tmp_path / "none.png"]) == ""
