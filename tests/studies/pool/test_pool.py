"""The pool of two tiny segmenters through a study file: numbers as numpy computes them from the maps, and words about them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import howfar
from howfar.demo import write_dataset
from howfar.errors import InputError
from howfar.results.adaptation_result import Adaptation
from howfar.results.segmenter_studies import SECONDS, WISHES, Pool
from howfar.results.study_run import StudyRun
from tiny_studies import DATASETS, TRAINED, write_folders, written

FILE = (
    DATASETS.replace("[backbones.pixels]", 'new.path = "new"\n[backbones.pixels]')
    + TRAINED.replace('["site"]', '["site", "walls"]\nblind = ["new"]').replace("seeds = [3]", "seeds = [0, 1]")
    + '[studies.pool]\nof = "gain"\nbootstrap = 50\n'
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write_folders(tmp_path_factory.mktemp("pool"))
    write_dataset(root / "new", 10, seed=3, shift=0.6, size=32)
    written(root, FILE)
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
            found = np.asarray(Image.open(root / "gain" / model / row["map"])) / 255 > threshold
            mask = np.asarray(Image.open(row["mask"]).convert("L")) > 127
            tp, predicted, true = tp + (found & mask).sum(), predicted + found.sum(), true + mask.sum()
            f.append(2 * (found & mask).sum() / (found.sum() + mask.sum()))
        rows.append({"precision": tp / predicted if predicted else np.nan, "recall": tp / true, "mean_f": np.mean(f)})
    return pd.DataFrame(rows)


def test_precision_recall_and_mean_f_are_those_of_the_maps(run: StudyRun, pool: Pool, folder: Path) -> None:
    adapted = run["gain"]
    for row in pool.scores.to_dict("records"):
        label = f"far-{row['shots']}" if row["shots"] else "M"
        names = [set(each.images.loc[each.images["dataset"] == row["dataset"], "image"]) for each in adapted.studies.values()]
        shared = sorted(set.intersection(*names))
        assert row["n"] == len(shared)
        assert row["left_out"] == len(set.union(*names)) - len(shared)
        expected = by_hand(folder / "mine", adapted[row["model"]], row["model"], label, row["dataset"], shared)
        for measure in ("precision", "recall", "mean_f"):
            assert row[measure] == pytest.approx(expected[measure].mean(skipna=False), nan_ok=True)
        assert row["seeds_std"] == pytest.approx(expected["mean_f"].std())
        assert row["lean"] == pytest.approx(row["precision"] - row["recall"], nan_ok=True)
        assert row["mean_f_low"] <= row["mean_f"] <= row["mean_f_high"]


def test_every_wish_has_a_ranking_of_all_models(pool: Pool) -> None:
    assert pool.answered() == WISHES
    for wish in WISHES:
        rows = pool.ranking(wish)
        assert set(rows["model"]) == {"wide", "dc"}
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
    for model, width in (("wide", 3), ("dc", 2)):
        from howfar.segmenters import build_segmenter

        network = build_segmenter("deepcrack", {"width": width}, pretrained=False)
        assert counted[model] == sum(parameter.numel() for parameter in network.parameters())
    medians = pool.timings.groupby("model")[SECONDS].median()
    assert pool.ranking("fast").set_index("model")["value"].to_dict() == pytest.approx(medians.to_dict())
    assert set(pool.timed_rankings["wish"]) == {"fast"}
    assert set(pool.hardware) == {"processor", "cores", "threads", "device"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('wish = "precisoin"', "did you mean precision"),
        ('wish = ["fast", "fast"]', "must name different wishes"),
        ("wish = {recall = 0.0}", "must have weights above 0"),
        ('strategy = "near"', "must be one of studies.gain"),
        ("level = 1.5", "level"),
        ("", "must be a study of at least two models"),
    ],
)
def test_wrong_settings_are_one_line_before_any_work(folder: Path, line: str, message: str) -> None:
    text = FILE.replace('["dc", "wide"]', '["wide"]') if message.startswith("must be a study") else FILE
    with pytest.raises(InputError, match=message) as caught:
        howfar.study(written(folder, f"{text}{line}\n", "wrong"), progress=False)
    assert "\n" not in str(caught.value)
