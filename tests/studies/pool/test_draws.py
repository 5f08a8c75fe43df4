"""Maps counted on the images that all models were scored on, and draws of photographs and trainings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from figures.believable_adaptation import make
from howfar.errors import InputError
from howfar.metrics import count, f_per_image, stack
from howfar.paper.pool_draws import MEAN_F, PRECISION, RECALL, Counted, Trained, count_maps, draw_scores, trainings
from howfar.results.adaptation_result import Adaptation

SIDE = 12


def maps(rng: np.random.Generator, n: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs of a map and a mask that partly agree."""
    pairs = []
    for _ in range(n):
        mask = rng.random((SIDE, SIDE)) < 0.3
        noise = rng.random((SIDE, SIDE))
        pairs.append((np.where(mask, 90 + 165 * noise, 150 * noise).astype(np.uint8), mask))
    return pairs


def counted(n: int, models: list[str], seeds: int = 1, tiles: int = 1, name: str = "site") -> Counted:
    rng = np.random.default_rng(3)
    by_training = {
        Trained(model, shots, seed): stack(count(values, mask) for values, mask in maps(rng, n))
        for model in models
        for shots in (0, 1)
        for seed in range(seeds)
    }
    names = [f"{k}" for k in range(n)]
    return Counted(name, tuple(names), tuple(f"p{k // tiles}" for k in range(n)), 0, by_training)


def tuned(dataset: Counted) -> dict[Trained, float]:
    return dict.fromkeys(dataset.counts, 0.45)


def test_measured_values_come_first() -> None:
    dataset = counted(6, ["a"])
    drawn = draw_scores([dataset], tuned(dataset), 10, 0)
    rng = np.random.default_rng(3)
    pairs = maps(rng, 6)
    predicted = np.stack([values / 255 > 0.45 for values, _ in pairs])
    true = np.stack([mask for _, mask in pairs])
    hits = predicted & true
    assert drawn.values[PRECISION][0, 0, 0, 0] == pytest.approx(hits.sum() / predicted.sum())
    assert drawn.values[RECALL][0, 0, 0, 0] == pytest.approx(hits.sum() / true.sum())
    f = 2 * hits.sum(axis=(1, 2)) / (predicted.sum(axis=(1, 2)) + true.sum(axis=(1, 2)))
    assert drawn.values[MEAN_F][0, 0, 0, 0] == pytest.approx(f.mean())


def test_models_with_the_same_maps_are_equal_in_every_draw() -> None:
    one = counted(8, ["a"])
    both = {training._replace(model=model): counts for model in ("a", "b") for training, counts in one.counts.items()}
    dataset = Counted(one.dataset, one.images, one.photographs, 0, both)
    drawn = draw_scores([dataset], tuned(dataset), 40, 0)
    for values in drawn.values.values():
        assert np.array_equal(values[0], values[1])
        assert np.ptp(values[0, 0, 0, 1:]) > 0


def test_tiles_of_a_photograph_are_drawn_together() -> None:
    dataset = counted(6, ["a"], tiles=6)
    drawn = draw_scores([dataset], tuned(dataset), 20, 0)
    assert np.ptp(drawn.values[MEAN_F], axis=3).max() == pytest.approx(0)


def test_two_tiles_alike_of_each_photograph_are_as_good_as_one() -> None:
    one = counted(5, ["a"])
    twice = np.repeat(np.arange(5), 2)
    photographs = tuple(one.photographs[k] for k in twice)
    names = tuple(f"{k}" for k in range(10))
    counts = {training: each.take(twice) for training, each in one.counts.items()}
    both = [draw_scores([dataset], tuned(one), 50, 0) for dataset in (one, Counted("site", names, photographs, 0, counts))]
    for measure in (MEAN_F, PRECISION, RECALL):
        assert np.allclose(both[0].values[measure], both[1].values[measure])


def test_the_spread_is_the_standard_error_of_the_mean() -> None:
    dataset = counted(200, ["a"])
    drawn = draw_scores([dataset], tuned(dataset), 4000, 1)
    own = f_per_image(dataset.counts[Trained("a", 0, 0)])[:, 45]
    assert drawn.values[MEAN_F][0, 0, 0, 1:].std() == pytest.approx(own.std() / np.sqrt(200), rel=0.05)


def test_trainings_add_their_own_spread_over_the_root_of_their_number() -> None:
    """A single photograph leaves the trainings alone: s / √k, where plain resampling would give √((k − 1)/k) of it."""
    dataset = counted(3, ["a"], seeds=3, tiles=3)
    drawn = draw_scores([dataset], tuned(dataset), 20_000, 1)
    by_seed = drawn.seeds[MEAN_F][0, 0, 0]
    assert drawn.values[MEAN_F][0, 0, 0, 0] == pytest.approx(by_seed.mean())
    assert drawn.values[MEAN_F][0, 0, 0, 1:].std() == pytest.approx(by_seed.std(ddof=1) / np.sqrt(3), rel=0.05)


def test_the_seed_alone_decides_the_draws() -> None:
    dataset = counted(8, ["a"], seeds=2)
    one, again, other = (draw_scores([dataset], tuned(dataset), 20, seed).values[MEAN_F] for seed in (4, 4, 5))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_a_model_that_predicts_nothing_has_no_precision() -> None:
    blank = stack(count(np.zeros((4, 4), np.uint8), np.eye(4, dtype=bool)) for _ in range(3))
    counts = {Trained("a", shots, 0): blank for shots in (0, 1)}
    drawn = draw_scores([Counted("site", ("0", "1", "2"), ("0", "1", "2"), 0, counts)], dict.fromkeys(counts, 0.5), 5, 0)
    assert np.isnan(drawn.values[PRECISION]).all()
    assert (drawn.values[RECALL] == 0).all()


SIZES = {"site": 5, "walls": 4}


@pytest.fixture
def study(tmp_path: Path) -> Adaptation:
    """A study of one seed, two strategies and background, with its maps and masks."""
    return make(tmp_path, sizes=SIZES, seeds=(0,), shots=(1, 3), blind={}, bootstrap=10)


def test_trainings_are_those_of_one_strategy_without_background(study: Adaptation) -> None:
    assert trainings("a", study, "far") == {Trained("a", 0, 0): "M", Trained("a", 1, 0): "far-1", Trained("a", 3, 0): "far-3"}
    assert set(trainings("a", study, "random").values()) == {"M", "random-1", "random-3"}


def test_images_that_one_model_was_not_scored_on_are_left_out_for_all(study: Adaptation, tmp_path: Path) -> None:
    fewer = replace(study, images=study.images[study.images["image"] != "photo002.png"])
    site, walls = count_maps({"a": study, "b": fewer}, {"a": tmp_path, "b": tmp_path}, "far", list(SIZES), progress=False)
    assert site.images == ("photo000.png", "photo001.png", "photo003.png", "photo004.png")
    assert site.photographs[-1] == "photo004"
    assert (site.left_out, walls.left_out) == (1, 1)
    assert len(site.counts) == 6
    rows = study.images[(study.images["model"] == "far-3") & (study.images["image"] == "photo003.png")]
    row = rows[(rows["dataset"] == "site") & (rows["seed"] == 0)].iloc[0]
    expected = count(np.asarray(Image.open(tmp_path / row["map"])), np.asarray(Image.open(row["mask"])))
    found = site.counts[Trained("a", 3, 0)].take([2])
    assert np.array_equal(found.hits_true, expected.hits_true)
    assert np.array_equal(found.predicted, expected.predicted)


def test_a_dataset_that_no_image_is_left_of_is_refused(study: Adaptation, tmp_path: Path) -> None:
    other = replace(study, images=study.images[study.images["dataset"] != "walls"])
    with pytest.raises(InputError, match="dataset walls must hold an image that all models were scored on"):
        count_maps({"a": study, "b": other}, {"a": tmp_path, "b": tmp_path}, "far", list(SIZES), progress=False)


@pytest.mark.parametrize("damage", ["gone", "cut", "small"])
def test_a_map_that_cannot_be_counted_is_named(study: Adaptation, tmp_path: Path, damage: str) -> None:
    row = study.images[(study.images["model"] == "far-1") & (study.images["seed"] == 0)].iloc[1]
    file = tmp_path / row["map"]
    if damage == "gone":
        file.unlink()
    elif damage == "cut":
        file.write_bytes(file.read_bytes()[:40])
    else:
        Image.fromarray(np.zeros((3, 3), np.uint8)).save(file)
    with pytest.raises(InputError, match=file.name) as caught:
        count_maps({"a": study}, {"a": tmp_path}, "far", list(SIZES), progress=False)
    assert "\n" not in str(caught.value)
    assert "run the study of adaptation again" in str(caught.value)
