"""Maps counted on the images that all models were scored on, and draws of photographs and trainings."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from figures.believable_adaptation import make
from howfar.errors import InputError
from howfar.metrics import count, stack
from howfar.paper import segmenter_ranking as ranking
from howfar.results.adaptation_result import Adaptation, Adaptations

SIDE = 12


def maps(rng: np.random.Generator, n: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs of a map and a mask that partly agree."""
    pairs = []
    for _ in range(n):
        mask = rng.random((SIDE, SIDE)) < 0.3
        noise = rng.random((SIDE, SIDE))
        pairs.append((np.where(mask, 90 + 165 * noise, 150 * noise).astype(np.uint8), mask))
    return pairs


def counted(n: int, models: list[str], seeds: int = 1, tiles: int = 1, name: str = "site") -> ranking.Counted:
    rng = np.random.default_rng(3)
    by_training = {
        ranking.Trained(model, shots, seed): stack(count(values, mask) for values, mask in maps(rng, n))
        for model in models
        for shots in (0, 1)
        for seed in range(seeds)
    }
    names = [f"{k}" for k in range(n)]
    return ranking.Counted(name, tuple(names), tuple(f"p{k // tiles}" for k in range(n)), 0, by_training)


def tuned(dataset: ranking.Counted) -> dict[ranking.Trained, float]:
    return dict.fromkeys(dataset.counts, 0.45)


def test_measured_values_come_first() -> None:
    dataset = counted(6, ["a"])
    drawn = ranking.draw_scores([dataset], tuned(dataset), 10, 0)
    pairs = maps(np.random.default_rng(3), 6)
    predicted = np.stack([values / 255 > 0.45 for values, _ in pairs])
    true = np.stack([mask for _, mask in pairs])
    hits = predicted & true
    assert drawn.values[ranking.PRECISION][0, 0, 0, 0] == pytest.approx(hits.sum() / predicted.sum())
    assert drawn.values[ranking.RECALL][0, 0, 0, 0] == pytest.approx(hits.sum() / true.sum())
    f = 2 * hits.sum(axis=(1, 2)) / (predicted.sum(axis=(1, 2)) + true.sum(axis=(1, 2)))
    assert drawn.values[ranking.MEAN_F][0, 0, 0, 0] == pytest.approx(f.mean())


def test_tiles_of_a_photograph_are_drawn_together() -> None:
    dataset = counted(6, ["a"], tiles=6)
    drawn = ranking.draw_scores([dataset], tuned(dataset), 20, 0)
    assert np.ptp(drawn.values[ranking.MEAN_F], axis=3).max() == pytest.approx(0)


def test_trainings_add_their_own_spread_over_the_root_of_their_number() -> None:
    """A single photograph leaves the trainings alone: s / √k, where plain resampling would give √((k − 1)/k) of it."""
    dataset = counted(3, ["a"], seeds=3, tiles=3)
    drawn = ranking.draw_scores([dataset], tuned(dataset), 20_000, 1)
    by_seed = drawn.seeds[ranking.MEAN_F][0, 0, 0]
    assert drawn.values[ranking.MEAN_F][0, 0, 0, 0] == pytest.approx(by_seed.mean())
    assert drawn.values[ranking.MEAN_F][0, 0, 0, 1:].std() == pytest.approx(by_seed.std(ddof=1) / np.sqrt(3), rel=0.05)


def test_a_model_that_predicts_nothing_has_no_precision() -> None:
    blank = stack(count(np.zeros((4, 4), np.uint8), np.eye(4, dtype=bool)) for _ in range(3))
    counts = {ranking.Trained("a", shots, 0): blank for shots in (0, 1)}
    drawn = ranking.draw_scores(
        [ranking.Counted("site", ("0", "1", "2"), ("0", "1", "2"), 0, counts)], dict.fromkeys(counts, 0.5), 5, 0
    )
    assert np.isnan(drawn.values[ranking.PRECISION]).all()
    assert (drawn.values[ranking.RECALL] == 0).all()


SIZES = {"site": 5, "walls": 4}


@pytest.fixture
def study(tmp_path: Path) -> Adaptation:
    """A study of one seed, two strategies and background, with its maps and masks in the folder a."""
    return make(tmp_path / "a", sizes=SIZES, seeds=(0,), shots=(1, 3), blind={}, bootstrap=10)


def test_images_that_one_model_was_not_scored_on_are_left_out_for_all(study: Adaptation, tmp_path: Path) -> None:
    fewer = replace(study, images=study.images[study.images["image"] != "photo002.png"])
    (tmp_path / "b").symlink_to(tmp_path / "a")
    site, walls = ranking.count_maps(Adaptations.of({"a": study, "b": fewer}), tmp_path, "far", list(SIZES), progress=False)
    assert site.images == ("photo000.png", "photo001.png", "photo003.png", "photo004.png")
    assert site.photographs[-1] == "photo004"
    assert (site.left_out, walls.left_out) == (1, 1)
    assert len(site.counts) == 6
    rows = study.images[(study.images["model"] == "far-3") & (study.images["image"] == "photo003.png")]
    row = rows[(rows["dataset"] == "site") & (rows["seed"] == 0)].iloc[0]
    expected = count(np.asarray(Image.open(tmp_path / "a" / row["map"])), np.asarray(Image.open(row["mask"])))
    found = site.counts[ranking.Trained("a", 3, 0)].take([2])
    assert np.array_equal(found.hits_true, expected.hits_true)
    assert np.array_equal(found.predicted, expected.predicted)


@pytest.mark.parametrize("damage", ["gone", "cut", "small"])
def test_a_map_that_cannot_be_counted_is_named(study: Adaptation, tmp_path: Path, damage: str) -> None:
    row = study.images[(study.images["model"] == "far-1") & (study.images["seed"] == 0)].iloc[1]
    file = tmp_path / "a" / row["map"]
    if damage == "gone":
        file.unlink()
    elif damage == "cut":
        file.write_bytes(file.read_bytes()[:40])
    else:
        Image.fromarray(np.zeros((3, 3), np.uint8)).save(file)
    with pytest.raises(InputError, match=file.name) as caught:
        ranking.count_maps(Adaptations.of({"a": study}), tmp_path, "far", list(SIZES), progress=False)
    assert "\n" not in str(caught.value)
    assert "run the study of adaptation again" in str(caught.value)


MODELS, SHOTS, DATASETS = ("a", "b", "c"), (0, 1, 3), ("north", "south")
F = [
    [[0.30, 0.20], [0.55, 0.50], [0.60, 0.58]],  # a reaches .5 with 1 of each
    [[0.45, 0.35], [0.46, 0.36], [0.70, 0.60]],  # b with 3
    [[0.40, 0.28], [0.45, 0.30], [0.48, 0.32]],  # c with none
]


def draws_of(noise: float = 0.0, draws: int = 200) -> ranking.ResampledScores:
    rng = np.random.default_rng(0)
    f = np.array(F)[..., None] + np.concatenate([np.zeros(1), noise * rng.normal(size=draws)])
    precision, recall = f + 0.1, f[::-1] + 0.2
    values = {ranking.MEAN_F: f, ranking.PRECISION: precision, ranking.RECALL: recall}
    return ranking.ResampledScores(MODELS, SHOTS, DATASETS, values, {name: each[..., :1] for name, each in values.items()})


def rows_of(wish: str, level: float = 0.5) -> pd.DataFrame:
    settings = ranking.PoolSettings(of="gain", wish=wish, level=level)
    return ranking.rankings_of(draws_of(), DATASETS, pd.DataFrame(), settings)[0].set_index("model")


def test_precision_and_recall_are_compared_with_the_most_images() -> None:
    assert rows_of(ranking.RECALL)["rank"].to_dict() == {"b": 1, "c": 2, "a": 3}
    rows = rows_of(ranking.PRECISION)
    assert rows["rank"].to_dict() == {"b": 1, "a": 2, "c": 3}
    assert rows["value"].tolist() == pytest.approx([0.69, 0.75, 0.5])


def test_few_labels_are_the_fewest_shots_that_reach_the_level() -> None:
    rows = rows_of("few labels")
    assert rows["value"].tolist() == pytest.approx([1, 3, np.nan], nan_ok=True)
    assert rows["rank"].to_dict() == {"a": 1, "b": 2, "c": 3}
    assert rows["over"].isna().all()
    # Models that need as many are ranked by the first gain.
    assert rows_of("few labels", 0.9)["rank"].to_dict() == {"a": 1, "c": 2, "b": 3}
