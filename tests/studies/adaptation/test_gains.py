"""Gains with intervals: paired by image, resampled by photograph and seed."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from howfar.option_checks_and_signatures import checked
from howfar.options_by_function import AdaptOptions
from howfar.studies.adaptation.adaptation_tables import (
    ADAPTING,
    SOURCES,
    Component,
    contributions_of,
    ends,
    gains_of,
    half_width,
    paired,
    pooled,
    spread,
)


def rows(rng: np.random.Generator, gain: float, seeds: int = 3, photographs: int = 20) -> pd.DataFrame:
    """Two datasets; what a photograph, its two tiles and a seed add to the gain."""
    found = []
    for dataset in ("a", "b"):
        of_photo = rng.normal(0, 0.1, photographs)
        for seed in range(seeds):
            of_seed = rng.normal(0, 0.02)
            for photo in range(photographs):
                for tile in range(2):
                    value = gain + of_photo[photo] + of_seed + rng.normal(0, 0.05)
                    found.append((seed, dataset, f"{photo}", f"{photo}-{tile}", value))
    return pd.DataFrame(found, columns=["seed", "dataset", "photograph", "image", "difference"])


def test_pairs_are_of_one_image_and_seed() -> None:
    images = pd.DataFrame(
        {
            "seed": [0, 0, 0, 0, 1],
            "model": ["M", "M", "far-3", "far-3", "far-3"],
            "dataset": "a",
            "image": ["1", "2", "2", "1", "1"],
            "photograph": ["1", "2", "2", "1", "1"],
            "f": [0.5, np.nan, 0.9, 0.75, 0.1],
        }
    )
    found = paired(images, "far-3", "M")
    assert found.to_dict("records") == [{"seed": 0, "dataset": "a", "photograph": "1", "difference": 0.25}]


def test_datasets_count_alike_whatever_their_size() -> None:
    sizes = {"a": 9, "b": 1}
    rows = [(0, name, str(k), float(name == "b")) for name, count in sizes.items() for k in range(count)]
    frame = pd.DataFrame(rows, columns=["seed", "dataset", "photograph", "difference"])
    assert ends(spread(frame, 20, np.random.default_rng(0))) == pytest.approx((0.5, np.nan, np.nan), nan_ok=True)


@pytest.mark.parametrize(("seeds", "of_seed"), [(2, 0.02), (3, 0.1)])
def test_what_trainings_add_by_chance_is_in_the_interval(seeds: int, of_seed: float) -> None:
    """Three trainings differ from three others by chance alone: at the level for twelve rivals hardly ever a winner."""
    held = winners = 0
    for k in range(100):
        rng = np.random.default_rng(k)
        frame = rows(rng, 0.0, seeds=seeds).sort_values(["seed", "dataset"], kind="stable")
        frame["difference"] += frame["seed"].map(dict(enumerate(rng.normal(0, of_seed, seeds))))
        mean, parts = spread(frame, 100, rng)
        held += abs(mean) <= half_width(parts, 0.95)
        winners += abs(mean) > half_width(parts, 1 - 0.05 / 12)
    assert 86 <= held <= 100
    assert winners <= 4


def test_components_are_those_of_a_plain_loop() -> None:
    """Photographs drawn in the same order, means taken image by image; the seeds' means with their variance."""
    frame = rows(np.random.default_rng(3), 0.1, seeds=2, photographs=5)
    frame = frame.drop(frame[(frame["dataset"] == "b") & (frame["seed"] == 1) & (frame["photograph"] == "3")].index)
    mean, components = spread(frame, 20, np.random.default_rng(4))
    by_seed = frame.groupby(["dataset", "seed"])["difference"].mean().unstack("seed").mean()
    assert mean == pytest.approx(by_seed.mean())
    assert components[-1] == Component(pytest.approx(by_seed.var(ddof=1) / 2), 1)
    rng = np.random.default_rng(4)
    for (_, here), found in zip(frame.groupby("dataset"), components, strict=False):
        draws = []
        for weights in rng.multinomial(5, np.full(5, 0.2), size=20):
            weight = here["photograph"].astype(int).map(dict(enumerate(weights)))
            parts = [part for _, part in here.groupby("seed") if weight[part.index].sum()]
            draws.append(np.mean([np.average(part["difference"], weights=weight[part.index]) for part in parts]))
        # Two datasets alike: a half squared; five photographs.
        assert found == Component(pytest.approx(np.var(draws, ddof=1) * 5 / 4 / 4), 4)


def test_one_seed_says_nothing_of_seeds() -> None:
    _, components = spread(rows(np.random.default_rng(3), 0.1, seeds=1), 50, np.random.default_rng(4))
    assert components[-1] == Component(0.0, 0)
    alone = [Component(0.04, 9), Component(0.0, 0)]
    assert half_width(alone, 0.95) == pytest.approx(stats.t(9).ppf(0.975) * 0.2)
    assert half_width([Component(0.0, 3), Component(0.0, 2)], 0.95) == 0.0


def test_one_photograph_has_no_interval() -> None:
    one = pd.DataFrame({"seed": [0, 1], "dataset": "a", "photograph": "p", "difference": [0.1, 0.3]})
    mean, low, high = ends(spread(one, 50, np.random.default_rng(0)))
    assert mean == pytest.approx(0.2)
    assert np.isnan([low, high]).all()


def test_seeds_are_pooled_over_comparisons() -> None:
    photographs = Component(0.01, 9)
    found = pooled([(0.1, [photographs, Component(0.0, 1)]), None, (0.2, [photographs, Component(0.06, 2)])])
    assert found[1] is None
    # s² of one training's difference: 0 with one degree of freedom, 3 × 0.06 with two; then over two and over three seeds.
    each = (0.0 + 2 * 0.18) / 3
    assert found[0] == (0.1, [photographs, Component(pytest.approx(each / 2), 1.5)])
    assert found[2] == (0.2, [photographs, Component(pytest.approx(each / 3), 2)])


SITES, STRATEGIES = ("a", "b", "c", "d"), ("far", "near", "kcenter", "random")


def settings(strategies: tuple[str, ...] = STRATEGIES, seeds: int = 4) -> AdaptOptions:
    given: Any = {"strategies": strategies, "shots": (7,), "seeds": tuple(range(seeds))}
    return checked(AdaptOptions, given)


def images_of(deviations: dict[str, float], strategies: tuple[str, ...] = STRATEGIES, seeds: int = 4) -> pd.DataFrame:
    """Scores whose gains over M are 0.1, and differ by these deviations."""
    rng = np.random.default_rng(3)
    drawn: dict[tuple[str, ...], float] = {}
    rows = []
    for seed in range(seeds):
        for strategy in (None, *strategies):
            for site in SITES:
                level = {"dataset": site, "strategy": str(strategy), "seed": str(seed)}
                gain = 0.1 + rng.normal(0, 0.002)
                for name, deviation in deviations.items():
                    key = (name, *(level[column] for column in SOURCES[name]))
                    gain += drawn.setdefault(key, rng.normal(0, deviation))
                model = "M" if strategy is None else f"{strategy}-7"
                f = 0.4 if strategy is None else 0.4 + gain
                named = {"seed": seed, "model": model, "dataset": site}
                rows += [{**named, "image": f"{k}", "photograph": f"{k}", "f": f + 0.01 * k} for k in range(3)]
    return pd.DataFrame(rows)


@pytest.mark.parametrize("source", ["sites", "choosing", "training"])
def test_what_was_put_in_is_found(source: str) -> None:
    found = contributions_of(images_of({source: 0.05}), SITES, settings()).set_index("source")
    assert list(found.index) == [ADAPTING, *SOURCES, "rest"]
    assert found.loc[source, "low"] > 0.01
    assert all(found.loc[name, "low"] == 0 for name in SOURCES if name != source)
    assert found.loc[source, "value"] > 5 * found.loc["rest", "value"]
    assert found.loc[ADAPTING, "low"] < 0.1 < found.loc[ADAPTING, "high"]


@pytest.mark.parametrize("few", [{"strategies": ("random",)}, {"seeds": 1}])
def test_too_little_to_tell_has_no_row(few: dict[str, Any]) -> None:
    assert contributions_of(images_of({}, **few), SITES, settings(**few)).empty
    assert contributions_of(images_of({}), SITES[:1], settings()).empty


def test_models_without_labels_do_not_lend_their_seeds_to_those_with_labels() -> None:
    config, found = {**settings(("far", "near")), "without_labels": ("norm",)}, []
    images, loud = images_of({}, ("far", "near")), images_of({"training": 0.2}, ("far", "near"))
    for norm in (images, loud):
        scores = pd.concat([images, norm[norm["model"] == "far-7"].assign(model="norm")])
        found.append(gains_of(scores, SITES, config).set_index(["dataset", "model"]).loc["all", ["gain", "low", "high"]])
    pd.testing.assert_frame_equal(found[0].loc[["far-7", "near-7"]], found[1].loc[["far-7", "near-7"]])
    assert np.ptp(found[1].loc["norm"]) > 2 * np.ptp(found[0].loc["norm"])
