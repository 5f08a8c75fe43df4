"""What a model predicted on chosen images is found in a folder of maps, in a file, or in the run's relation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import howfar
from howfar.data.label_exports import read_export
from howfar.demo import write_dataset
from howfar.errors import InputError, MissingPathError
from howfar.results import Comparison

N = 5


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of roads against a site, and maps of the site in which the foreground is p = 0.4."""
    folder = tmp_path_factory.mktemp("first")
    for seed, name in enumerate(("roads", "site")):
        write_dataset(folder / name, N, seed=seed, size=32)
    (folder / "maps").mkdir()
    for k in range(1, N + 1):
        shown = np.zeros((32, 32), np.uint8)
        shown[:k, :3] = 102
        Image.fromarray(shown).save(folder / "maps" / f"{k:04}.png")
    compared = howfar.compare(
        str(folder / "roads"), str(folder / "site"), "colour_moments", store=folder / "store", bootstrap=0, permutations=0,
        baselines=False, rivals=False, progress=False,
    )  # fmt: skip
    compared.save(folder / "run")
    return folder


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    return Comparison.load(made / "run").save(tmp_path / "run")


def areas(folder: Path) -> dict[str, int]:
    images = read_export(folder / "coco.json").images
    return {image.name: int(sum(mark.draw().sum() for mark in image.marks if mark.draw)) for image in images}


WANTED = {f"{k:04}.jpg": 3 * k for k in range(1, N + 1)}


def test_maps_are_read_at_a_threshold(run: Path, made: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    howfar.select(run, "site", N, predictions=made / "maps", out=out)
    assert set(areas(out).values()) == {0}
    howfar.select(run, "site", N, predictions=made / "maps", threshold=0.3, out=out)
    assert areas(out) == WANTED


def test_maps_on_record_are_taken_at_the_relation_s_threshold(run: Path, made: Path, tmp_path: Path) -> None:
    evaluated = howfar.evaluate(str(made / "site"), made / "maps", threshold=0.3, progress=False)
    howfar.relate(run, evaluated, threshold=0.3, bootstrap=0).save(run)
    howfar.select(run, "site", N, out=tmp_path / "out")
    assert areas(tmp_path / "out") == WANTED


def test_what_is_missing_or_does_not_fit_is_noted(run: Path, made: Path, tmp_path: Path) -> None:
    maps = tmp_path / "maps"
    maps.mkdir()
    Image.new("L", (32, 32), 255).save(maps / "0001.png")
    Image.new("L", (16, 32), 255).save(maps / "0002.png")
    with pytest.warns(UserWarning, match="first label") as caught:
        howfar.select(run, "site", N, predictions=maps, out=tmp_path / "out")
    assert [str(warning.message).partition(" images ")[0] for warning in caught] == ["3 of 5", "1 of 5"]
    assert "(0002.jpg: its map is of 16×32 pixels, the image of 32×32)" in str(caught[1].message)
    assert areas(tmp_path / "out")["0001.jpg"] == 32 * 32


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"predictions": "none.txt"}, InputError, "predictions must be a folder of maps, a table of classes"),
        ({"predictions": "none.json"}, MissingPathError, "none.json"),
        ({"min_score": 0.5}, InputError, "min_score is of no use without boxes"),
    ],
)
def test_bad_input_is_one_line(options: dict[str, Any], error: type, words: str, run: Path) -> None:
    with pytest.raises(error, match=words) as caught:
        howfar.select(run, "site", 2, **options)
    assert "\n" not in str(caught.value)
