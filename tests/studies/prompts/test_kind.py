"""The study of prompts of a study file gives what `howfar.prompts` gives, with weights from the file's backbones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import howfar
from howfar.errors import InputError
from howfar.paper.prompts_report import average_f, lead, section
from howfar.report.section import Context, FigurePart, TablePart
from howfar.results.records import Provenance
from howfar.results.segmenter_studies import RANDOM_WEIGHTS, Prompting
from howfar.studies.study_file.run_study import study

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
DOCUMENTS = ("prompting.json", "prompting.parquet")


@pytest.fixture(scope="module")
def text(sam_folder: Path, roads: Path, walls: Path) -> str:
    return STUDY.format(sam=sam_folder, roads=roads, walls=walls)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory, text: str) -> Path:
    root = tmp_path_factory.mktemp("prompts")
    (root / "mine.toml").write_text(text)
    study(root / "mine.toml", progress=False)
    return root / "mine"


@pytest.fixture(scope="module")
def found(out: Path) -> Prompting:
    return Prompting.load(out / "prompts")


def test_it_is_what_prompts_gives(
    found: Prompting, out: Path, roads: Path, walls: Path, sam_folder: Path, tmp_path: Path
) -> None:
    kept = set(found.images.loc[found.images["dataset"] == "walls", "image"])
    assert len(kept) == 3
    reference = (roads / "images" / "0001.jpg", roads / "masks" / "0001.png")
    alone = howfar.prompts(
        roads, ("points", "persam"), out=tmp_path, reference=reference, sam=sam_folder, steps=2, limit=4, progress=False
    )
    own = found.scores[found.scores["dataset"] == "roads"].reset_index(drop=True)
    pd.testing.assert_frame_equal(own, alone.scores)
    assert found.to_dict()["settings"] == alone.to_dict()["settings"]
    assert {path.name for path in (out / "prompts").iterdir()} == {"done.json", "maps", *DOCUMENTS}


def test_the_section_has_a_figure_and_intervals(found: Prompting, out: Path) -> None:
    made = section(found, Context(out / "prompts"))
    figure, mean_f, ods = made.parts
    assert isinstance(figure, FigurePart)
    assert figure.label == "Figures 11 and 12"
    assert isinstance(mean_f, TablePart)
    assert isinstance(ods, TablePart)
    images = found.images
    own = images[(images["prompt"] == "points") & (images["dataset"] == "roads")]["f"]
    average = average_f(found, "points", "roads")
    assert average.value == pytest.approx(own.mean())
    drawn = np.random.default_rng(0).choice(own, (20000, len(own))).mean(axis=1)
    assert (average.low, average.high) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])), abs=0.02)
    assert mean_f.table.rows[0][1].text.startswith(f"{own.mean():.3f} [")


def test_a_reference_is_drawn_where_none_is_named(out: Path, text: str, roads: Path) -> None:
    file = out.parent / "drawn.toml"
    file.write_text(text.replace('reference_image = "0001.jpg"\n', "").replace('["points", "persam"]', '["persam"]'))
    found = study(file, progress=False)["prompts"]
    assert found.settings["reference"] in {path.name for path in (roads / "images").iterdir()}
    assert found.settings["reference"] not in set(found.images.loc[found.images["dataset"] == "roads", "image"])


def believed(points: list[float], box: list[float], *notes: str) -> Prompting:
    """The F of two prompts on the same images."""
    names = [str(number) for number in range(len(points))]
    rows = [
        {"prompt": prompt, "dataset": "roads", "image": name, "f": f}
        for prompt, values in (("points", points), ("box", box))
        for name, f in zip(names, values, strict=True)
    ]
    settings = {"seed": 0}
    tables, made = (pd.DataFrame(), pd.DataFrame(rows)), {"provenance": Provenance.now(), "notes": notes}
    return Prompting(("roads",), ("points", "box"), settings, *tables, **made)


def test_the_lead_says_what_is_chance() -> None:
    points = np.linspace(0.2, 0.8, 12)
    near = points - 0.1 * np.cos(np.arange(12)) - 0.005
    assert "(beyond chance not above box)" in lead(believed(points.tolist(), near.tolist()))
    clear = lead(believed(points.tolist(), (points - 0.05).tolist()))
    assert clear.startswith("On roads points has the highest mean F at 0.5, 0.500 [")
    assert "chance" not in clear
    assert lead(believed(points.tolist(), near.tolist(), RANDOM_WEIGHTS)).startswith("The networks have random weights:")


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ('sam = "small"', 'sam = "pixels"', "sam must name an entry of the backbone sam, got 'pixels': write backbone ="),
        ('reference = "roads"\n', "", "reference goes with persam alone"),
        ('"points", "persam"', '"points"', "reference goes with persam alone"),
        ('"0001.jpg"', '"9.jpg"', "reference_image must be an image of the dataset reference"),
        ('"points", "persam"', '"points", "circles", "persam"', "prompts must be of points, box, text, persam, got 'circles'"),
        ("steps = 2", 'texts = ["a crack"]', "texts is of use to text alone"),
        ("steps = 2", "stepz = 2", "nearest known|steps"),
        ('", "persam"]\nsam = "small"', '", "persam", "text"]\nclipseg = "random"\nsam = "small"', "must both have published"),
    ],
)
def test_bad_settings_are_refused_before_any_work(tmp_path: Path, text: str, old: str, new: str, line: str) -> None:
    assert old in text
    (tmp_path / "bad.toml").write_text(text.replace(old, new))
    with pytest.raises(InputError, match=line):
        study(tmp_path / "bad.toml", progress=False)
    assert not (tmp_path / "bad").exists()
