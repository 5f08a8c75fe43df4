"""Rankings under each wish on draws that are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from howfar.paper.pool import Wished, fast, frugal, highest, labels_of, spreads_of, stable, table_of, weighted
from howfar.paper.pool_draws import MEAN_F, PRECISION, RECALL, ResampledScores
from howfar.results.segmenter_studies import SECONDS

MODELS, SHOTS, DATASETS = ("a", "b", "c"), (0, 1, 3), ("north", "south")
F = [
    [[0.30, 0.20], [0.55, 0.50], [0.60, 0.58]],  # a reaches .5 with 1 of each
    [[0.45, 0.35], [0.46, 0.36], [0.70, 0.60]],  # b with 3
    [[0.40, 0.28], [0.45, 0.30], [0.48, 0.32]],  # c with none
]


def drawn(noise: float = 0.0, draws: int = 200) -> ResampledScores:
    rng = np.random.default_rng(0)
    f = np.array(F)[..., None] + np.concatenate([np.zeros(1), noise * rng.normal(size=draws)])
    precision, recall = f + 0.1, f[::-1] + 0.2
    values = {MEAN_F: f, PRECISION: precision, RECALL: recall}
    return ResampledScores(MODELS, SHOTS, DATASETS, values, {name: each[..., :1] for name, each in values.items()})


def rows_of(wished: Wished, models: tuple[str, ...] = MODELS) -> pd.DataFrame:
    return table_of({"wish": wished}, models).set_index("model")


def ranked(wished: Wished) -> dict[str, int]:
    return rows_of(wished)["rank"].to_dict()


def test_precision_and_recall_are_compared_with_the_most_images() -> None:
    assert ranked(highest(drawn(), PRECISION, DATASETS)) == {"b": 1, "a": 2, "c": 3}
    assert ranked(highest(drawn(), RECALL, DATASETS)) == {"b": 1, "c": 2, "a": 3}
    assert highest(drawn(), PRECISION, DATASETS).values[:, 0] == pytest.approx([0.69, 0.75, 0.5])


def test_few_labels_are_the_fewest_shots_that_reach_the_level() -> None:
    wished = frugal(drawn(), DATASETS, 0.5)
    assert wished.values[:, 0].tolist() == [1, 3, np.inf]
    assert ranked(wished) == {"a": 1, "b": 2, "c": 3}
    rows = rows_of(wished)
    assert np.isnan(rows.loc["c", "value"])
    assert rows["over"].isna().all()
    # Models that need as many are ranked by the first gain.
    assert ranked(frugal(drawn(), DATASETS, 0.9)) == {"a": 1, "c": 2, "b": 3}


def test_a_large_gain_makes_up_for_no_label() -> None:
    f = np.array([[[0.46], [0.51], [0.52]], [[0.05], [0.49], [0.60]]])[..., None].repeat(3, axis=3)
    both = ResampledScores(("slow", "fast"), SHOTS, ("north",), {MEAN_F: f}, {MEAN_F: f[..., :1]})
    assert rows_of(frugal(both, ["north"], 0.5), both.models)["rank"].tolist() == [1, 2]


def test_stability_is_the_lowest_f_of_the_model_that_saw_none_of_them() -> None:
    wished = stable(drawn(), DATASETS)
    assert wished.values[:, 0].tolist() == [0.2, 0.35, 0.28]
    assert ranked(wished) == {"b": 1, "c": 2, "a": 3}


def test_speed_is_the_median_and_its_draws_are_of_timings() -> None:
    timings = pd.DataFrame({"model": ["a"] * 3 + ["b"] * 3 + ["c"] * 3, SECONDS: [3, 9, 4, 1, 1, 2, 2, 2, 2.0]})
    wished = fast(timings, MODELS, 100, 0)
    assert wished.values[:, 0].tolist() == [4, 1, 2]
    assert ranked(wished) == {"b": 1, "c": 2, "a": 3}
    assert rows_of(wished).loc["c", ["low", "high"]].tolist() == [2, 2]


def test_weights_average_ranks() -> None:
    both = {"precision": highest(drawn(), PRECISION, DATASETS), "recall": highest(drawn(), RECALL, DATASETS)}
    wished = weighted(both, {"precision": 3.0, "recall": 1.0})
    assert wished.values[:, 0].tolist() == [(3 * 2 + 3) / 4, 1, (3 * 3 + 2) / 4]
    assert ranked(wished) == {"b": 1, "a": 2, "c": 3}


def test_an_unsure_order_has_wide_ranks_and_a_shared_first_place() -> None:
    rng = np.random.default_rng(1)
    steady, shaken = drawn(), drawn()
    shaken.values[PRECISION][..., 1:] += rng.normal(0, 0.3, shaken.values[PRECISION][..., 1:].shape)
    sure, unsure = (rows_of(highest(each, PRECISION, DATASETS)) for each in (steady, shaken))
    assert sure.loc["b", ["rank_low", "rank_high", "first"]].tolist() == [1, 1, 1.0]
    assert unsure.loc["b", ["rank_low", "rank_high"]].tolist() == [1, 3]
    assert 0.3 < unsure.loc["b", "first"] < 0.9
    assert unsure["first"].sum() == pytest.approx(1)


def test_tables_of_labels_and_spread() -> None:
    labels = labels_of(drawn(0.01), DATASETS, 0.5).set_index(["model", "dataset"])
    assert labels.loc[("a", "all"), "until"] == 1
    assert labels.loc[("b", "north"), "until"] == 3
    assert np.isnan(labels.loc[("c", "all"), "until"])
    assert labels.loc[("a", "all"), "gain"] == pytest.approx(0.275)
    spreads = spreads_of(drawn(), DATASETS).set_index(["model", "shots"])
    row = spreads.loc[("a", 0)]
    assert (row["lowest"], row["lowest_dataset"], row["highest"]) == (0.2, "south", 0.3)
    assert row["sets_std"] == pytest.approx(np.std([0.3, 0.2], ddof=1))
    assert np.isnan(row["seeds_std"])
