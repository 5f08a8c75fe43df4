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


# Which estimator


def test_auto_is_fixed_beforehand_whatever_is_judged_best() -> None:
    columns, performance = planted()
    found = expected(columns, performance)
    errors = {one.estimator: one.mae_set for one in found.judge.judgements}
    assert min(errors, key=lambda name: errors[name]) == "all"
    assert found.judge.order == ("consensus", "signals", "mean")
    assert {used(found)[one] for one in (*LABELLED, "new")} == {"consensus"}


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


# Terms
