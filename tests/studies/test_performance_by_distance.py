"""What models learnt: slopes of every model, within datasets and less that of M, and shares of false positives."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from figures.believable_adaptation import make
from howfar.paper.slopes_and_suppression import PerformanceSettings, shares_of, slopes_of
from howfar.results.adaptation_result import Adaptation
from howfar.studies.adaptation.adaptation_tables import slopes_of as slopes_by_seed
from results.test_conformance import adaptation

SETTINGS = PerformanceSettings(of="adaptation", bootstrap=200, tau=0.3)
SIZES = {"near": 40, "wide": 25}


def made(falls: float = 0.5, flatter: float = 0.4) -> Adaptation:
    """Two seeds of M and far-7: F falls by `falls` over all distances for M, and by `flatter` less for far-7."""
    rng = np.random.default_rng(3)
    frames = []
    for place, (dataset, count) in enumerate(SIZES.items()):
        distance, noise = rng.random(count), rng.normal(0, 0.05, count)
        for seed in (0, 1):
            for model, back in (("M", 0.0), ("far-7", flatter)):
                f = 0.7 - 0.2 * place - (falls - back) * distance + noise + 0.02 * seed
                names = [f"{k}.png" for k in range(count)]
                own = pd.DataFrame({"image": names, "photograph": names, "f": f - 0.1, "f_ods": f})
                frames.append(own.assign(seed=seed, model=model, dataset=dataset, distance=distance + 0.01 * seed))
    images = pd.concat(frames, ignore_index=True)
    images.loc[images["image"] == "0.png", ["f", "f_ods"]] = np.nan
    models = images[["seed", "model"]].drop_duplicates().assign(background=0)
    return replace(adaptation(), secondaries=tuple(SIZES), models=models, images=images, slopes=slopes_by_seed(images, 0))


def row(rows: list[dict[str, Any]], model: str, dataset: str, measure: str = "f_ods") -> dict[str, Any]:
    (found,) = [each for each in rows if (each["model"], each["dataset"], each["measure"]) == (model, dataset, measure)]
    return found


@pytest.fixture(scope="module")
def study() -> Adaptation:
    return made()


@pytest.fixture(scope="module")
def rows(study: Adaptation) -> list[dict[str, Any]]:
    return slopes_of(study, [0, 1], SETTINGS)


def mean_over_seeds(study: Adaptation, model: str, measure: str) -> pd.DataFrame:
    own = study.images[(study.images["model"] == model) & study.images[measure].notna()]
    return own.groupby(["dataset", "image"])[["distance", measure]].mean().reset_index()


@pytest.mark.parametrize("measure", ["f", "f_ods"])
@pytest.mark.parametrize("model", ["M", "far-7"])
def test_a_slope_is_least_squares_over_means_of_the_seeds(rows, study, model, measure):
    points = mean_over_seeds(study, model, measure)
    for dataset, count in SIZES.items():
        own, found = points[points["dataset"] == dataset], row(rows, model, dataset, measure)
        assert found["slope"] == pytest.approx(np.polyfit(own["distance"], own[measure], 1)[0])
        assert (found["n"], found["photographs"]) == (count - 1, count - 1)
        assert found["mean"] == pytest.approx(own[measure].mean())
        assert found["span"] == pytest.approx(own["distance"].max() - own["distance"].min())


@pytest.mark.parametrize("model", ["M", "far-7"])
def test_all_is_the_common_slope_of_lines_with_a_level_for_each_dataset(rows, study, model):
    points = mean_over_seeds(study, model, "f_ods")
    levels = pd.get_dummies(points["dataset"]).to_numpy(np.float64)
    fitted = np.linalg.lstsq(np.column_stack([points["distance"], levels]), points["f_ods"], rcond=None)[0]
    found = row(rows, model, "all")
    assert found["slope"] == pytest.approx(fitted[0])
    assert found["low"] < found["slope"] < found["high"]
    assert np.isnan(found["lowest"])


def test_the_change_is_the_difference_of_both_slopes(rows: list[dict[str, Any]]) -> None:
    for dataset in ("all", *SIZES):
        before, after = row(rows, "M", dataset), row(rows, "far-7", dataset)
        assert np.isnan(before["change"])
        assert after["change"] == pytest.approx(after["slope"] - before["slope"])
        # The noise of M and far-7 is the same, so their difference is known exactly.
        assert after["change_low"] == pytest.approx(0.4, abs=1e-6)
        assert after["change_high"] == pytest.approx(0.4, abs=1e-6)


def with_background(photographs: int, seeds: tuple[int, ...] = (0, 1, 2)) -> Adaptation:
    study = make(Path(), sizes={"walls": 3}, blind={}, seeds=seeds, random_seeds=(9,), bootstrap=20, files=False)
    return replace(study, images=study.images[study.images["photograph"] < f"photo{photographs:03d}"])


def test_a_share_is_the_mean_over_images_and_seeds() -> None:
    study = with_background(6)
    found = {row["model"]: row for row in shares_of(study, 200)}
    assert list(found) == ["M", *study.suppression["model"]]
    own = study.images[(study.images["model"] == "random-7-B3") & (study.images["seed"] < 9)].dropna(
        subset="false_positive_share"
    )
    by_seed = own.groupby("seed")["false_positive_share"].mean()
    row = found["random-7-B3"]
    assert row["share"] == pytest.approx(own["false_positive_share"].mean())
    assert (row["lowest"], row["highest"]) == (by_seed.min(), by_seed.max())
    assert row["low"] < row["share"] < row["high"]
