"""The study of scenes against `howfar.compare` and scipy; its errors, and what a killed run leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from scipy import stats

import howfar
from categories import NAMES, write_categories, write_study
from howfar.errors import InputError
from howfar.paper import categories as study_module
from howfar.results.distance_studies import Scenes
from howfar.studies.matrix import SUMS
from howfar.studies.study_file.run_study import study

BODY = 'primaries = ["campus", "kitchen"]\nk = 2'
REGISTERED = {"pixels": "pixels", "colours": "colour_moments"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_categories(tmp_path_factory.mktemp("categories"))


@pytest.fixture(scope="module")
def result(folder: Path) -> Scenes:
    return run(folder, BODY)


def run(folder: Path, body: str, **options: Any) -> Scenes:
    return study(write_study(folder, "scenes", body), progress=False, **options)["scenes"]


@pytest.mark.parametrize(("primary", "backbone"), [("campus", "pixels"), ("kitchen", "colours")])
def test_distances_are_those_of_compare(folder: Path, result: Scenes, primary: str, backbone: str) -> None:
    others = {name: folder / "scenes" / name for name in NAMES if name != primary}
    path = f"{primary}={folder / 'scenes' / primary}"
    options: dict[str, Any] = {"bootstrap": 60, "permutations": 0, "rivals": False, "baselines": False, "progress": False}
    expected = howfar.compare(path, others, REGISTERED[backbone], **options)
    rows = result.measured(primary, backbone).set_index("dataset")
    assert sorted(rows.index) == sorted(others)
    for each in expected.datasets:
        row = rows.loc[each.name]
        assert (row["n"], row["o_dist_mean"], row["relative"]) == pytest.approx((7, each.o_dist_mean, each.relative))
        assert (row["relative_low"], row["relative_high"]) == pytest.approx(each.relative_ci)
    by_distance = sorted(expected.datasets, key=lambda each: each.o_dist_mean)
    assert result.order(primary, backbone) == [each.name for each in by_distance]
    assert result.closest(primary, backbone) == [each.name for each in by_distance[:2]]
    assert result.farthest(primary, backbone) == [each.name for each in by_distance[::-1][:2]]


def test_the_images_are_the_extreme_ones_of_their_categories(folder: Path, result: Scenes) -> None:
    others = {name: folder / "scenes" / name for name in NAMES if name != "campus"}
    path = f"campus={folder / 'scenes' / 'campus'}"
    images = howfar.compare(path, others, "pixels", bootstrap=0, permutations=0, baselines=False, progress=False).images
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


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ('primaries = ["campus"]\nk = 3', "k must be at most half of the 4 categories beside campus"),
        ('primaries = ["campus"]\nk = 0', "studies.scenes.k must"),
        ('primaries = ["campus"]\nk = 1\nsets = ["campus"]', "sets must hold a category beside the primary campus"),
        ('primaries = ["campsu"]', r"studies.scenes.primaries must be one of datasets, got 'campsu'.*campus"),
    ],
)
def test_what_is_wrong_is_one_line_before_any_work(folder: Path, tmp_path: Path, body: str, line: str) -> None:
    with pytest.raises(InputError, match=line) as caught:
        run(folder, body, out=tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_sets_are_of_the_study(folder: Path, tmp_path: Path) -> None:
    file = write_study(folder, "scenes", 'primaries = ["campus"]\nk = 1\nsets = ["sky"]')
    text = file.read_text(encoding="utf-8").replace('datasets = ["scenes"]', 'datasets = ["ocean", "kitchen", "highway"]')
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="sets must be among the datasets of the study, got 'sky'"):
        study(file, out=tmp_path / "out", progress=False)


def test_a_killed_study_goes_on_with_the_pairs_that_it_kept(
    folder: Path, result: Scenes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = study_module.compared, []

    def killed(*arguments: Any, **options: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*arguments, **options)

    monkeypatch.setattr(study_module, "compared", killed)
    with pytest.raises(KeyboardInterrupt):
        run(folder, BODY, out=tmp_path)
    kept = list((tmp_path / "scenes" / ".pairs").glob("*.npz"))
    assert len(kept) == 8
    times = {file: file.stat().st_mtime_ns for file in kept}
    monkeypatch.setattr(study_module, "forget_pairs", lambda out: None)
    again = run(folder, BODY, out=tmp_path)
    assert {file: file.stat().st_mtime_ns for file in kept} == times
    assert not (tmp_path / "scenes" / SUMS).exists()
    assert again.distances.equals(result.distances)
    assert again.extremes.equals(result.extremes)
    assert again.agreement.equals(result.agreement)


def test_a_single_backbone_has_no_agreement(folder: Path, tmp_path: Path) -> None:
    file = write_study(folder, "scenes", 'primaries = ["sky"]\nk = 2', "bootstrap = 0")
    file.write_text(file.read_text(encoding="utf-8").replace('["pixels", "colours"]', '["colours"]'), encoding="utf-8")
    found: Any = study(file, out=tmp_path / "out", progress=False)["scenes"]
    assert found.agreement.empty
    assert found.distances["relative_low"].isna().all()
    assert "[" not in found.table()[1][0][4]
    assert Scenes.load(tmp_path / "out" / "scenes").agreement.empty
