"""`howfar select` as a user runs it: what is printed where, what is written, the exit code."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from howfar.cli.main import run
from howfar.demo import write_dataset
from howfar.results import Selection
from run_ids import rewrite, rewrite_text

COUNTS = {"roads": 10, "site a": 12, "new": 6}
WRITTEN = {
    "chosen.txt", "chosen.csv", "contact_sheet.png", "coco.json", "cvat.xml", "label_studio.json", "label_studio.xml",
    "selection.json",
}  # fmt: skip
WHY = "auto took random: no strategy has been shown to beat random (howfar strategies)"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A run of two secondaries, and an evaluation of "site a" without masks: run/, site.parquet."""
    folder = tmp_path_factory.mktemp("select")
    for seed, (name, count) in enumerate(COUNTS.items()):
        write_dataset(folder / name, count, seed=seed, shift=0.5 * seed, size=32)
    shutil.rmtree(folder / "site a" / "masks")
    (folder / "maps").mkdir()
    for k in range(1, 13):
        share = np.full((32, 32), 20 * k, dtype=np.uint8)
        Image.fromarray(share).save(folder / "maps" / f"{k:04}.png")
    quiet = ["--bootstrap", "0", "--permutations", "0", "--no-baselines", "--store", str(folder / "store")]
    names = [str(folder / name) for name in COUNTS]
    assert run(["compare", *names, "--backbone", "colour_moments", "--out", str(folder / "run"), *quiet]) == 0
    maps = ["--predictions", str(folder / "maps"), "--threshold", "0.5", "-o", str(folder / "site.parquet")]
    assert run(["evaluate", str(folder / "site a"), *maps]) == 0
    return folder


@pytest.fixture
def place(made, tmp_path, capsys) -> Path:
    """A copy of the run that a test may write to."""
    capsys.readouterr()
    return Path(shutil.copytree(made / "run", tmp_path / "run"))


def test_the_list_is_printed_and_written_into_the_run(made, place, howfar):
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    code, out, err = howfar("select", place, "--dataset", "site a", "-k", 3)
    assert (code, err) == (0, "")
    folder = place / "select-site a"
    found = Selection.load(folder)
    lines = out.splitlines()
    assert lines[0] == found.caption() == "3 of 12 images of site a, chosen by random, seed 0"
    assert lines[1].split() == ["image", "rank", "distance", "reason"]
    for line, pick in zip(lines[2:5], found.picks, strict=True):
        assert line.split()[:3] == [pick.image, str(pick.rank), f"{pick.distance:.3f}"]
        assert line.endswith(pick.reason)
    assert " ".join(lines[5:-3]) == found.why == WHY
    assert lines[-3] == f"list: {folder / 'chosen.txt'}"
    beside = "chosen.csv, contact_sheet.png, coco.json, cvat.xml, label_studio.json, label_studio.xml, selection.json"
    assert lines[-2] == f"beside it: {beside}"
    assert lines[-1] == "label these to train; to measure site a, howfar certify draws its own"
    assert {path.name for path in folder.iterdir()} == WRITTEN
    assert [Path(line).is_file() for line in (folder / "chosen.txt").read_text().splitlines()] == [True] * 3
    assert {path: path.read_bytes() for path in before} == before


def test_what_the_model_predicted_and_the_images_are_handed_over(made, place, tmp_path, howfar):
    out = tmp_path / "out"
    names = ("--label-names", "Riß", "--label-names", "joint")
    maps = ("--predictions", made / "maps", "--threshold", "0.6")
    code, printed, err = howfar(
        "select", place, "--dataset", "site a", "-k", 12, *maps, *names, "--with-images", "copy", "--out", out
    )
    assert (code, err) == (0, "")
    assert "label_studio.xml, selection.json, coco.zip, cvat.zip\n" in printed
    assert {path.name for path in out.iterdir()} == WRITTEN | {"coco.zip", "cvat.zip"}
    document = json.loads((out / "coco.json").read_text(encoding="utf-8"))
    assert [category["name"] for category in document["categories"]] == ["Riß", "joint"]
    assert len(document["annotations"]) == 5  # maps of 160, 180 … 240 are above 0.6
    assert Selection.load(out).label_names == {"Riß": "foreground", "joint": "foreground"}


def test_a_dataset_named_like_a_path_gets_a_folder_in_the_run(place, howfar):
    for name in ("images.parquet", "primary.parquet"):
        frame = pd.read_parquet(place / name)
        rewrite(frame.replace({"new": "../2024\\new"}), place / name)
    rewrite_text(place / "result.json", lambda text: text.replace('"new"', '"../2024\\\\new"'))
    code, _, err = howfar("select", place, "--dataset", "../2024\\new", "-k", 2)
    assert (code, err) == (0, "")
    assert (place / "select-..-2024-new" / "chosen.txt").is_file()
