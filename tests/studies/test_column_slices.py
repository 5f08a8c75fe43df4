"""Further columns of a table travel into a run, and slices by them find the camera that is far, or does worse."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.spatial.distance import cdist

import howfar
from howfar.cli.main import run
from howfar.errors import InputError
from howfar.pipeline.permutation_tests import slice_energies
from howfar.results import Comparison, Relation
from howfar.significance import holm

QUICK = {"progress": False, "baselines": False, "rivals": False}


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """P of 30 pictures; a site of 36 by two cameras, the dark one B, and 4 by a third; another without a table."""
    folder, rng = tmp_path_factory.mktemp("sliced"), np.random.default_rng(0)
    shades = {"roads": [120] * 30, "site": [120] * 18 + [60] * 18 + [120] * 4, "other": [110] * 12}
    for name, values in shades.items():
        (folder / name).mkdir()
        for number, shade in enumerate(values):
            pixels = np.clip(rng.normal(shade + rng.normal(0, 8), 20, (24, 24, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number:02d}.png")
    cameras = ["A"] * 18 + ["B"] * 18 + ["C"] * 4
    table = pd.DataFrame({"image": [f"{number:02d}.png" for number in range(40)], "camera": cameras, "x": range(40)})
    table["day"] = ["monday" if number % 2 else None for number in range(40)]
    table.to_csv(folder / "site" / "site.csv", index=False)
    table.assign(taken=pd.Timestamp("2026-05-01"), thumb=[b"x"] * 40).to_parquet(folder / "site" / "site.parquet")
    return folder


@pytest.fixture(scope="module")
def found(sites: Path) -> Comparison:
    secondaries = [sites / "site" / "site.csv", sites / "other"]
    options = {"by": ["camera", "day"], "out": sites / "run", "store": sites / "store", **QUICK}
    return howfar.compare(sites / "roads", secondaries, "colour_moments", **options)


def test_columns_travel_into_the_run(found: Comparison, sites: Path) -> None:
    images = pd.read_parquet(sites / "run" / "images.parquet")
    site = images[images["dataset"] == "site"]
    assert site["camera"].tolist() == ["A"] * 18 + ["B"] * 18 + ["C"] * 4
    # howfar's own x stays what it is.
    assert site["table_x"].tolist() == [str(number) for number in range(40)]
    np.testing.assert_array_equal(images["x"], images["pc1"])
    np.testing.assert_array_equal(images["y"], images["pc2"])
    assert site["day"].isna().sum() == 20
    assert images.loc[images["dataset"] == "other", "camera"].isna().all()


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_column_without_a_value_is_told_from_one_that_is_not_there(sites: Path, suffix: str) -> None:
    file = sites / "site" / f"empty.{suffix}"
    table = pd.DataFrame({"image": ["00.png", "01.png"], "camera": pd.array([None, None], "string"), "boxes": [[1, 2], [3]]})
    table.to_csv(file, index=False) if suffix == "csv" else table.to_parquet(file)
    with pytest.raises(InputError) as caught:
        howfar.compare(sites / "roads", file, "colour_moments", by="camera", store=sites / "store", **QUICK)
    rule = "by must be a column with a value for some image, and it"
    assert str(caught.value) == f"{rule} is empty in every row of {file}, got 'camera': write one value a cell"
    if suffix == "parquet":
        with pytest.raises(InputError, match=rf"^{rule} holds list<.*int64>, no single values, in .*'boxes'"):
            howfar.compare(sites / "roads", file, "colour_moments", by="boxes", store=sites / "store", **QUICK)


def test_the_far_camera_stands_first_and_the_small_one_last(found: Comparison) -> None:
    cameras = [each for each in found.slices if each.column == "camera"]
    assert [each.value for each in cameras] == ["B", "A", "C"]
    far, near, small = cameras
    images = found.images[(found.images["dataset"] == "site") & (found.images["camera"] == "B")]
    own = found.datasets[0].self_distance
    assert far.relative == pytest.approx(images["i_dist_mean"].mean() / own)
    assert far.relative_ci[0] < far.relative < far.relative_ci[1]
    assert far.beyond_95 == pytest.approx((images["percentile"] > 95).mean())
    assert far.p_value < 0.05
    assert far.p_value >= (far.p_value_raw or 0)
    assert (small.n, small.small, small.relative_ci, small.p_value) == (4, True, None, None)
    assert near.difference < 0
    days = {each.value for each in found.slices if each.column == "day"}
    assert days == {"", "monday"}
    assert {each.dataset for each in found.slices} == {"site"}


def test_energy_by_slice_is_that_of_the_slice_alone_in_the_space_of_its_dataset(found: Comparison) -> None:
    site, cameras = found.datasets[0], [each for each in found.slices if each.column == "camera"]
    rows = found.images[found.images["dataset"] == "site"]
    space = rows[[f"pc{number}" for number in range(1, site.components + 1)]].to_numpy()
    within_p = site.self_distance * 29 / 30
    for each in cameras:
        inside = (rows["camera"] == each.value).to_numpy()
        between = 2 * rows["i_dist_mean"].to_numpy()[inside].mean()
        assert each.energy == pytest.approx(between - within_p - cdist(space[inside], space[inside]).mean())
    far, near, small = cameras
    for each in (far, near):
        assert each.energy_ci[0] < each.energy < each.energy_ci[1]
        assert (each.energy_p_value or 0) >= (each.energy_p_value_raw or 1)
    assert (far.energy or 0) > (near.energy or 0)
    assert (far.energy_p_value or 1) < 0.05
    raw = [each.energy_p_value_raw for each in cameras]
    assert [each.energy_p_value for each in cameras] == holm(raw)
    assert (small.energy_ci, small.energy_p_value, small.energy_p_value_raw) == (None, None, None)


def test_the_test_of_energies_finds_slices_that_differ_and_seldom_others() -> None:
    rng = np.random.default_rng(0)
    p = rng.normal(size=(40, 3))
    small = []
    for _ in range(60):
        s = rng.normal(size=(40, 3))
        given = (s, cdist(s, p).mean(axis=1), cdist(p, p).mean(), np.repeat([0, 1], 20))
        first, second = slice_energies(*given, bootstrap=0, permutations=99, rng=rng).values()
        assert first.p_value == pytest.approx(second.p_value, abs=0.2)
        small.append(first.p_value is not None and first.p_value <= 0.1)
    assert np.mean(small) < 0.22
    s[20:] *= 4.0
    spread = slice_energies(s, cdist(s, p).mean(axis=1), cdist(p, p).mean(), np.repeat([0, 1], 20), bootstrap=0, rng=rng)
    assert spread[1].p_value == 0.001


def test_performance_by_slice(found: Comparison, sites: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(1)
    site = found.images[found.images["dataset"] == "site"]
    scores = np.where(site["camera"] == "B", 0.4, 0.8) + rng.normal(0, 0.05, len(site))
    site[["dataset", "image"]].assign(performance=scores).to_csv(sites / "scores.csv", index=False)
    assert run(["relate", str(sites / "run"), "--performance", str(sites / "scores.csv"), "--by", "camera"]) == 0
    shown = capsys.readouterr().out
    assert "By slice, the worst first" in shown
    worst, good, small = Relation.load(sites / "run").slices
    assert [worst.value, good.value, small.value] == ["B", "A", "C"]
    assert worst.mean == pytest.approx(scores[18:36].mean())
    assert worst.p_value < 0.05
    assert (small.small, small.mean_ci) == (True, None)
    assert "camera = B of site does worse" in (sites / "run" / "report.html").read_text(encoding="utf-8")


def test_what_is_no_column_is_refused(sites: Path, found: Comparison) -> None:
    with pytest.raises(InputError, match="name a CSV or Parquet table with that column"):
        howfar.compare(sites / "roads", sites / "other", "colour_moments", by="camera", **QUICK)
    with pytest.raises(InputError, match="by must be the name of a column"):
        howfar.compare(sites / "roads", sites / "other", "colour_moments", by=3, **QUICK)
    table = found.images[["dataset", "image"]].assign(performance=0.5)
    with pytest.raises(InputError, match="by must be a column of the datasets' tables in the run, got 'x1'"):
        howfar.relate(found, table, by="x1")
