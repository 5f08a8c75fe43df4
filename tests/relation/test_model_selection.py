"""What choosing an estimator is worth: judged on sets that had no say in the choice."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from howfar.errors import InputError
from howfar.relation.leave_one_dataset_out import judge
from howfar.relation.model_selection import choose, worth_using
from howfar.relation.performance_estimators import named
from howfar.results.relation import Choice, Judgement

NAMES = ("flip_agreement", "i_dist", "knn", "average_confidence")


def world(seed: int, sets: int, signal: float) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.float64], NDArray[np.str_]]:
    """Sets that differ in performance and in what is known of them; flip agreement follows performance by `signal`."""
    rng = np.random.default_rng(seed)
    of = np.repeat([f"set {k}" for k in range(sets)], 20)
    performance = np.clip(np.repeat(rng.normal(0.5, 0.15, sets), 20) + rng.normal(0, 0.1, 20 * sets), 0, 1)
    columns = {name: np.repeat(rng.normal(size=sets), 20) + rng.normal(size=20 * sets) for name in NAMES}
    columns["flip_agreement"] = signal * performance + (1 - signal) * columns["flip_agreement"]
    return columns, performance, of


def test_the_pick_for_a_set_is_the_best_judged_on_the_others_alone() -> None:
    columns, performance, of = world(3, 5, 0.1)
    judged = judge(NAMES, columns, performance, of, tau=0.5)
    choice = choose(*judged, performance, of)
    assert choice is not None
    errors = []
    for name in np.unique(of):
        rest = of != name
        others = judge(NAMES, {key: values[rest] for key, values in columns.items()}, performance[rest], of[rest], tau=0.5)[0]
        best = min(others, key=lambda one: one.mae_set).estimator
        assert choice.picked[name] == best
        fitted = named(best).resolve({key: values[rest] for key, values in columns.items()}, of[rest])
        assert fitted is not None
        fit = fitted.fit({key: values[rest] for key, values in columns.items()}, performance[rest], of[rest])
        said = fit.predict({key: values[~rest] for key, values in columns.items()})
        errors.append(np.mean(np.abs(said - performance[~rest])))
        assert choice.set_errors[name] == pytest.approx(np.mean(said) - np.mean(performance[~rest]))
    assert choice.mae_image == pytest.approx(np.mean(errors))
    assert choice.mae_set == pytest.approx(np.mean(np.abs(list(choice.set_errors.values()))))


def test_a_sets_own_labels_do_not_change_its_pick() -> None:
    columns, performance, of = world(4, 5, 0.1)
    first = choose(*judge(NAMES, columns, performance, of, tau=0.5), performance, of)
    other = np.where(of == "set 2", performance[::-1], performance)
    second = choose(*judge(NAMES, columns, other, of, tau=0.5), other, of)
    assert first is not None
    assert second is not None
    assert first.picked["set 2"] == second.picked["set 2"]


def test_where_nothing_is_to_be_known_the_mean_is_mostly_used() -> None:
    kept, judged_gain, true_gain = 0, [], []
    for seed in range(40):
        columns, performance, of = world(seed, 5, 0.0)
        judgements, left_out = judge(NAMES, columns, performance, of, tau=0.5)
        choice = choose(judgements, left_out, performance, of)
        assert choice is not None
        kept += worth_using(judgements, [choice]) == "mean"
        judged_gain.append(judgements[0].mae_set - min(one.mae_set for one in judgements))
        true_gain.append(judgements[0].mae_set - choice.mae_set)
    # Judged by what it was chosen by the winner is better than the mean, on sets that had no say it is worse.
    assert np.mean(judged_gain) > 0.005
    assert np.mean(true_gain) < 0
    assert kept >= 25


def test_where_something_is_to_be_known_it_is_used() -> None:
    columns, performance, of = world(0, 5, 0.99)
    judgements, left_out = judge(NAMES, columns, performance, of, tau=0.5)
    choice = choose(judgements, left_out, performance, of)
    assert choice is not None
    assert worth_using(judgements, [choice]) == choice.winner == "flip_agreement"
    assert choice.mae_image < 0.5 * judgements[0].mae_image


def test_one_kind_is_chosen_from_beside_the_mean() -> None:
    columns, performance, of = world(1, 4, 0.9)
    judged = judge(NAMES, columns, performance, of, tau=0.5)
    distance = choose(*judged, performance, of, "distance")
    assert distance is not None
    assert {distance.winner, *distance.picked.values()} <= {"mean", "i_dist", "knn"}
    assert choose(*judged, performance, of, "agreement") != distance
    assert choose(*judge(["flip_agreement"], columns, performance, of, tau=0.5), performance, of, "distance") is None


def test_nothing_judged_is_nothing_chosen() -> None:
    assert choose((), {}, [], []) is None
    mean = Judgement("mean", "baseline", 3, 9, 0.2, 0.1, None, None, None, None, None)
    assert worth_using([mean], []) == "mean"
    assert worth_using([mean], [Choice("all", "knn", 3, 0.1, 0.1, {}, {})]) == "mean"
    assert worth_using([mean], [Choice("all", "knn", 3, 0.3, 0.09, {}, {})]) == "knn"


def test_other_performances_than_those_judged_are_refused() -> None:
    columns, performance, of = world(1, 3, 0.5)
    judged = judge(NAMES, columns, performance, of, tau=0.5)
    with pytest.raises(InputError, match="performance and sets must be those that were judged"):
        choose(*judged, performance[1:], of[1:])
