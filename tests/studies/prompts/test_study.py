from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import howfar
from howfar.cli.main import run
from howfar.errors import InputError, MissingPathError
from howfar.paper import prompts
from howfar.paper.promptable_networks import ClipSeg, Sam
from howfar.paper.prompts_report import BACKGROUND, FOREGROUND, lead, prompting_rows, write_prompting_report
from howfar.results.records import matching
from howfar.results.segmenter_studies import Prompting

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


def test_the_reference_is_scored_nowhere(made: tuple[Prompting, Path]) -> None:
    found, _ = made
    assert "0001.jpg" not in set(found.images.loc[found.images["dataset"] == "roads", "image"])
    assert set(found.images.groupby(["prompt", "dataset"]).size()) == {4, 5}


def test_every_image_says_what_was_told(made: tuple[Prompting, Path], roads: Path) -> None:
    found, _ = made
    for row in found.images.to_dict("records"):
        told = json.loads(row["told"])
        mask = howfar.data.read_mask(row["mask"])
        if row["prompt"] == "points":
            assert told["labels"] == [1, 1, 1, 0, 0, 0]
            assert [mask[int(y), int(x)] for x, y in told["points"]] == [True] * 3 + [False] * 3
        assert (told["box"] is not None) == (row["prompt"] == "box")


def test_a_picture_is_encoded_once(sam_folder: Path, roads: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    plain = Sam.encode

    def counted(self: Sam, picture: Image.Image) -> Any:
        seen.append(1)
        return plain(self, picture)

    monkeypatch.setattr(Sam, "encode", counted)
    howfar.prompts(roads, KINDS, out=tmp_path / "out", **options(sam_folder, roads))
    # Five, and the reference.
    assert len(seen) == 6


def test_a_study_goes_on_where_it_was(
    made: tuple[Prompting, Path], sam_folder: Path, roads: Path, walls: Path, written: list[Path]
) -> None:
    found, out = made
    maps = sorted(out.rglob("maps/**/*.png"))
    maps[0].unlink()
    again = howfar.prompts([roads, walls], KINDS, out=out, **options(sam_folder, roads))
    assert written == [maps[0]]
    pd.testing.assert_frame_equal(again.images, found.images)
    pd.testing.assert_frame_equal(again.scores, found.scores)


def test_fewer_images_leave_the_others_points(sam_folder: Path, walls: Path, tmp_path: Path) -> None:
    few, all_of = (
        howfar.prompts(walls, "points", out=tmp_path / str(limit), sam=sam_folder, limit=limit, progress=False)
        for limit in (2, None)
    )
    assert few.scores["n"].tolist() == [2]
    both = few.images.merge(all_of.images, on="image")
    assert len(both) == 2
    assert (both["told_x"] == both["told_y"]).all()


def test_images_without_foreground_are_left_out(sam_folder: Path, walls: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(walls, tmp_path / "some"))
    Image.new("L", (64, 64)).save(folder / "masks" / "0001.png")
    (folder / "masks" / "0002.png").unlink()
    found = howfar.prompts(folder, "box", out=tmp_path / "out", sam=sam_folder, progress=False)
    assert found.images["image"].tolist() == ["0003.jpg", "0004.jpg"]
    for file in ("0003.png", "0004.png"):
        Image.new("L", (64, 64)).save(folder / "masks" / file)
    with pytest.raises(InputError, match="dataset some must have masks with foreground"):
        howfar.prompts(folder, "box", out=tmp_path / "other", sam=sam_folder, progress=False)


def test_texts_are_clipsegs(walls: Path, tmp_path: Path) -> None:
    texts = ["a crack", "a crack", "a wall"]
    found = howfar.prompts(walls, "text", out=tmp_path / "out", texts=texts, pretrained=False, limit=1, progress=False)
    assert found.prompts == ("text: a crack", "text: a wall")
    assert any("random weights" in note for note in found.notes)
    network = ClipSeg(pretrained=False)
    (row,) = found.images[found.images["prompt"] == "text: a wall"].to_dict("records")
    with Image.open(row["path"]) as picture, Image.open(tmp_path / "out" / row["map"]) as written:
        expected = np.round(255 * network.probabilities(picture, "a wall"))
        assert np.abs(np.asarray(written, dtype=np.float64) - expected).max() <= 1
    assert json.loads(row["told"])["text"] == "a wall"


@pytest.mark.parametrize(
    ("kinds", "others", "words"),
    [
        ("clicks", {}, "prompts must be of points, box, text, persam, got 'clicks'"),
        ((), {}, "kinds must"),
        ("persam", {}, "reference must be an image and its mask for persam"),
        ("box", {"reference": ("a", "b")}, "reference is of use to persam alone"),
        ("persam", {"reference": ("a", "b")}, "reference must name files, and a is none"),
        ("points", {"foreground_points": 0}, "foreground_points must"),
        ("text", {"texts": [" "]}, "texts must hold words"),
        ("text", {"texts": []}, "texts must hold words"),
        ("box", {"texts": ["a"]}, "texts is of use to text alone"),
        ("box", {"clipseg": "a"}, "clipseg is of use to text alone"),
        ("text", {"sam": "a"}, "sam is of use to box or persam or points alone"),
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


def test_the_figure_shows_prompts_where_they_were_given(made: tuple[Prompting, Path]) -> None:
    found, out = made
    figure = prompting_rows(found, folder=out)
    axes = figure.axes[0]
    images = {image.get_label(): image.get_extent() for image in axes.get_images()}
    columns = ("photograph", "ground truth", *KINDS, *(f"{kind} on the photograph" for kind in KINDS))
    assert set(images) == {f"{name}:{column}" for name in ("roads", "walls") for column in columns}
    left, right, bottom, top = images["walls:box on the photograph"]
    boxes = [line for line in axes.get_lines() if line.get_marker() == "None" and line.get_color() == FOREGROUND]
    (inside,) = [line for line in boxes if top <= min(line.get_ydata()) and left <= min(line.get_xdata()) <= right]
    row = matching(found.images, prompt="box", dataset="walls").set_index("image")
    shown = next(text.get_text() for text in axes.texts if text.get_text().startswith("00") and text.get_position()[1] > 1)
    # The pictures are 64 × 64.
    x0, y0, x1, y1 = json.loads(row.loc[shown.split(" ")[0], "told"])["box"]
    for drawn, ends, low, high in ((inside.get_xdata(), (x0, x1), left, right), (inside.get_ydata(), (y0, y1), top, bottom)):
        assert (min(drawn), max(drawn)) == pytest.approx(tuple(low + end / 64 * (high - low) for end in ends))
    # The map lies below its prompt.
    assert images["walls:box"][:2] == pytest.approx((left, right))
    assert images["walls:box"][3] > bottom


def test_the_figure_marks_foreground_and_background(made: tuple[Prompting, Path]) -> None:
    found, out = made
    axes = prompting_rows(found, folder=out).axes[0]
    images = {image.get_label(): image.get_extent() for image in axes.get_images()}
    for kind, count in (("points", 3), ("persam", 1)):
        left, right, bottom, top = images[f"walls:{kind} on the photograph"]
        marks = [
            (line.get_color(), line.get_marker())
            for line in axes.get_lines()
            if len(line.get_xdata()) == 1 and left <= line.get_xdata()[0] <= right and top <= line.get_ydata()[0] <= bottom
        ]
        assert sorted(marks) == sorted([(FOREGROUND, "o")] * count + [(BACKGROUND, "X")] * count)


def test_the_figure_titles_maps_with_their_texts(walls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ClipSeg, "probabilities", lambda *_: np.full((64, 64), 0.7, np.float32))
    texts = ("road pavement surface", "a crack or multiple cracks", "cracks", "a", "b")
    found = howfar.prompts(walls, "text", out=tmp_path / "out", texts=texts, pretrained=False, limit=1, progress=False)
    axes = prompting_rows(found, folder=tmp_path / "out").axes[0]
    images = {image.get_label(): image.get_extent() for image in axes.get_images()}
    assert set(images) == {f"walls:{name}" for name in ("photograph", "ground truth", *found.prompts)}
    titles = {" ".join(text.get_text().split()): text for text in axes.texts}
    for text in texts:
        left, right, _, top = images[f"walls:text: {text}"]
        x, y = titles[f"“{text}”"].get_position()
        assert left < x < right
        assert top - 0.1 < y < top
    # Five texts beside photograph and ground truth take two lines.
    assert images["walls:text: b"][3] > images["walls:text: a crack or multiple cracks"][2]


def test_the_page(made: tuple[Prompting, Path], tmp_path: Path) -> None:
    out = made[1]
    found = Prompting.load(out)
    text = write_prompting_report(found, out).read_text()
    assert lead(found) in text.replace("&nbsp;", " ").replace("\u00a0", " ")
    assert 'id="figure-prompting_rows"' in text
    for row in found.scores.to_dict("records"):
        assert f"{row['ods']:.3g}" in text
    assert "points and boxes are taken from the masks" in text


def test_the_command(sam_folder: Path, walls: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
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


def test_another_mask_of_the_reference_is_learnt_anew(
    sam_folder: Path, roads: Path, walls: Path, tmp_path: Path, written: list[Path]
) -> None:
    for mask in ("0001", "0002", "0002"):
        given = (roads / "images" / "0001.jpg", roads / "masks" / f"{mask}.png")
        howfar.prompts(walls, "persam", out=tmp_path / "out", sam=sam_folder, reference=given, steps=1, limit=1, progress=False)
    assert len(written) == 2


def test_texts_that_differ_in_a_letter_have_maps_of_their_own(
    walls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        ClipSeg, "probabilities", lambda self, picture, text: np.full((64, 64), 0.9 if text == "Crack" else 0.2, np.float32)
    )
    texts = ("crack", "Crack", "crack.", "c" * 300)
    found = howfar.prompts(walls, "text", out=tmp_path / "out", texts=texts, pretrained=False, limit=1, progress=False)
    assert found.images["map"].nunique() == 4
    f = found.scores.set_index("prompt")["f"]
    assert f["text: Crack"] > 0
    assert f["text: crack"] == f["text: crack."] == 0


def test_images_that_cannot_be_scored_are_skipped(sam_folder: Path, walls: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(walls, tmp_path / "some"))
    (folder / "images" / "0001.jpg").write_bytes((folder / "images" / "0001.jpg").read_bytes()[:300])
    Image.fromarray(np.full((10, 20), 255, np.uint8)).save(folder / "masks" / "0002.png")
    found = howfar.prompts(folder, "box", out=tmp_path / "out", sam=sam_folder, progress=False)
    assert found.images["image"].tolist() == ["0003.jpg", "0004.jpg"]
    assert sorted(Path(one.path).name for one in found.skipped) == ["0001.jpg", "0002.jpg"]
    assert "is 64×64, and its mask 10×20" in {one.reason for one in found.skipped}


def test_absent_weights_name_the_option(walls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    for kind, option in (("box", "sam"), ("text", "clipseg")):
        with pytest.raises(MissingPathError, match=f"pass {option}=FOLDER"):
            howfar.prompts(walls, kind, out=tmp_path / "out", progress=False)


def test_the_folder_may_be_named_from_here(
    sam_folder: Path, walls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = howfar.prompts(walls, "box", out="out", sam=sam_folder, limit=1, progress=False)
    assert all((tmp_path / "out" / name).is_file() for name in found.images["map"])
    assert (tmp_path / "out" / "report.html").is_file()
