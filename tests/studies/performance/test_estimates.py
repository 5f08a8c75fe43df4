"""What is said of each set: never by its own labels, by the estimator that is fixed beforehand or the one that is asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from howfar.errors import InputError, UnknownNameError
from howfar.relation.calibrated_estimator import KnownFits, calibrate
from howfar.relation.failure_list import list_failures, trusted_below
from howfar.relation.image_columns import take
from howfar.relation.leave_one_dataset_out import judge
from howfar.relation.performance_estimators import every
from howfar.relation.site_judge import AUTO, Terms, judge_of
from howfar.studies.performance.image_performance import evidence_of
from howfar.studies.performance.relate import Expectation, expect

SIZES = {"cracks": 20, "tiles": 26, "wood": 16, "new": 18, "bare": 10}
SETS = np.repeat(list(SIZES), list(SIZES.values()))
GROUPS = np.array([f"{name}/{k // 2}" for k, name in enumerate(SETS)])
N = len(SETS)
LABELLED = ("cracks", "tiles", "wood")
TERMS = Terms(tau=0.5, level=0.8, error_rate=0.3)


def planted(seed: int = 0) -> tuple[dict[str, Any], np.ndarray]:
    """Three labelled sets; flip agreement tells most of performance, confidence less, a distance little; "bare" has no maps."""
    rng = np.random.default_rng(seed)
    level = dict(zip(SIZES, (0.3, 0.5, 0.75, 0.4, 0.6), strict=True))
    truth = np.clip([level[name] for name in SETS] + 0.15 * rng.normal(size=N), 0, 1)
    columns = {
        "i_dist": 2.0 - truth + 0.3 * rng.normal(size=N),
        "knn": rng.random(N),
        "flip_agreement": 0.3 + 0.5 * truth + 0.01 * rng.normal(size=N),
        "average_confidence": 0.9 + 0.1 * truth + 0.01 * rng.normal(size=N),
    }
    for name in ("flip_agreement", "average_confidence"):
        columns[name][SETS == "bare"] = np.nan
    return columns, np.where(np.isin(SETS, LABELLED), truth, np.nan)


def expected(columns: Any, performance: Any, estimator: str = AUTO, terms: Terms = TERMS) -> Expectation:
    evidence, known = evidence_of(columns, performance, SETS, GROUPS, None, "p"), KnownFits()
    judge = judge_of(evidence, terms, "F", None, wanted=estimator, known=known)
    return expect(judge, evidence, columns, performance, SETS, known, estimator)


def used(found: Expectation) -> dict[str, str]:
    return {one.dataset: one.estimator for one in found.estimates}


def of(found: Expectation, name: str) -> Any:
    return next(one for one in found.estimates if one.dataset == name)


def without(columns: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: values for name, values in columns.items() if name not in names}


def mean_of(performance: np.ndarray) -> float:
    return float(np.mean([performance[name == SETS].mean() for name in LABELLED]))


# Whose labels are used


@pytest.mark.parametrize("estimator", ["auto", "mean", "i_dist", "flip_agreement", "signals", "all"])
@pytest.mark.parametrize("name", LABELLED)
def test_a_sets_own_labels_change_nothing_that_is_said_of_it(estimator: str, name: str) -> None:
    columns, performance = planted()
    here = name == SETS
    first, second = (
        expected(columns, values, estimator) for values in (performance, np.where(here, 1.0 - performance, performance))
    )
    for field in ("estimate", "low", "high", "p_value", "listed"):
        np.testing.assert_array_equal(getattr(second, field)[here], getattr(first, field)[here], field)
    assert not np.array_equal(second.estimate[~here], first.estimate[~here])
    one, again = of(first, name), of(second, name)
    assert replace(again, measured=None) == replace(one, measured=None)
    assert one.measured == pytest.approx(performance[here].mean())
    assert again.measured == pytest.approx(1.0 - performance[here].mean())
    gates = ([gate for gate in found.gates if gate.dataset == name] for found in (first, second))
    assert next(gates) == next(gates)


def test_every_labelled_set_is_estimated_by_the_others_and_every_other_set_by_all() -> None:
    columns, performance = planted()
    columns = without(columns, "i_dist", "knn")  # so that the gate stops none
    found = expected(columns, performance, "flip_agreement")
    assert [one.dataset for one in found.estimates] == list(SIZES)
    for name in ("cracks", "tiles", "wood", "new"):
        here = name == SETS
        on = np.isfinite(performance) & ~here
        fit = calibrate("flip_agreement", take(columns, on), performance[on], SETS[on], level=TERMS.level, groups=GROUPS[on])
        estimate, low, high = fit.predict(take(columns, here))
        np.testing.assert_array_equal(found.estimate[here], estimate)
        np.testing.assert_array_equal(found.low[here], low)
        np.testing.assert_array_equal(found.high[here], high)
        tried, truth, names = fit.tried()
        p_values, listed = list_failures(tried, truth, estimate, TERMS.tau, TERMS.error_rate)
        np.testing.assert_array_equal(found.p_value[here], p_values)
        listed &= estimate <= trusted_below(tried, truth, names, TERMS.tau, TERMS.error_rate) + 1e-9
        np.testing.assert_array_equal(found.listed[here], listed)
        assert of(found, name).predicted == pytest.approx(estimate.mean(), rel=1e-12)
        assert next(one for one in found.failures if one.dataset == name).listed == listed.sum()
    assert 0 < found.listed.sum() < N


def test_judgements_are_those_of_the_labelled_images_alone() -> None:
    columns, performance = planted()
    columns = without(columns, "i_dist", "knn")  # so that the gate widens no interval
    on = np.isfinite(performance)
    wanted, _ = judge(
        every(), take(columns, on), performance[on], SETS[on], tau=TERMS.tau, level=TERMS.level, groups=GROUPS[on]
    )
    assert expected(columns, performance).judge.judgements == wanted
    assert expected(columns, performance, "flip_agreement").judge.judgements == wanted


def test_images_without_a_label_in_a_labelled_set_are_estimated_too_and_told_apart() -> None:
    columns, performance = planted()
    tiles = np.flatnonzero(SETS == "tiles")
    some = performance.copy()
    some[tiles[::2]] = np.nan
    found = expected(columns, some, "flip_agreement")
    np.testing.assert_array_equal(found.estimate[tiles], expected(columns, performance, "flip_agreement").estimate[tiles])
    assert of(found, "tiles").measured == pytest.approx(performance[tiles[1::2]].mean())
    assert of(found, "tiles").n == len(tiles)
    one = next(one for one in found.failures if one.dataset == "tiles")
    assert one.n == len(tiles)
    assert one.failing == (performance[tiles[1::2]] < TERMS.tau).sum()


# Which estimator


def test_auto_is_fixed_beforehand_whatever_is_judged_best() -> None:
    columns, performance = planted()
    found = expected(columns, performance)
    errors = {one.estimator: one.mae_set for one in found.judge.judgements}
    assert min(errors, key=lambda name: errors[name]) == "all"
    assert found.judge.order == ("consensus", "signals", "mean")
    assert {used(found)[one] for one in (*LABELLED, "new")} == {"consensus"}


def test_a_set_without_predictions_gets_the_mean() -> None:
    columns, performance = planted()
    found = expected(columns, performance)
    assert used(found)["bare"] == "mean"
    np.testing.assert_allclose(found.estimate[SETS == "bare"], mean_of(performance))


def test_where_nothing_has_predictions_a_distance_must_clearly_beat_the_mean() -> None:
    columns, performance = planted()
    useless = expected({"knn": columns["knn"]}, performance)
    assert useless.judge.order == ("mean",)
    assert set(used(useless).values()) == {"mean"}
    telling = {"knn": 2.0 - np.where(np.isfinite(performance), performance, 0.5)}
    # With one of three labelled sets left out, the two others show nothing.
    assert used(expected(telling, performance)) == {**dict.fromkeys(LABELLED, "mean"), "new": "knn", "bare": "knn"}


def test_a_site_that_the_gate_stops_says_nothing_of_the_errors_to_expect() -> None:
    columns, performance = planted()
    columns["i_dist"][SETS == "cracks"] += 5.0
    found, near = expected(columns, performance), expected(without(columns, "i_dist", "knn"), performance)
    assert {gate.dataset: gate.inside for gate in found.gates}["cracks"] is False
    fits = found.judge.fits
    assert {name: fit.stopped for name, fit in fits.items()} == dict.fromkeys(fits, frozenset({"cracks"}))
    assert not any(fit.stopped for fit in near.judge.fits.values())


def test_a_set_that_lacks_what_the_consensus_reads_gets_the_next_that_it_has() -> None:
    columns, performance = planted()
    columns["ensemble_agreement"] = np.where(SETS == "tiles", np.nan, np.nan_to_num(performance, nan=0.4))
    found = expected(columns, performance)
    # Of all labelled sets "tiles" lacks the agreement, so that it is not read; with "tiles" left out the other sets have it.
    assert used(found) == {**dict.fromkeys(SIZES, "consensus"), "tiles": "mean", "bare": "mean"}
    named = expected(columns, performance, "ensemble_agreement")
    assert used(named) == {**dict.fromkeys(SIZES, "ensemble_agreement"), "tiles": "mean"}


def test_the_mean_stands_in_where_no_other_set_has_what_the_named_estimator_reads() -> None:
    columns, performance = planted()
    columns["ensemble_agreement"] = np.where(np.isin(SETS, ["cracks", "new"]), np.nan_to_num(performance, nan=0.4), np.nan)
    found = expected(columns, performance, "ensemble_agreement")
    assert used(found) == {**dict.fromkeys(SIZES, "mean"), "new": "ensemble_agreement"}


@pytest.mark.parametrize(("share", "name"), [(0.56, "flip_agreement"), (0.44, "mean")])
def test_an_image_that_lacks_what_is_needed_gets_the_mean_and_most_images_name_the_estimator(share: float, name: str) -> None:
    columns, performance = planted()
    new = np.flatnonzero(SETS == "new")
    without_agreement = new[round(share * len(new)) :]
    columns["flip_agreement"][without_agreement] = np.nan
    found = expected(columns, performance, "flip_agreement")
    assert (used(found)["new"], of(found, "new").n) == (name, len(new))
    np.testing.assert_allclose(found.estimate[without_agreement], mean_of(performance))
    assert of(found, "new").predicted == pytest.approx(found.estimate[new].mean())


def test_a_named_estimator_is_used_even_where_another_is_better() -> None:
    columns, performance = planted()
    found = expected(columns, performance, "knn")
    assert found.judge.order == ("knn", "mean")
    assert set(used(found).values()) == {"knn"}
    named = expected(columns, performance, "flip_agreement")
    assert used(named)["bare"] == "mean"
    mean = expected(columns, performance, "mean")
    assert np.unique(mean.estimate[np.isin(SETS, ["new", "bare"])]).size == 1


def test_an_estimator_that_is_unknown_or_cannot_be_used_is_one_line() -> None:
    columns, performance = planted()
    with pytest.raises(UnknownNameError, match=r"no estimators named 'signal'; known: all, .*; did you mean 'signals'\?"):
        expected(columns, performance, "signal")
    with pytest.raises(InputError) as caught:
        expected(columns, performance, "ensemble_agreement")
    assert str(caught.value) == (
        "estimator must be one whose signals the labelled sets have, got 'ensemble_agreement': auto picks from those"
    )
    columns["ensemble_agreement"] = np.where(np.isin(SETS, LABELLED), np.nan, 0.5)
    with pytest.raises(InputError, match="whose signals the labelled sets have"):
        expected(columns, performance, "ensemble_agreement")


# Few labels


def test_without_labels_there_is_no_judge() -> None:
    with pytest.raises(InputError, match="performance must be of at least one labelled image"):
        expected(planted()[0], np.full(N, np.nan))


def test_with_one_labelled_set_nothing_is_judged_and_intervals_of_images_say_nothing() -> None:
    columns, performance = planted()
    alone = np.where(SETS == "tiles", performance, np.nan)
    found = expected(columns, alone)
    assert found.judge.judgements == ()
    assert used(found) == {"cracks": "consensus", "wood": "consensus", "new": "consensus", "bare": "mean"}
    here = SETS == "tiles"
    assert np.isnan(found.estimate[here]).all()
    assert not found.listed[here].any()
    assert (found.low[~here].max(), found.high[~here].min()) == (0.0, 1.0)
    assert all(one.measured is None for one in found.estimates)
    assert [one.dataset for one in found.failures] == ["cracks", "wood", "new", "bare"]
    assert {one.failing for one in found.failures} == {None}


def test_with_one_labelled_set_a_named_estimator_is_used_and_photographs_are_left_out_together() -> None:
    columns, performance = planted()
    alone = np.where(SETS == "tiles", performance, np.nan)
    found = expected(columns, alone, "i_dist")
    assert used(found)["new"] == "i_dist"
    here, new = SETS == "tiles", SETS == "new"
    fit = calibrate("i_dist", take(columns, here), performance[here], SETS[here], level=TERMS.level, groups=GROUPS[here])
    np.testing.assert_array_equal(
        found.p_value[new], list_failures(fit.estimates, fit.performance, found.estimate[new], TERMS.tau, TERMS.error_rate)[0]
    )
    singly = calibrate("i_dist", take(columns, here), performance[here], SETS[here], level=TERMS.level)
    assert not np.array_equal(fit.estimates, singly.estimates)
    assert (found.low[new].max(), found.high[new].min()) == (0.0, 1.0)


# Terms


def test_tau_level_and_error_rate_are_those_of_the_terms() -> None:
    columns, performance = planted()
    found = expected(columns, performance, "flip_agreement", replace(TERMS, tau=0.35, level=0.6, error_rate=0.45))
    assert {(one.tau, one.error_rate) for one in found.failures} == {(0.35, 0.45)}
    assert {one.level for one in found.estimates} == {0.6}
    wide = expected(columns, performance, "flip_agreement", replace(TERMS, level=0.95))
    assert (wide.high - wide.low).mean() > 1.3 * (found.high - found.low).mean()
    failing = {one.dataset: one.failing for one in found.failures}
    assert failing["cracks"] == (performance[SETS == "cracks"] < 0.35).sum()
    assert failing["new"] is None


def test_lists_of_labelled_sets_say_how_right_they_are() -> None:
    columns, performance = planted()
    found = expected(columns, performance, "flip_agreement")
    for one in found.failures[:3]:
        here = one.dataset == SETS
        listed, failed = found.listed[here], performance[here] < TERMS.tau
        assert (one.n, one.listed, one.failing) == (here.sum(), listed.sum(), failed.sum())
        assert one.found == (listed & failed).sum()
        assert one.measured_error == (pytest.approx((listed & ~failed).sum() / listed.sum()) if listed.any() else None)
    assert any(one.listed for one in found.failures[:3])
