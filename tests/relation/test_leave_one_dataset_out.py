"""Estimators judged without the labels of the set that they judge, and the measures of a ranking."""

from dataclasses import replace
from itertools import permutations, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from howfar.errors import InputError
from howfar.relation.labelled_images import take
from howfar.relation.leave_one_dataset_out import aurc, auroc, judge
from howfar.relation.performance_estimators import every
from howfar.results.relation_result import Judgement

SIZES = {"cracks": 20, "tiles": 35, "wood": 15, "walls": 30, "roads": 25}
SETS = np.repeat(list(SIZES), list(SIZES.values()))
N = len(SETS)


def planted(seed: int = 0) -> tuple[dict[str, Any], np.ndarray]:
    """Five sets of different performance; flip agreement knows of it, distances do not."""
    rng = np.random.default_rng(seed)
    level = dict(zip(SIZES, rng.permutation([0.25, 0.4, 0.5, 0.6, 0.75]), strict=True))
    performance = np.clip([level[one] for one in SETS] + 0.15 * rng.normal(size=N), 0, 1)
    columns: dict[str, Any] = {
        "i_dist": rng.random(N),
        "knn": rng.random(N),
        "flip_agreement": 0.3 + 0.5 * performance + 0.05 * rng.normal(size=N),
        "average_confidence": 0.9 + 0.1 * rng.random(N),
    }
    return columns, performance


def of(judgements: tuple[Judgement, ...], name: str) -> Judgement:
    return next(one for one in judgements if one.estimator == name)


def test_a_good_signal_is_judged_better_than_the_mean_and_a_useless_distance_is_not() -> None:
    for seed in range(5):
        columns, performance = planted(seed)
        judgements, _ = judge(every(), columns, performance, SETS, tau=0.4)
        mean, distance, flip = (of(judgements, name) for name in ("mean", "i_dist", "flip_agreement"))
        assert distance.mae_image > 0.97 * mean.mae_image
        assert of(judgements, "distances").mae_image > 0.97 * mean.mae_image
        assert flip.mae_image < 0.5 * mean.mae_image
        assert flip.mae_set < 0.5 * mean.mae_set
        assert flip.width < 0.6 * mean.width
        assert flip.auroc > 0.9
        assert flip.auroc_within > 0.8
        assert mean.auroc_within == 0.5
        assert flip.aurc < mean.aurc
        first = min(judgements, key=lambda row: row.mae_set).estimator
        assert first in ("flip_agreement", "signals", "all", "consensus")


def test_the_left_out_sets_labels_do_not_touch_its_estimates() -> None:
    columns, performance = planted()
    groups = np.array([f"photo{k // 3}" for k in range(N)])
    first = judge(every(), columns, performance, SETS, tau=0.4, groups=groups)[1]
    for poisoned in ("tiles", "roads"):
        out = poisoned == SETS
        labels = np.where(out, 1.0 - performance, performance)
        second = judge(every(), columns, labels, SETS, tau=0.4, groups=groups)[1]
        for name, said in first.items():
            for row in ("estimate", "low", "high"):
                np.testing.assert_array_equal(getattr(said, row)[out], getattr(second[name], row)[out])
            own, other = ([one for one in which.sets if one.dataset == poisoned] for which in (said, second[name]))
            assert [replace(one, measured=None) for one in own] == [replace(one, measured=None) for one in other]
            assert not np.array_equal(said.estimate[~out], second[name].estimate[~out])


def test_judged_as_its_words_say() -> None:
    columns, performance = planted()
    judgements, said = judge(["flip_agreement"], columns, performance, SETS, tau=0.4, level=0.8)
    one, left_out = judgements[1], said["flip_agreement"]
    estimate, low, high = left_out.estimate, left_out.low, left_out.high
    in_sets = [name == SETS for name in SIZES]
    assert (one.estimator, one.kind, one.sets, one.images) == ("flip_agreement", "agreement", 5, N)
    assert one.mae_image == pytest.approx(np.mean([np.abs(estimate - performance)[k].mean() for k in in_sets]))
    errors = {name: float((estimate - performance)[name == SETS].mean()) for name in SIZES}
    assert one.set_errors == pytest.approx(errors)
    assert list(one.set_errors) == list(SIZES)
    assert one.mae_set == pytest.approx(np.mean(np.abs(list(errors.values()))))
    assert one.coverage == pytest.approx(np.mean([((low <= performance) & (performance <= high))[k].mean() for k in in_sets]))
    assert one.width == pytest.approx(np.mean([(high - low)[k].mean() for k in in_sets]))
    failed = performance < 0.4
    assert one.auroc == pytest.approx(roc_auc_score(failed, -estimate), abs=1e-12)
    both = [k for k in in_sets if 0 < failed[k].sum() < k.sum()]
    assert 2 <= len(both) < 5
    assert one.auroc_within == pytest.approx(np.mean([roc_auc_score(failed[k], -estimate[k]) for k in both]), abs=1e-12)
    assert one.aurc == aurc(estimate, performance)
    for record in left_out.sets:
        inside = record.dataset == SETS
        assert record.predicted == pytest.approx(estimate[inside].mean())
        assert record.measured == pytest.approx(performance[inside].mean())
        assert (record.level, record.n) == (0.8, inside.sum())


def test_an_image_at_tau_has_not_failed() -> None:
    columns = {"flip_agreement": [0.4, 0.6, 0.4, 0.6]}
    judgements, _ = judge(["flip_agreement"], columns, [0.4, 0.6, 0.4, 0.6], ["a", "a", "b", "b"], tau=0.4)
    assert (judgements[1].auroc, judgements[1].auroc_within) == (None, None)


def test_an_estimator_is_judged_on_what_it_can_be() -> None:
    columns, performance = planted()
    columns["ensemble_agreement"] = np.where(np.isin(SETS, ["cracks", "wood"]), columns["flip_agreement"], np.nan)
    columns["knn"] = np.where(SETS == "cracks", columns["knn"], np.nan)
    columns["flip_agreement"][:4] = np.nan
    judgements, said = judge(every(), columns, performance, SETS, tau=0.4)
    ensemble, flip = of(judgements, "ensemble_agreement"), of(judgements, "flip_agreement")
    assert (ensemble.sets, ensemble.images, list(ensemble.set_errors)) == (2, 35, ["cracks", "wood"])
    assert (flip.sets, flip.images) == (5, N - 4)
    assert np.isnan(said["flip_agreement"].estimate).tolist() == [True] * 4 + [False] * (N - 4)
    assert {"knn", "mahalanobis", "distances", "atc"}.isdisjoint(said)


def test_fewer_than_two_sets_are_not_judged() -> None:
    columns, performance = planted()
    assert judge(every(), columns, performance, ["cracks"] * N, tau=0.4) == ((), {})


def test_two_sets_and_single_images_are_judged_all_the_same() -> None:
    columns, performance = planted()
    few = np.flatnonzero(np.isin(SETS, ["cracks", "tiles"]))[19:]
    judgements, said = judge(every(), take(columns, few), performance[few], SETS[few], tau=0.4)
    assert of(judgements, "flip_agreement").images == 36
    # Learnt from the single image of "cracks" nothing is known of errors.
    assert said["mean"].low[1:].tolist() == [0.0] * 35
    assert said["mean"].high[1:].tolist() == [1.0] * 35


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=30))
def test_auroc_is_the_share_of_pairs_in_order(pairs: list[tuple[int, bool]]) -> None:
    scores, positive = [float(score) for score, _ in pairs], [one for _, one in pairs]
    ones, zeros = ([score for score, one in zip(scores, positive, strict=True) if one is kind] for kind in (True, False))
    if not ones or not zeros:
        assert auroc(scores, positive) is None
    else:
        wins = [(a > b) + 0.5 * (a == b) for a, b in product(ones, zeros)]
        assert auroc(scores, positive) == pytest.approx(np.mean(wins), abs=1e-12)


def area(performance: list[float]) -> float:
    """Area under the curve of images in this very order."""
    return float(np.mean([np.mean([1 - p for p in performance[: k + 1]]) for k in range(len(performance))]))


def test_aurc_is_the_mean_over_all_orders_of_equal_estimates() -> None:
    estimates, performance = [0.9, 0.4, 0.4, 0.4, 0.1], [0.8, 0.9, 0.1, 0.3, 0.2]
    expected = np.mean([area([0.8, *middle, 0.2]) for middle in permutations(performance[1:4])])
    assert aurc(estimates, performance) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("first", "second"), [([0.1], [0.2, 0.3]), ([[0.1]], [[0.2]]), ([np.nan], [0.1]), ([0.1], [np.nan])])
def test_wrong_rows_are_refused(first: list[float], second: list[float]) -> None:
    with pytest.raises(InputError, match=r"must (be|have)"):
        aurc(first, second)
    with pytest.raises(InputError, match=r"must (be|have)"):
        auroc(first, second)
    with pytest.raises(InputError, match="at least one number"):
        aurc([], [])
