"""The study of robustness against comparisons with folders of perturbed images, and against scipy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy import stats

import howfar
from categories import NAMES, write_categories, write_study
from howfar import perturb
from howfar.errors import InputError, UnknownNameError
from howfar.results.distance_studies import UNCHANGED, Robustness
from howfar.results.records import matching
from howfar.studies.study_file.run_study import study

OTHERS = tuple(name for name in NAMES if name != "campus")
REGISTERED = {"pixels": "pixels", "colours": "colour_moments"}
# One of each end, so that two categories are as they are.
BODY = 'primary = "campus"\nk = 1\nperturbations = ["darker", "noise"]'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_categories(tmp_path_factory.mktemp("categories"))


@pytest.fixture(scope="module")
def result(folder: Path) -> Robustness:
    return run(folder, BODY)


def run(folder: Path, body: str, settings: str = "bootstrap = 60", **options: Any) -> Robustness:
    return study(write_study(folder, "robustness", body, settings), progress=False, **options)["robustness"]


def compared(folder: Path, paths: dict[str, Path], backbone: str, **options: Any) -> howfar.Comparison:
    plain: dict[str, Any] = {"bootstrap": 0, "permutations": 0, "rivals": False, "baselines": False, "progress": False}
    path = f"campus={folder / 'scenes' / 'campus'}"
    return howfar.compare(path, {name: paths[name] for name in OTHERS}, REGISTERED[backbone], **plain, **options)


def perturbed_paths(folder: Path, names: list[str], perturbation: str, out: Path) -> dict[str, Path]:
    """Write the images of some categories perturbed, without loss, and name the folders of all."""
    paths = {name: folder / "scenes" / name for name in OTHERS}
    for name in names:
        (out / name).mkdir(parents=True)
        for file in sorted((folder / "scenes" / name / "images").iterdir()):
            pixels = np.asarray(Image.open(file).convert("RGB"))
            Image.fromarray(perturb.named(perturbation)(pixels)).save(out / name / f"{file.stem}.png")
        paths[name] = out / name
    return paths


@pytest.mark.parametrize("backbone", ["pixels", "colours"])
@pytest.mark.parametrize("perturbation", ["darker", "noise"])
def test_distances_are_those_of_perturbed_files(
    folder: Path, result: Robustness, tmp_path: Path, backbone: str, perturbation: str
) -> None:
    before = compared(folder, {name: folder / "scenes" / name for name in OTHERS}, backbone)
    by_distance = [each.name for each in sorted(before.datasets, key=lambda each: each.o_dist_mean)]
    ends = [by_distance[0], by_distance[-1]]
    assert result.perturbed(backbone) == ends
    after = compared(folder, perturbed_paths(folder, ends, perturbation, tmp_path), backbone)
    for which, expected in ((UNCHANGED, before), (perturbation, after)):
        rows = result.measured(backbone, which).set_index("dataset")
        for each in expected.datasets:
            row = rows.loc[each.name]
            assert (row["o_dist_mean"], row["relative"]) == pytest.approx((each.o_dist_mean, each.relative))
            assert row["perturbed"] == (each.name in ends)
            images = matching(result.images, backbone=backbone, perturbation=which, dataset=each.name)["relative"]
            assert len(images) == (7 if each.name in ends else 0)
            assert each.name not in ends or images.mean() == pytest.approx(each.relative)
        assert result.order(backbone, which) == [d.name for d in sorted(expected.datasets, key=lambda each: each.o_dist_mean)]
    (row,) = result.stability.query("backbone == @backbone and perturbation == @perturbation").to_dict("records")
    means = [[each.o_dist_mean for each in comparison.datasets] for comparison in (before, after)]
    assert row["kendall"] == pytest.approx(stats.kendalltau(*means).statistic)
    assert row["overlap"] == (result.order(backbone)[0] == result.order(backbone, perturbation)[0])
    relative = [{each.name: each.relative or 0.0 for each in comparison.datasets} for comparison in (before, after)]
    assert row["change"] == pytest.approx(np.mean([relative[1][name] - relative[0][name] for name in ends]))
    assert row["change_low"] <= row["change"] <= row["change_high"]


def test_in_one_space_all_categories_are_measured_again(folder: Path, tmp_path: Path) -> None:
    found = run(folder, BODY + '\nprojection = "joint"', out=tmp_path / "out")
    ends = found.perturbed("pixels")
    after = compared(folder, perturbed_paths(folder, ends, "darker", tmp_path / "files"), "pixels", projection="joint")
    rows = found.measured("pixels", "darker").set_index("dataset")
    for each in after.datasets:
        assert rows.loc[each.name, "relative"] == pytest.approx(each.relative)


def test_overall_numbers_are_means_and_differences_of_them(result: Robustness) -> None:
    overall = result.overall.set_index("backbone")
    for name in result.backbones:
        own = result.stability[result.stability["backbone"] == name]
        assert overall.loc[name, "kendall"] == pytest.approx(own["kendall"].mean())
        assert overall.loc[name, "overlap"] == pytest.approx(own["overlap"].mean())
    (row,) = result.differences.to_dict("records")
    assert (row["one"], row["other"]) == ("pixels", "colours")
    assert row["kendall"] == pytest.approx(overall.loc["pixels", "kendall"] - overall.loc["colours", "kendall"])
    assert row["kendall_low"] <= row["kendall_high"]


def test_the_differences_are_drawn_with_the_same_images(folder: Path, tmp_path: Path) -> None:
    """Two entries of one backbone differ in no resample, however wide the interval of each is."""
    file = write_study(folder, "robustness", BODY)
    text = file.read_text(encoding="utf-8").replace("[backbones.pixels]", '[backbones.pixels]\nbackbone = "colour_moments"')
    file.write_text(text, encoding="utf-8")
    found: Any = study(file, out=tmp_path, progress=False)["robustness"]
    (row,) = found.differences.to_dict("records")
    assert (row["kendall"], row["kendall_low"], row["kendall_high"], row["overlap_high"]) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("body", "error", "line"),
    [
        ('primary = "campus"\nk = 3', InputError, "k must be at most half of the 4 categories beside campus"),
        (BODY.replace("darker", "darkr"), UnknownNameError, "no perturbations named 'darkr'.*did you mean 'darker'"),
        (BODY.replace("darker", "noise"), InputError, "perturbations must not repeat one"),
        (BODY.replace("campus", "scenes"), InputError, "studies.robustness.primary must be one of datasets"),
    ],
)
def test_what_is_wrong_is_one_line_before_any_work(
    folder: Path, tmp_path: Path, body: str, error: type[Exception], line: str
) -> None:
    with pytest.raises(error, match=line):
        run(folder, body, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
