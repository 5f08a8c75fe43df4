"""Red on blue with `foreground` gives in every command just what white on black gives without, and is refused alone."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import howfar
from howfar.cli.main import run
from howfar.data import Dataset, parse, read_mask
from howfar.demo import write_dataset
from howfar.errors import HowfarError, InputError
from howfar.explore.run_photographs_and_masks import masks_of
from howfar.image_reading_options import reading_by
from howfar.studies.study_file.run_and_estimate import fingerprint
from howfar.training.image_mask_pairs import examples_of, read_pairs

RED, BLUE = (255, 0, 0), (0, 0, 255)
REFUSED = r"a mask of the colours .*; name the one that is foreground, as --foreground '#ff0000'"


def colour(folder: Path) -> None:
    """Make white on black red on blue."""
    for file in folder.iterdir():
        mask = np.asarray(Image.open(file).convert("L")) > 127
        Image.fromarray(np.where(mask[..., None], np.uint8(RED), np.uint8(BLUE))).save(file)


@pytest.fixture(scope="module")
def roads(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same dataset with masks of black and white, and with coloured ones; and maps of a model."""
    root = tmp_path_factory.mktemp("roads")
    plain = write_dataset(root / "plain" / "roads", 8, seed=0, size=48)
    coloured = Path(shutil.copytree(plain, root / "coloured" / "roads"))
    rng = np.random.default_rng(0)
    (root / "maps").mkdir()
    for number, file in enumerate(sorted((plain / "masks").iterdir())):
        p = np.where(read_mask(file), rng.random((48, 48)), 0.1 * number * rng.random((48, 48)))
        Image.fromarray((255 * p).astype(np.uint8)).save(root / "maps" / file.name)
    colour(coloured / "masks")
    return {"plain": plain, "coloured": coloured, "maps": root / "maps"}


def test_evaluate(roads: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    wanted = howfar.evaluate(roads["plain"], roads["maps"], progress=False)
    found = howfar.evaluate(roads["coloured"], roads["maps"], foreground="#ff0000", progress=False)
    assert found.scores == wanted.scores
    pd.testing.assert_frame_equal(found.images.drop(columns="path"), wanted.images.drop(columns="path"))
    with pytest.raises(InputError, match=rf"the first is 0001.jpg: the mask .*/masks/0001.png: {REFUSED}"):
        howfar.evaluate(roads["coloured"], roads["maps"], progress=False)
    arguments = ["evaluate", str(roads["coloured"]), "--predictions", str(roads["maps"]), "--foreground", "#ff0000", "--json"]
    assert run(arguments) == 0
    assert json.loads(capsys.readouterr().out)["scores"] == wanted.scores
    assert run([*arguments[:-2], "red"]) == 2
    assert "foreground must be a colour of the masks, got 'red': write 255, '#ff0000' or 255,0,0" in capsys.readouterr().err
    with pytest.raises(InputError, match="foreground is of no use to classification"):
        howfar.evaluate(roads["coloured"], roads["maps"], foreground=255, task="classification")


def test_training_reads_the_same_pairs_and_is_done_anew_for_another_colour(roads: dict[str, Path]) -> None:
    pairs = {}
    for name, place, written in (("plain", "plain", None), ("red", "coloured", "#ff0000"), ("blue", "coloured", "#0000ff")):
        with reading_by(written):
            dataset = parse(roads[place])
        assert isinstance(dataset, Dataset)
        pairs[name] = read_pairs(examples_of(dataset), 32, progress=False), fingerprint(dataset)
    assert np.array_equal(pairs["plain"][0].masks, pairs["red"][0].masks)
    assert not np.array_equal(pairs["red"][0].masks, pairs["blue"][0].masks)
    with reading_by("#ff0000"):
        shown = masks_of({"roads": str(roads["coloured"])})
    assert read_mask(shown["roads", "0001.jpg"]).mean() < 0.5
    assert len({each.fingerprint for each, _ in pairs.values()}) == len({state for _, state in pairs.values()}) == 3
    with pytest.raises(HowfarError, match=rf"roads/0001.jpg: the mask .*/0001.png: {REFUSED}"):
        read_pairs(examples_of(Dataset.from_folder(roads["coloured"])), 32, progress=False)
