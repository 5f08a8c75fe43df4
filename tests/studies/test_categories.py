"""The studies of scenes and of robustness against `howfar.compare` and scipy; their errors, and what a killed run leaves."""

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
from howfar.paper import scene_categories as study_module
from howfar.results.display_and_shared_records import matching
from howfar.results.distance_studies import UNCHANGED, Robustness, Scenes
from howfar.studies.distance_matrix import SUMS
from howfar.studies.study_file.run_and_estimate import study

pytestmark = pytest.mark.usefixtures("undrawn")
BODY = 'primaries = ["campus", "kitchen"]\nk = 2'
# One of each end, so that two categories are as they are.
PERTURBED = 'primary = "campus"\nk = 1\nperturbations = ["darker", "noise"]'
REGISTERED = {"pixels": "pixels", "colours": "colour_moments"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_categories(tmp_path_factory.mktemp("categories"))


@pytest.fixture(scope="module")
def result(folder: Path) -> Scenes:
    return run(folder, "scenes", BODY)


@pytest.fixture(scope="module")
def robust(folder: Path) -> Robustness:
    return run(folder, "robustness", PERTURBED)


def run(folder: Path, kind: str, body: str, **options: Any) -> Any:
    return study(write_study(folder, kind, body), progress=False, **options)[kind]


def compared(
    folder: Path, primary: str, backbone: str, changed: dict[str, Path] | None = None, **options: Any
) -> howfar.Comparison:
    """Compare a category with all others, some of which lie in other folders, by a backbone of the study file."""
    plain: dict[str, Any] = {"bootstrap": 0, "permutations": 0, "rivals": False, "baselines": False, "progress": False}
    others = {name: folder / "scenes" / name for name in NAMES if name != primary} | (changed or {})
    return howfar.compare(f"{primary}={folder / 'scenes' / primary}", others, REGISTERED[backbone], **plain | options)


@pytest.mark.parametrize(("primary", "backbone"), [("campus", "pixels"), ("kitchen", "colours")])
def test_distances_are_those_of_compare(folder: Path, result: Scenes, primary: str, backbone: str) -> None:
    expected = compared(folder, primary, backbone, bootstrap=60)
    rows = result.measured(primary, backbone).set_index("dataset")
    assert sorted(rows.index) == sorted(name for name in NAMES if name != primary)
    for each in expected.datasets:
        row = rows.loc[each.name]
        assert (row["n"], row["o_dist_mean"], row["relative"]) == pytest.approx((7, each.o_dist_mean, each.relative))
        assert (row["relative_low"], row["relative_high"]) == pytest.approx(each.relative_ci)
    by_distance = sorted(expected.datasets, key=lambda each: each.o_dist_mean)
    assert result.order(primary, backbone) == [each.name for each in by_distance]
    assert result.closest(primary, backbone) == [each.name for each in by_distance[:2]]
    assert result.farthest(primary, backbone) == [each.name for each in by_distance[::-1][:2]]


def test_the_images_are_the_extreme_ones_of_their_categories(folder: Path, result: Scenes) -> None:
    images = compared(folder, "campus", "pixels").images
    near = images.loc[images.groupby("dataset")["i_dist_mean"].idxmin()].nsmallest(2, "i_dist_mean")
    far = images.loc[images.groupby("dataset")["i_dist_mean"].idxmax()].nlargest(2, "i_dist_mean")
    for end, expected in (("closest", near), ("farthest", far)):
        found = result.at_the_end("campus", "pixels", end)  # type: ignore[arg-type]  # one of the two
        assert list(zip(found["dataset"], found["image"], strict=True)) == list(
            zip(expected["dataset"], expected["image"], strict=True)
        )
        assert found["i_dist_mean"].tolist() == pytest.approx(expected["i_dist_mean"].tolist())
        assert all(Path(path).is_file() for path in found["path"])
        order = result.order("campus", "pixels")
        assert [order[rank - 1] for rank in found["rank"]] == list(found["dataset"])


def test_backbones_agree_as_scipy_says(result: Scenes) -> None:
    for primary in result.primaries:
        orders = [result.measured(primary, name).set_index("dataset")["o_dist_mean"].sort_index() for name in result.names()]
        (row,) = result.agreement[result.agreement["primary"] == primary].to_dict("records")
        assert row["kendall"] == pytest.approx(stats.kendalltau(*orders).statistic)
        shared = set(result.closest(primary, "pixels")) & set(result.closest(primary, "colours"))
        assert row["overlap"] == len(shared) / 2
        assert row["kendall_low"] <= row["kendall_high"]


def test_a_killed_study_goes_on_with_the_pairs_that_it_kept(folder, result, tmp_path, monkeypatch):
    real, calls = study_module.compared, []

    def killed(*arguments: Any, **options: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*arguments, **options)

    monkeypatch.setattr(study_module, "compared", killed)
    with pytest.raises(KeyboardInterrupt):
        run(folder, "scenes", BODY, out=tmp_path)
    kept = list((tmp_path / "scenes" / ".pairs").glob("*.npz"))
    assert len(kept) == 8
    times = {file: file.stat().st_mtime_ns for file in kept}
    monkeypatch.setattr(study_module, "forget_pairs", lambda out: None)
    again = run(folder, "scenes", BODY, out=tmp_path)
    assert {file: file.stat().st_mtime_ns for file in kept} == times
    assert not (tmp_path / "scenes" / SUMS).exists()
    assert again.distances.equals(result.distances)
    assert again.extremes.equals(result.extremes)
    assert again.agreement.equals(result.agreement)


def perturbed_paths(folder: Path, names: list[str], perturbation: str, out: Path) -> dict[str, Path]:
    """Write the images of some categories perturbed, without loss, and name their folders."""
    for name in names:
        (out / name).mkdir(parents=True)
        for file in sorted((folder / "scenes" / name / "images").iterdir()):
            pixels = np.asarray(Image.open(file).convert("RGB"))
            Image.fromarray(perturb.named(perturbation)(pixels)).save(out / name / f"{file.stem}.png")
    return {name: out / name for name in names}


@pytest.mark.parametrize("backbone", ["pixels", "colours"])
@pytest.mark.parametrize("perturbation", ["darker", "noise"])
def test_distances_are_those_of_perturbed_files(folder, robust, tmp_path, backbone, perturbation):
    before = compared(folder, "campus", backbone)
    by_distance = [each.name for each in sorted(before.datasets, key=lambda each: each.o_dist_mean)]
    ends = [by_distance[0], by_distance[-1]]
    assert robust.perturbed(backbone) == ends
    after = compared(folder, "campus", backbone, perturbed_paths(folder, ends, perturbation, tmp_path))
    for which, expected in ((UNCHANGED, before), (perturbation, after)):
        rows = robust.measured(backbone, which).set_index("dataset")
        for each in expected.datasets:
            row = rows.loc[each.name]
            assert (row["o_dist_mean"], row["relative"]) == pytest.approx((each.o_dist_mean, each.relative))
            assert row["perturbed"] == (each.name in ends)
            images = matching(robust.images, backbone=backbone, perturbation=which, dataset=each.name)["relative"]
            assert len(images) == (7 if each.name in ends else 0)
            assert each.name not in ends or images.mean() == pytest.approx(each.relative)
        assert robust.order(backbone, which) == [d.name for d in sorted(expected.datasets, key=lambda each: each.o_dist_mean)]
    (row,) = robust.stability.query("backbone == @backbone and perturbation == @perturbation").to_dict("records")
    means = [[each.o_dist_mean for each in comparison.datasets] for comparison in (before, after)]
    assert row["kendall"] == pytest.approx(stats.kendalltau(*means).statistic)
    assert row["overlap"] == (robust.order(backbone)[0] == robust.order(backbone, perturbation)[0])
    relative = [{each.name: each.relative or 0.0 for each in comparison.datasets} for comparison in (before, after)]
    assert row["change"] == pytest.approx(np.mean([relative[1][name] - relative[0][name] for name in ends]))
    assert row["change_low"] <= row["change"] <= row["change_high"]


def test_overall_numbers_are_means_and_differences_of_them(robust: Robustness) -> None:
    overall = robust.overall.set_index("backbone")
    for name in robust.backbones:
        own = robust.stability[robust.stability["backbone"] == name]
        assert overall.loc[name, "kendall"] == pytest.approx(own["kendall"].mean())
        assert overall.loc[name, "overlap"] == pytest.approx(own["overlap"].mean())
    (row,) = robust.differences.to_dict("records")
    assert (row["one"], row["other"]) == ("pixels", "colours")
    assert row["kendall"] == pytest.approx(overall.loc["pixels", "kendall"] - overall.loc["colours", "kendall"])
    assert row["kendall_low"] <= row["kendall_high"]


@pytest.mark.parametrize(
    ("kind", "body", "error", "line"),
    [
        ("scenes", 'primaries = ["campus"]\nk = 3', InputError, "k must be at most half of the 4 categories beside campus"),
        ("scenes", 'primaries = ["campus"]\nk = 0', InputError, "studies.scenes.k must"),
        (
            "scenes", 'primaries = ["campus"]\nk = 1\nsets = ["campus"]', InputError,
            "sets must hold a category beside the primary campus",
        ),
        ("scenes", 'primaries = ["campsu"]', InputError, r"primaries must be one of datasets, got 'campsu'.*campus"),
        ("robustness", 'primary = "campus"\nk = 3', InputError, "k must be at most half of the 4 categories beside campus"),
        ("robustness", PERTURBED.replace("darker", "darkr"), UnknownNameError, "named 'darkr'.*did you mean 'darker'"),
        ("robustness", PERTURBED.replace("darker", "noise"), InputError, "perturbations must not repeat one"),
        ("robustness", PERTURBED.replace("campus", "scenes"), InputError, "robustness.primary must be one of datasets"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line_before_any_work(folder, tmp_path, kind, body, error, line):
    with pytest.raises(error, match=line) as caught:
        run(folder, kind, body, out=tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()
