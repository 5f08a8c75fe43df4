"""The pool of two tiny segmenters through a study file: numbers as numpy computes them from the maps, and words about them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import howfar
from howfar.demo import write_dataset
from howfar.errors import InputError
from howfar.paper.pool_report import section
from howfar.report.section import Context
from howfar.results.adaptation import Adaptation
from howfar.results.segmenter_studies import SECONDS, WISHES, Pool
from howfar.results.study_run import StudyRun

FILE = """
out = "out"
[datasets]
road.path = "road"
site.path = "site"
wall.path = "wall"
new.path = "new"
[models.wide]
segmenter = "deepcrack"
options = {width = 4}
size = 32
epochs = 1
pretrained = false
[models.thin]
segmenter = "deepcrack"
options = {width = 2}
size = 32
epochs = 1
pretrained = false
[studies.adaptation]
primary = "road"
secondaries = ["site", "wall"]
blind = ["new"]
models = ["wide", "thin"]
shots = [1]
seeds = [0, 1]
bootstrap = 20
[studies.pool]
of = "adaptation"
bootstrap = 50
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pool")
    for number, name in enumerate(("road", "site", "wall", "new")):
        write_dataset(root / name, 10, seed=number, shift=0.2 * number, size=32)
    (root / "mine.toml").write_text(FILE)
    return root


@pytest.fixture(scope="module")
def run(folder: Path) -> StudyRun:
    return howfar.study(folder / "mine.toml", progress=False)


@pytest.fixture(scope="module")
def pool(run: StudyRun) -> Pool:
    result = run["pool"]
    assert isinstance(result, Pool)
    return result


def by_hand(root: Path, study: Adaptation, model: str, label: str, dataset: str, images: list[str]) -> pd.DataFrame:
    """Precision, recall and mean F by seed of one training, from the pixels of its maps above its threshold."""
    rows = []
    for seed in (0, 1):
        own = study.models[(study.models["model"] == label) & (study.models["seed"] == seed)]
        threshold = float(own["threshold"].iloc[0])
        shown = study.images[(study.images["model"] == label) & (study.images["seed"] == seed)]
        shown = shown[shown["dataset"] == dataset].set_index("image").loc[images]
        tp = predicted = true = 0
        f = []
        for row in shown.to_dict("records"):
            found = np.asarray(Image.open(root / "adaptation" / model / row["map"])) / 255 > threshold
            mask = np.asarray(Image.open(row["mask"]).convert("L")) > 127
            tp, predicted, true = tp + (found & mask).sum(), predicted + found.sum(), true + mask.sum()
            f.append(2 * (found & mask).sum() / (found.sum() + mask.sum()))
        rows.append({"precision": tp / predicted if predicted else np.nan, "recall": tp / true, "mean_f": np.mean(f)})
    return pd.DataFrame(rows)


def test_precision_recall_and_mean_f_are_those_of_the_maps(run: StudyRun, pool: Pool, folder: Path) -> None:
    adapted = run["adaptation"]
    for row in pool.scores.to_dict("records"):
        label = f"far-{row['shots']}" if row["shots"] else "M"
        names = [set(each.images.loc[each.images["dataset"] == row["dataset"], "image"]) for each in adapted.adaptations]
        shared = sorted(set.intersection(*names))
        assert row["n"] == len(shared)
        assert row["left_out"] == len(set.union(*names)) - len(shared)
        expected = by_hand(folder / "out", adapted[row["model"]], row["model"], label, row["dataset"], shared)
        for measure in ("precision", "recall", "mean_f"):
            assert row[measure] == pytest.approx(expected[measure].mean(skipna=False), nan_ok=True)
        assert row["seeds_std"] == pytest.approx(expected["mean_f"].std())
        assert row["lean"] == pytest.approx(row["precision"] - row["recall"], nan_ok=True)
        assert row["mean_f_low"] <= row["mean_f"] <= row["mean_f_high"]


def test_every_wish_has_a_ranking_of_all_models(pool: Pool) -> None:
    assert pool.answered() == WISHES
    for wish in WISHES:
        rows = pool.ranking(wish)
        assert set(rows["model"]) == {"wide", "thin"}
        assert rows["rank"].iloc[0] == 1
        assert rows["first"].sum() == pytest.approx(1)
        assert (rows["rank_low"] <= rows["rank_high"]).all()
    precision = pool.ranking("precision").set_index("model")
    seen = pool.scores[pool.scores["dataset"].isin(pool.secondaries)]
    scores = seen[seen["shots"] == 1].groupby("model")["precision"].mean()
    assert pool.blind == ("new",)
    assert precision["value"].to_dict() == pytest.approx(scores.to_dict())
    lowest = pool.scores[pool.scores["shots"] == 0].groupby("model")["mean_f"].min()
    assert pool.ranking("stable").set_index("model")["value"].to_dict() == pytest.approx(lowest.to_dict())


def test_parameters_are_those_of_the_networks_and_seconds_were_measured(pool: Pool) -> None:
    counted = pool.costs.set_index("model")["parameters"]
    for model, width in (("wide", 4), ("thin", 2)):
        from howfar.segmenters import build_segmenter

        network = build_segmenter("deepcrack", {"width": width}, pretrained=False)
        assert counted[model] == sum(parameter.numel() for parameter in network.parameters())
    medians = pool.timings.groupby("model")[SECONDS].median()
    assert pool.ranking("fast").set_index("model")["value"].to_dict() == pytest.approx(medians.to_dict())
    assert set(pool.timed_rankings["wish"]) == {"fast"}
    assert set(pool.hardware) == {"processor", "cores", "threads", "device"}


def test_slopes_are_those_of_the_study_of_adaptation(run: StudyRun, pool: Pool) -> None:
    slopes = run["adaptation"]["thin"].slopes
    own = slopes[(slopes["measure"] == "f") & (slopes["model"] == "far-1") & (slopes["dataset"] == "wall")]
    shown = pool.scores[(pool.scores["model"] == "thin") & (pool.scores["shots"] == 1) & (pool.scores["dataset"] == "wall")]
    assert shown["slope"].item() == pytest.approx(own["slope"].mean())
    assert set(pool.scores["verdict"]) <= {"falls", "rises", "consistent", "none"}


def test_distances_are_those_of_the_models_own_features(pool: Pool) -> None:
    assert len(pool.distances) == 4
    assert (pool.distances["relative"] > 0).all()
    assert pool.distances.groupby("model")["o_dist_scaled"].sum().to_list() == pytest.approx([1.0, 1.0])


def test_it_comes_back_from_its_folder_and_is_not_made_again(run: StudyRun, pool: Pool, folder: Path) -> None:
    again = Pool.load(folder / "out" / "pool")
    assert again.table() == pool.table()
    assert json.loads((folder / "out" / "pool" / "pool.json").read_text())["wishes"] == list(WISHES)
    kept = howfar.study(folder / "mine.toml", progress=False)["pool"]
    assert isinstance(kept, Pool)
    pd.testing.assert_frame_equal(kept.timings, pool.timings)


def test_all_but_the_timed_tables_are_the_same_again(pool: Pool, folder: Path) -> None:
    (folder / "out" / "pool" / "done.json").unlink()
    again = howfar.study(folder / "mine.toml", progress=False)["pool"]
    assert isinstance(again, Pool)
    for name in Pool.TABLES.keys() - set(Pool.TIMED):
        pd.testing.assert_frame_equal(getattr(again, name), getattr(pool, name))


def test_its_page_answers_in_words(run: StudyRun, pool: Pool, folder: Path) -> None:
    made = section(pool, Context(folder / "out" / "pool"))
    assert all(wish in made.lead for wish in ("precision", "recall", "few labels", "stability", "speed"))
    assert len(made.sentences) == len(WISHES) + 2
    assert (folder / "out" / "figures" / "pool-precision-recall.pdf").is_file()
    assert (folder / "out" / "tables" / "pool-rank-few-labels.csv").is_file()
    assert "Which model suits which wish?" in (folder / "out" / "report.html").read_text()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('wish = "precisoin"', "did you mean precision"),
        ('wish = ["fast", "fast"]', "must name different wishes"),
        ("wish = {recall = 0.0}", "must have weights above 0"),
        ('strategy = "near"', "must be one of studies.adaptation"),
        ("level = 1.5", "level"),
    ],
)
def test_wrong_settings_are_one_line_before_any_work(folder: Path, line: str, message: str) -> None:
    (folder / "wrong.toml").write_text(FILE + line + "\n")
    with pytest.raises(InputError, match=message) as caught:
        howfar.study(folder / "wrong.toml", progress=False)
    assert "\n" not in str(caught.value)


def test_a_single_model_is_no_pool(folder: Path) -> None:
    (folder / "wrong.toml").write_text(FILE.replace('models = ["wide", "thin"]', 'models = ["wide"]'))
    with pytest.raises(InputError, match="at least two models"):
        howfar.study(folder / "wrong.toml", progress=False)
