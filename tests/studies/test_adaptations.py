"""Adaptation, performance and suppression of two tiny segmenters by one study file, from training to the page."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from howfar import registry
from howfar.demo import write_dataset
from howfar.errors import HowfarError
from howfar.option_checks_and_signatures import declared
from howfar.options_by_function import AdaptOptions, SegmenterOptions, TrainingOptions
from howfar.results.adaptation_result import Adaptations
from howfar.results.study_run import StudyRun
from howfar.segmenters.checkpoint import Checkpoint
from howfar.studies.adaptation.several_segmenters import ADAPTATION
from howfar.studies.run_report import write_report
from howfar.studies.study_file.run_and_estimate import study
from tiny_studies import written

SIZES = {"roads": 12, "site": 12, "walls": 10, "plain": 6, "new": 3}
TINY = "size = 32\nepochs = 1\nbatch = 8\n"
STUDY = f"""
[settings]
seeds = [0]
[datasets]
roads = {{ path = "roads", stands_for = "P" }}
site = {{ path = "site", limit = 10, stands_for = "S_1" }}
walls = {{ path = "walls", stands_for = "S_4" }}
plain.path = "plain"
new.path = "new"
[models.deepcrack]
options = {{ width = 2 }}
{TINY}
[models.wide]
segmenter = "deepcrack"
options = {{ width = 3 }}
{TINY}
[studies.gain]
kind = "adaptation"
primary = "roads"
secondaries = ["site", "walls"]
models = ["deepcrack", "wide"]
background = "plain"
background_shots = [2]
blind = ["new"]
shots = [1, 2]
bootstrap = 30
"""
BOTH = """
[studies.performance]
of = "gain"
bootstrap = 60
[studies.suppression]
of = "gain"
bootstrap = 60
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("roads")
    for seed, (name, count) in enumerate(SIZES.items()):
        write_dataset(root / name, count, seed=seed, shift=0.3 * (name in ("site", "walls")), size=32)
    for mask in (root / "new" / "masks").iterdir():
        mask.unlink()
    (root / "new" / "masks").rmdir()
    return root


@pytest.fixture(scope="module")
def done(folder: Path) -> StudyRun:
    with pytest.MonkeyPatch.context() as patch:
        # Each segmenter's own report has figures of its own, which other tests draw.
        patch.setitem(registry.OURS, "adaptation_figures", {})  # type: ignore[arg-type]  # it is a dict
        return study(written(folder, STUDY + BOTH), progress=False)


@pytest.fixture(scope="module")
def gain(done: StudyRun) -> Adaptations:
    found = done["gain"]
    assert isinstance(found, Adaptations)
    return found


def test_each_segmenter_is_adapted_in_a_folder_of_its_name(gain: Adaptations, done: StudyRun, folder: Path) -> None:
    assert gain.segmenters == ("deepcrack", "wide")
    assert [each.settings["options"] for each in gain.studies.values()] == [{"width": 2}, {"width": 3}]
    for name, each in gain.runs().items():
        card = Checkpoint.load(folder / "mine/gain" / name / "models/seed0/M.safetensors").card
        assert (card.segmenter, dict(card.options)) == ("deepcrack", dict(each.settings["options"]))
        assert set(each.models["model"]) == {"M", "norm", "far-1", "far-2", "far-2-B2"}
        maps = [folder / "mine/gain" / name / str(file) for file in each.images["map"]]
        assert maps
        assert all(file.is_file() for file in maps)


def test_a_study_that_was_killed_trains_nothing_anew(done, folder, tmp_path, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr("howfar.studies.adaptation.adapt.fit", fail)
    for place in ("studies.adaptation.adapt.write_run", "studies.study_file.run_and_estimate.draw"):
        monkeypatch.setattr(f"howfar.{place}", lambda *_, **__: None)
    out = shutil.copytree(folder / "mine", tmp_path / "mine")
    for name in ("done.json", "adaptations.json", "wide/adaptation.json"):
        (out / "gain" / name).unlink()
    again, before = study(folder / "mine.toml", out=out, progress=False)["gain"], done["gain"]
    assert isinstance(again, Adaptations)
    assert isinstance(before, Adaptations)
    for one, other in zip(again.studies.values(), before.studies.values(), strict=True):
        pd.testing.assert_frame_equal(one.images, other.images)
        pd.testing.assert_frame_equal(one.gains, other.gains)


def test_the_page_shows_all_three_with_the_papers_numbers(done: StudyRun, folder: Path) -> None:
    page = (folder / "mine/report.html").read_text(encoding="utf-8")
    for label in ("Figure 4", "Figure 7", "Figure 8", "Figure 9", "Figure 13", "Figure 14", "Figure 17", "Table 4"):
        assert label in page, label
    # Printed for DeepCrack on S_1 and S_4.
    assert "0.346 (0.21, 0.08)" in page
    assert "0.580 (0.63, 0.17)" in page
    assert "0.432 (0.25, 0.09)" not in page
    names = {file.name for file in (folder / "mine/figures").iterdir()}
    assert {"gain-bars.svg", "gain-rows.png", "performance-curves-wide.pdf", "suppression-rows.png"} <= names
    assert write_report(folder / "mine/performance").is_file()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("shots = [1, 2]", "shots = [1, 10]", "shots must leave some of the 10 images of site to score, got 10"),
        ("background_shots = [2]", "background_shots = [6]", "background_shots must leave some of the 6 images of plain"),
        ('blind = ["new"]', 'blind = ["site"]', "must each have one role"),
        ('walls = { path = "walls"', 'walls = { path = "new"', "datasets.walls must have masks to learn from"),
        ('models = ["deepcrack", "wide"]', 'models = ["deepcrack", "Deepcrack"]', "models must be one of models"),
        ("epochs = 1\nbatch = 8\n\n[studies", 'loss = "bces"\n\n[studies', "models.wide: no losses named 'bces'"),
        ("plain.path", 'plain.group = "(.)"\nnew.group = "(..)"\nplain.path', "group must be the same for all datasets"),
        ("[models.wide]", '[models."a/b"]', "models must name segmenters by letters"),
    ],
)
def test_wrong_settings_are_one_line_before_any_work(folder: Path, tmp_path: Path, old: str, new: str, told: str) -> None:
    text = STUDY.replace(old, new)
    assert text != STUDY
    if '"a/b"' in new:
        text = text.replace('"wide"', '"a/b"')
    with pytest.raises(HowfarError) as caught:
        study(written(folder, text, "wrong"), out=tmp_path / "out", progress=False)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out" / "gain").exists()


def test_a_study_file_takes_every_option_of_adapt() -> None:
    elsewhere = {*declared(TrainingOptions), *declared(SegmenterOptions), "runner"}
    assert set(declared(AdaptOptions)) == elsewhere | (set(declared(AdaptOptions)) & set(ADAPTATION.settings.model_fields))
    given = {"primary": "p", "secondaries": ["s"], "models": ["m"], "way": "finetune+norm", "without_labels": []}
    settings = ADAPTATION.settings.model_validate_json(json.dumps(given))
    assert (settings.way, settings.without_labels, settings.shots, settings.bootstrap) == ("finetune+norm", (), (1, 3, 7), 2000)
    # A result that an earlier version kept is found by the settings of that version.
    usual = ADAPTATION.settings.model_validate_json(json.dumps({**given, "way": "retrain", "without_labels": ["norm"]}))
    assert set(settings.model_dump()) - set(usual.model_dump()) == {"way", "without_labels"}
