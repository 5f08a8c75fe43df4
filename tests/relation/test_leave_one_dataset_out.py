from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from howfar.relation.image_columns import take
from howfar.relation.leave_one_dataset_out import aurc, judge
from howfar.relation.performance_estimators import every
from howfar.results.relation import Judgement

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
        assert flip.width is not None
        assert mean.width is not None
        assert flip.width < 0.6 * mean.width
        assert flip.auroc is not None
        assert flip.auroc > 0.9
        assert flip.auroc_within is not None
        assert flip.auroc_within > 0.8
        assert mean.auroc_within == 0.5
        assert flip.aurc is not None
        assert mean.aurc is not None
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


def test_mean_comes_first_once_and_the_others_in_the_order_given() -> None:
    columns, performance = planted()
    given = ["flip_agreement", "mean", "i_dist", "flip_agreement"]
    judgements, said = judge(given, columns, performance, SETS, tau=0.4)
    assert [one.estimator for one in judgements] == ["mean", "flip_agreement", "i_dist"] == list(said)
    assert [one.estimator for one in judge([], columns, performance, SETS, tau=0.4)[0]] == ["mean"]


def test_order_of_images_and_names_of_sets_do_not_matter() -> None:
    columns, performance = planted()
    order = np.random.default_rng(1).permutation(N)
    names = dict(zip(SIZES, ("e", "d", "c", "b", "a"), strict=True))
    first = judge(every(), columns, performance, SETS, tau=0.4)[0]
    second = judge(every(), take(columns, order), performance[order], [names[SETS[k]] for k in order], tau=0.4)[0]
    for one, other in zip(first, second, strict=True):
        assert other.set_errors == pytest.approx({names[key]: value for key, value in one.set_errors.items()}, abs=1e-9)
        for field in ("mae_image", "mae_set", "coverage", "width", "auroc", "auroc_within", "aurc"):
            assert getattr(other, field) == pytest.approx(getattr(one, field), abs=1e-9)


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
