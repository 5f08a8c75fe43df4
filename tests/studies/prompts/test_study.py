"""The study of prompts: what is prompted, kept, shown and refused."""

import json
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import howfar
from howfar import registry
from howfar.cli.main import run
from howfar.errors import InputError, MissingPathError
from howfar.paper import prompts
from howfar.paper.promptable_networks import ClipSeg
from howfar.results.display_and_shared_records import matching
from howfar.results.segmenter_studies import Prompting
from howfar.studies.study_file.run_and_estimate import study
from undrawn import REPORTS

pytestmark = pytest.mark.usefixtures("undrawn")
KINDS = ("points", "box", "persam")


def options(sam_folder: Path, roads: Path, **others: Any) -> dict[str, Any]:
    reference = (roads / "images" / "0001.jpg", roads / "masks" / "0001.png")
    return {"sam": sam_folder, "reference": reference, "steps": 2, "progress": False, **others}


@pytest.fixture(scope="module")
def made(sam_folder: Path, roads: Path, walls: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Prompting, Path]:
    out = tmp_path_factory.mktemp("study") / "out"
    return howfar.prompts([roads, walls], KINDS, out=out, **options(sam_folder, roads)), out


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The maps that are written, in their order."""
    paths, plain = list[Path](), prompts.write_map
    monkeypatch.setattr(prompts, "write_map", lambda path, *rest: (paths.append(path), plain(path, *rest)))
    return paths


def test_scores_are_evaluates(made: tuple[Prompting, Path], walls: Path) -> None:
    found, out = made
    for kind in KINDS:
        scored = howfar.evaluate(walls, out / "maps" / kind / "walls", threshold=0.5, progress=False)
        row = matching(found.scores, prompt=kind, dataset="walls").iloc[0]
        assert row["n"] == 4
        for name in ("ods", "ois", "ap", "f", "mean_f"):
            np.testing.assert_equal(row[name], np.nan if scored.scores[name] is None else scored.scores[name])


def test_the_reference_is_scored_nowhere_and_every_image_says_what_was_told(made: tuple[Prompting, Path]) -> None:
    found, _ = made
    assert "0001.jpg" not in set(found.images.loc[found.images["dataset"] == "roads", "image"])
    assert set(found.images.groupby(["prompt", "dataset"]).size()) == {4, 5}
    for row in found.images.to_dict("records"):
        told = json.loads(row["told"])
        mask = howfar.data.read_mask(row["mask"])
        if row["prompt"] == "points":
            assert told["labels"] == [1, 1, 1, 0, 0, 0]
            assert [mask[int(y), int(x)] for x, y in told["points"]] == [True] * 3 + [False] * 3
        assert (told["box"] is not None) == (row["prompt"] == "box")


def test_a_study_goes_on_where_it_was(made, sam_folder, roads, walls, written):
    found, out = made
    maps = sorted(out.rglob("maps/**/*.png"))
    maps[0].unlink()
    again = howfar.prompts([roads, walls], KINDS, out=out, **options(sam_folder, roads))
    assert written == [maps[0]]
    pd.testing.assert_frame_equal(again.images, found.images)
    pd.testing.assert_frame_equal(again.scores, found.scores)


def test_images_that_cannot_be_scored_are_left_out(sam_folder: Path, walls: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(walls, tmp_path / "some"))
    for name in ("0005", "0006"):
        shutil.copy(folder / "images" / "0004.jpg", folder / "images" / f"{name}.jpg")
    Image.new("L", (64, 64)).save(folder / "masks" / "0005.png")
    (folder / "images" / "0001.jpg").write_bytes((folder / "images" / "0001.jpg").read_bytes()[:300])
    Image.fromarray(np.full((10, 20), 255, np.uint8)).save(folder / "masks" / "0002.png")
    found = howfar.prompts(folder, "box", out=tmp_path / "out", sam=sam_folder, progress=False)
    assert found.images["image"].tolist() == ["0003.jpg", "0004.jpg"]
    assert sorted(Path(one.path).name for one in found.skipped) == ["0001.jpg", "0002.jpg"]
    assert "is 64×64, and its mask 10×20" in {one.reason for one in found.skipped}
    for file in ("0003.png", "0004.png"):
        Image.new("L", (64, 64)).save(folder / "masks" / file)
    with pytest.raises(InputError, match="dataset some must have masks with foreground"):
        howfar.prompts(folder, "box", out=tmp_path / "other", sam=sam_folder, progress=False)


@pytest.fixture(scope="module")
def one_clipseg() -> Iterator[None]:
    """Build the network of random weights once: it has 150 million parameters."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prompts, "ClipSeg", cache(ClipSeg))
        yield


@pytest.mark.usefixtures("one_clipseg")
def test_texts_are_clipsegs(walls: Path, tmp_path: Path) -> None:
    texts = ["a crack", "a crack", "a wall"]
    found = howfar.prompts(walls, "text", out=tmp_path / "out", texts=texts, pretrained=False, limit=1, progress=False)
    assert found.prompts == ("text: a crack", "text: a wall")
    assert any("random weights" in note for note in found.notes)
    network = prompts.ClipSeg(None, pretrained=False, device="auto")
    (row,) = found.images[found.images["prompt"] == "text: a wall"].to_dict("records")
    with Image.open(row["path"]) as picture, Image.open(tmp_path / "out" / row["map"]) as written:
        expected = np.round(255 * network.probabilities(picture, "a wall"))
        assert np.abs(np.asarray(written, dtype=np.float64) - expected).max() <= 1
    assert json.loads(row["told"])["text"] == "a wall"


@pytest.mark.parametrize(
    ("kinds", "others", "words"),
    [
        ("clicks", {}, "prompts must be of points, box, box_point, text, persam, got 'clicks'"),
        ((), {}, "kinds must"),
        ("persam", {}, "reference must be an image and its mask for persam"),
        ("box", {"reference": ("a", "b")}, "reference is of use to persam alone"),
        ("persam", {"reference": ("a", "b")}, "reference must name files, and a is none"),
        ("points", {"foreground_points": 0}, "foreground_points must"),
        ("text", {"texts": [" "]}, "texts must hold words"),
        ("text", {"texts": []}, "texts must hold words"),
        ("box", {"texts": ["a"]}, "texts is of use to text alone"),
        ("box", {"clipseg": "a"}, "clipseg is of use to text alone"),
        ("text", {"sam": "a"}, "sam is of use to box or box_point or persam or points alone"),
    ],
)
def test_what_cannot_be_is_one_line(kinds: Any, others: dict[str, Any], words: str, walls: Path, tmp_path: Path) -> None:
    with pytest.raises((InputError, MissingPathError), match=words):
        howfar.prompts(walls, kinds, out=tmp_path / "out", progress=False, **others)


def test_maps_of_others_are_left_alone(sam_folder: Path, walls: Path, tmp_path: Path) -> None:
    place = tmp_path / "out" / "maps" / "box" / "walls"
    place.mkdir(parents=True)
    Image.new("L", (64, 64)).save(place / "0001.png")
    with pytest.raises(InputError, match="out must hold no maps that howfar did not write"):
        howfar.prompts(walls, "box", out=tmp_path / "out", sam=sam_folder, progress=False)


def test_the_command(sam_folder, walls, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(registry.OURS, "reports", REPORTS)  # type: ignore[arg-type]  # it is a dict
    out = tmp_path / "out"
    command = ["prompts", str(walls), "-o", str(out), "--kind", "box", "--limit", "2", "--sam", str(sam_folder)]
    assert run([*command, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["prompts"] == ["box"]
    assert run(command) == 0
    assert "report:" in capsys.readouterr().out
    (out / "report.html").unlink()
    assert run(["report", str(out)]) == 0
    assert (out / "report.html").is_file()
    assert run(["prompts", str(walls), "-o", str(out), "--kind", "persam", "--reference", "a.png"]) == 2
    assert "reference must be an image and its mask" in capsys.readouterr().err


def test_a_corrected_mask_is_told_anew(sam_folder: Path, walls: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(walls, tmp_path / "some"))
    first = howfar.prompts(folder, "box", out=tmp_path / "out", sam=sam_folder, progress=False)
    corrected = np.zeros((64, 64), dtype=np.uint8)
    corrected[3:9, 5:20] = 255
    Image.fromarray(corrected).save(folder / "masks" / "0002.png")
    again = howfar.prompts(folder, "box", out=tmp_path / "out", sam=sam_folder, progress=False)
    changed = first.images["told"] != again.images["told"]
    assert again.images.loc[changed, "image"].tolist() == ["0002.jpg"]
    assert json.loads(again.images.loc[changed, "told"].iloc[0])["box"] == [5.0, 3.0, 20.0, 9.0]


@pytest.mark.usefixtures("one_clipseg")
def test_texts_that_differ_in_a_letter_have_maps_of_their_own(walls, tmp_path, monkeypatch):
    monkeypatch.setattr(
        ClipSeg, "probabilities", lambda self, picture, text: np.full((64, 64), 0.9 if text == "Crack" else 0.2, np.float32)
    )
    texts = ("crack", "Crack", "crack.", "c" * 300)
    found = howfar.prompts(walls, "text", out=tmp_path / "out", texts=texts, pretrained=False, limit=1, progress=False)
    assert found.images["map"].nunique() == 4
    f = found.scores.set_index("prompt")["f"]
    assert f["text: Crack"] > 0
    assert f["text: crack"] == f["text: crack."] == 0


STUDY = """
[datasets]
roads.path = "{roads}"
walls = {{ path = "{walls}", limit = 3 }}
[backbones.small]
backbone = "sam"
weights = "{sam}"
[backbones.pixels]
[backbones.random]
backbone = "clipseg"
pretrained = false
[studies.prompts]
datasets = ["roads", "walls"]
prompts = ["points", "persam"]
sam = "small"
reference = "roads"
reference_image = "0001.jpg"
steps = 2
limit = 4
"""
FILES = ("prompting.json", "prompting.parquet")


@pytest.fixture(scope="module")
def study_text(sam_folder: Path, roads: Path, walls: Path) -> str:
    return STUDY.format(sam=sam_folder, roads=roads, walls=walls)


@pytest.fixture(scope="module")
def run_out(tmp_path_factory: pytest.TempPathFactory, study_text: str) -> Path:
    root = tmp_path_factory.mktemp("prompts")
    (root / "mine.toml").write_text(study_text)
    study(root / "mine.toml", progress=False)
    return root / "mine"


@pytest.fixture(scope="module")
def run_found(run_out: Path) -> Prompting:
    return Prompting.load(run_out / "prompts")


def test_it_is_what_prompts_gives(run_found, run_out, roads, walls, sam_folder, tmp_path):
    kept = set(run_found.images.loc[run_found.images["dataset"] == "walls", "image"])
    assert len(kept) == 3
    reference = (roads / "images" / "0001.jpg", roads / "masks" / "0001.png")
    alone = howfar.prompts(
        roads, ("points", "persam"), out=tmp_path, reference=reference, sam=sam_folder, steps=2, limit=4, progress=False
    )
    own = run_found.scores[run_found.scores["dataset"] == "roads"].reset_index(drop=True)
    pd.testing.assert_frame_equal(own, alone.scores)
    assert run_found.to_dict()["settings"] == alone.to_dict()["settings"]
    assert {path.name for path in (run_out / "prompts").iterdir()} == {"done.json", "maps", *FILES}


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ('sam = "small"', 'sam = "pixels"', "sam must name an entry of the backbone sam, got 'pixels': write backbone ="),
        ('reference = "roads"\n', "", "reference goes with persam alone"),
        ('"points", "persam"', '"points"', "reference goes with persam alone"),
        ('"0001.jpg"', '"9.jpg"', "reference_image must be an image of the dataset reference"),
        ('", "persam"]\nsam = "small"', '", "persam", "text"]\nclipseg = "random"\nsam = "small"', "must both have published"),
    ],
)
def test_bad_settings_are_refused_before_any_work(tmp_path: Path, study_text: str, old: str, new: str, line: str) -> None:
    assert old in study_text
    (tmp_path / "bad.toml").write_text(study_text.replace(old, new))
    with pytest.raises(InputError, match=line):
        study(tmp_path / "bad.toml", progress=False)
    assert not (tmp_path / "bad").exists()
