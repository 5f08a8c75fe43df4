"""The study of distances of a study file: the numbers are those of `howfar.compare`, by the file's names."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import howfar
from howfar.errors import InputError
from howfar.results.backbones_result import DistanceTable
from howfar.results.study_run import StudyRun
from howfar.studies.study_file.run_and_estimate import study
from tiny_studies import DATASETS, TRAINED, write_folders, written

STUDY = """
[studies.far]
kind = "distance"
primary = "roads"
secondaries = ["site", "walls"]
backbones = ["pixels", "colours"]
components = 5
bootstrap = 50
permutations = 19
"""
BACKBONES = 'backbones = ["pixels", "colours"]'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folders(tmp_path_factory.mktemp("distances"))


@pytest.fixture(scope="module")
def run(folder: Path) -> StudyRun:
    return study(written(folder, DATASETS + STUDY), progress=False)


@pytest.fixture(scope="module")
def table(run: StudyRun) -> DistanceTable:
    return run["far"]


def test_each_row_is_what_compare_gives(table: DistanceTable, folder: Path) -> None:
    secondaries = {name: folder / name for name in ("site", "walls")}
    options = {"components": 5, "bootstrap": 50, "permutations": 19, "rivals": False, "progress": False}
    for label, name in (("pixels", "pixels"), ("colours", "colour_moments")):
        alone = howfar.compare(folder / "roads", secondaries, name, store=folder / "other", **options)
        assert table.comparison[label].datasets == alone.datasets
        pd.testing.assert_frame_equal(table.comparison[label].images, alone.images)


def test_agreement_is_pandas(table: DistanceTable) -> None:
    one, other = (table.comparison[name].images for name in ("pixels", "colours"))
    each = [
        one[one["dataset"] == name]["i_dist"].corr(other[other["dataset"] == name]["i_dist"], method="spearman")
        for name in ("site", "walls")
    ]
    _, images = table.comparison.agreed("pixels", "colours")
    assert images == pytest.approx(np.mean(each))


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (BACKBONES, "", "backbones must name at least one"),
        (BACKBONES, 'models = ["dc"]', 'write of = "STUDY"'),
        (BACKBONES, 'of = "gain"\nmodels = ["other"]', "models must be among the models of the study"),
        (BACKBONES, 'of = "nothing"', "of must be one of studies"),
        ("backbones.colours", "backbones.wide", "models must have other names than the backbones, got 'wide'"),
    ],
)
def test_bad_settings_are_refused_before_any_work(folder: Path, old: str, new: str, line: str) -> None:
    text = (DATASETS + TRAINED + '[models.other]\nsegmenter = "deepcrack"\n' + STUDY).replace(old, new)
    text = text.replace('"colours"]', '"wide"]\nof = "gain"') if new == "backbones.wide" else text
    with pytest.raises(InputError, match=line):
        study(written(folder, text, "bad"), progress=False)
    assert not (folder / "bad").exists()
