"""What is expected of each set: never by its own labels, by the best estimator that it has the columns for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from howfar.errors import InputError, UnknownNameError
from howfar.relation.calibrated_estimator import Calibrated, calibrate
from howfar.relation.failure_list import list_failures, trusted_below
from howfar.relation.label_free_columns import take
from howfar.relation.leave_one_dataset_out import judge
from howfar.relation.model_selection import choose
from howfar.relation.performance_estimators import every
from howfar.results import RelationSettings
from howfar.studies.performance.estimates import Expectation, expect

SIZES = {"cracks": 20, "tiles": 26, "wood": 16, "new": 18, "bare": 10}
SETS = np.repeat(list(SIZES), list(SIZES.values()))
GROUPS = np.array([f"{name}/{k // 2}" for k, name in enumerate(SETS)])
N = len(SETS)
LABELLED = ("cracks", "tiles", "wood")
SETTINGS = RelationSettings(0.5, "given", 0.5, 0.2, 0.8, 0.3, 0, 0, None)


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


def expected(columns: Any, performance: Any, estimator: str = "auto", settings: RelationSettings = SETTINGS) -> Expectation:
    return expect(columns, performance, SETS, GROUPS, settings, estimator)


def used(found: Expectation) -> dict[str, str]:
    return {one.dataset: one.estimator for one in found.estimates}


def of(found: Expectation, name: str) -> Any:
    return next(one for one in found.estimates if one.dataset == name)


def without(columns: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: values for name, values in columns.items() if name not in names}


def errors_of(found: Expectation) -> dict[str, float]:
    return {one.estimator: one.mae_set for one in found.judgements}


def errors_of_fit(fit: Calibrated) -> tuple[np.ndarray, np.ndarray]:
    return fit.estimates, fit.performance


# Whose labels are used


@pytest.mark.parametrize("estimator", ["auto", "mean", "i_dist", "flip_agreement", "signals", "all"])
@pytest.mark.parametrize("name", LABELLED)
def test_a_sets_own_labels_change_nothing_that_is_said_of_it(estimator: str, name: str) -> None:
    columns, performance = planted()
    here = name == SETS
    # All labels have a part in which estimator is the best judged. So little changes that "auto" stays with its choice.
    noise = 1e-3 * np.random.default_rng(1).random(N)
    other = np.where(here, np.abs(performance - noise) if estimator == "auto" else 1.0 - performance, performance)
    first, second = (expected(columns, values, estimator) for values in (performance, other))
    assert second.estimator == first.estimator
    for field in ("estimate", "low", "high", "p_value", "listed"):
        np.testing.assert_array_equal(getattr(second, field)[here], getattr(first, field)[here], field)
    assert not np.array_equal(second.estimate[~here], first.estimate[~here])
    one, again = of(first, name), of(second, name)
    assert replace(again, measured=None) == replace(one, measured=None)
    assert one.measured == pytest.approx(performance[here].mean())
    assert again.measured == pytest.approx(other[here].mean())


def test_every_labelled_set_is_estimated_by_the_others_and_every_other_set_by_all() -> None:
    columns, performance = planted()
    found = expected(columns, performance, "flip_agreement")
    assert [one.dataset for one in found.estimates] == list(SIZES)
    for name in ("cracks", "tiles", "wood", "new"):
        here = name == SETS
        on = np.isfinite(performance) & ~here
        fit = calibrate("flip_agreement", take(columns, on), performance[on], SETS[on], level=SETTINGS.level, groups=GROUPS[on])
        estimate, low, high = fit.predict(take(columns, here))
        np.testing.assert_array_equal(found.estimate[here], estimate)
        np.testing.assert_array_equal(found.low[here], low)
        np.testing.assert_array_equal(found.high[here], high)
        p_values, listed = list_failures(fit.estimates, fit.performance, estimate, SETTINGS.tau, SETTINGS.error_rate)
        np.testing.assert_array_equal(found.p_value[here], p_values)
        listed &= estimate <= trusted_below(*errors_of_fit(fit), fit.sets, SETTINGS.tau, SETTINGS.error_rate) + 1e-9
        np.testing.assert_array_equal(found.listed[here], listed)
        assert of(found, name).predicted == pytest.approx(estimate.mean(), rel=1e-12)
        assert next(one for one in found.failures if one.dataset == name).listed == listed.sum()
    assert 0 < found.listed.sum() < N


def test_judgements_are_those_of_the_labelled_images_alone() -> None:
    columns, performance = planted()
    on = np.isfinite(performance)
    wanted, _ = judge(
        every(), take(columns, on), performance[on], SETS[on], tau=SETTINGS.tau, level=SETTINGS.level, groups=GROUPS[on]
    )
    assert expected(columns, performance).judgements == wanted
    assert expected(columns, performance, "knn").judgements == wanted


def test_images_without_a_label_in_a_labelled_set_are_estimated_too_and_told_apart() -> None:
    columns, performance = planted()
    tiles = np.flatnonzero(SETS == "tiles")
    some = performance.copy()
    some[tiles[::2]] = np.nan
    found = expected(columns, some, "flip_agreement")
    np.testing.assert_array_equal(found.estimate[tiles], expected(columns, performance, "flip_agreement").estimate[tiles])
    assert of(found, "tiles").measured == pytest.approx(performance[tiles[1::2]].mean())
    assert of(found, "tiles").n == len(tiles) // 2
    one = next(one for one in found.failures if one.dataset == "tiles")
    assert one.n == len(tiles)
    assert one.failing == (performance[tiles[1::2]] < SETTINGS.tau).sum()


# Which estimator


def test_choices_are_of_all_estimators_and_of_the_distances_by_the_labelled_images_alone() -> None:
    columns, performance = planted()
    on = np.isfinite(performance)
    judged = judge(every(), take(columns, on), performance[on], SETS[on], tau=0.5, level=SETTINGS.level, groups=GROUPS[on])
    wanted = tuple(choose(*judged, performance[on], SETS[on], among) for among in ("all", "distance"))
    for name in ("auto", "knn"):
        assert expected(columns, performance, name).choices == wanted
    assert expected(without(columns, "i_dist", "knn"), performance).choices[1:] == ()


def test_auto_is_the_mean_where_choosing_the_best_is_worth_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    columns, performance = planted()
    best = expected(columns, performance)
    mean = best.judgements[0].mae_set
    for worth, name in ((mean, "mean"), (np.nextafter(mean, 0), best.estimator)):
        made = replace(best.choices[0], mae_set=float(worth))
        monkeypatch.setattr("howfar.studies.performance.estimates.choose", lambda *given, made=made: made)
        found = expected(columns, performance)
        assert found.estimator == name
        assert {used(found)[one] for one in (*LABELLED, "new")} == {name}
    assert errors_of(best)[best.estimator] < mean


def test_auto_is_the_best_judged() -> None:
    columns, performance = planted()
    found = expected(columns, performance)
    errors = errors_of(found)
    assert found.estimator == min(errors, key=lambda name: errors[name])
    assert used(found)["new"] == found.estimator


def test_a_set_that_lacks_what_the_best_needs_gets_the_next_best_that_it_has() -> None:
    columns, performance = planted()
    columns["flip_agreement"][SETS == "new"] = np.nan
    found = expected(without(columns, "knn"), performance)
    errors = errors_of(found)
    assert set(errors) == {"mean", "i_dist", "average_confidence", "doc", "flip_agreement", "signals", "all"}
    having = {"new": ("mean", "i_dist", "average_confidence", "doc"), "bare": ("mean", "i_dist")}
    for name, names in having.items():
        assert used(found)[name] == min(names, key=lambda one: errors[one])
    assert used(found)["new"] not in ("mean", "i_dist")
    assert used(found)["bare"] == "i_dist"
    assert found.estimator == "signals"
    assert {used(found)[name] for name in LABELLED} == {found.estimator}


def test_none_that_did_worse_than_the_mean_is_ever_used() -> None:
    columns, performance = planted()
    found = expected(without(columns, "i_dist"), performance)
    assert errors_of(found)["knn"] > errors_of(found)["mean"]
    assert used(found)["bare"] == "mean"
    useless = expected({"knn": columns["knn"]}, performance)
    assert useless.estimator == "mean"
    assert set(used(useless).values()) == {"mean"}


def test_one_that_was_not_judged_on_every_set_is_not_picked() -> None:
    columns, performance = planted()
    has = np.array(["cracks", "wood", "new", "bare"])
    columns["ensemble_agreement"] = np.where(np.isin(SETS, has), np.nan_to_num(performance, nan=0.4), np.nan)
    found = expected(columns, performance)
    errors = errors_of(found)
    assert min(errors, key=lambda name: errors[name]) == "ensemble_agreement"
    assert used(found) == used(expected(*planted()))
    assert used(found)["bare"] == "i_dist", "not even where the best cannot be used"
    named = expected(columns, performance, "ensemble_agreement")
    assert used(named) == {name: "ensemble_agreement" if name in has else "mean" for name in SIZES}


@pytest.mark.parametrize(("share", "name"), [(0.5, "flip_agreement"), (0.44, "mean")])
def test_half_the_images_of_a_set_must_have_what_is_needed(share: float, name: str) -> None:
    columns, performance = planted()
    new = np.flatnonzero(SETS == "new")
    columns["flip_agreement"][new[round(share * len(new)) :]] = np.nan
    found = expected(columns, performance, "flip_agreement")
    assert used(found)["new"] == name
    assert of(found, "new").n == (len(new) // 2 if name == "flip_agreement" else len(new))
    assert np.isnan(found.estimate[new]).sum() == (len(new) // 2 if name == "flip_agreement" else 0)
    assert not found.listed[new][np.isnan(found.estimate[new])].any()


def test_a_named_estimator_is_used_even_where_another_is_better() -> None:
    columns, performance = planted()
    found = expected(columns, performance, "knn")
    assert found.estimator == "knn"
    assert set(used(found).values()) == {"knn"}
    named = expected(columns, performance, "flip_agreement")
    assert used(named)["bare"] == "mean"
    assert named.estimator == "flip_agreement"
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


def test_without_labels_nothing_is_expected() -> None:
    found = expected(planted()[0], np.full(N, np.nan))
    assert (found.judgements, found.choices, found.estimator, found.estimates, found.failures) == ((), (), None, (), ())
    for values in (found.estimate, found.low, found.high, found.p_value):
        assert np.isnan(values).all()
        assert values.shape == (N,)
    assert not found.listed.any()


def test_with_one_labelled_set_nothing_is_judged_and_the_others_get_its_mean() -> None:
    columns, performance = planted()
    alone = np.where(SETS == "tiles", performance, np.nan)
    found = expected(columns, alone)
    assert (found.judgements, found.choices, found.estimator) == ((), (), "mean")
    assert used(found) == dict.fromkeys(("cracks", "wood", "new", "bare"), "mean")
    here = SETS == "tiles"
    assert np.isnan(found.estimate[here]).all()
    assert not found.listed[here].any()
    np.testing.assert_allclose(found.estimate[~here], performance[here].mean(), rtol=1e-12)
    for one in found.estimates:
        assert (one.low, one.high, one.measured) == (0.0, 1.0, None)
    assert [one.dataset for one in found.failures] == ["cracks", "wood", "new", "bare"]
    assert {one.failing for one in found.failures} == {None}


def test_with_one_labelled_set_a_named_estimator_is_used_and_photographs_are_left_out_together() -> None:
    columns, performance = planted()
    alone = np.where(SETS == "tiles", performance, np.nan)
    found = expected(columns, alone, "i_dist")
    assert used(found)["new"] == "i_dist"
    here, new = SETS == "tiles", SETS == "new"
    fit = calibrate("i_dist", take(columns, here), performance[here], SETS[here], level=SETTINGS.level, groups=GROUPS[here])
    np.testing.assert_array_equal(found.p_value[new], list_failures(*errors_of_fit(fit), found.estimate[new], 0.5, 0.2)[0])
    singly = calibrate("i_dist", take(columns, here), performance[here], SETS[here], level=SETTINGS.level)
    assert not np.array_equal(fit.estimates, singly.estimates)
    assert (found.low[new].max(), found.high[new].min()) == (0.0, 1.0)


# Settings


def test_tau_level_and_error_rate_are_those_of_the_settings() -> None:
    columns, performance = planted()
    found = expected(columns, performance, "flip_agreement", replace(SETTINGS, tau=0.35, level=0.6, error_rate=0.45))
    assert {(one.tau, one.error_rate) for one in found.failures} == {(0.35, 0.45)}
    assert {one.level for one in found.estimates} == {0.6}
    wide = expected(columns, performance, "flip_agreement", replace(SETTINGS, level=0.95))
    assert (wide.high - wide.low).mean() > 1.3 * (found.high - found.low).mean()
    failing = {one.dataset: one.failing for one in found.failures}
    assert failing["cracks"] == (performance[SETS == "cracks"] < 0.35).sum()
    assert failing["new"] is None


def test_lists_of_labelled_sets_say_how_right_they_are() -> None:
    columns, performance = planted()
    found = expected(columns, performance, "flip_agreement")
    for one in found.failures[:3]:
        here = one.dataset == SETS
        listed, failed = found.listed[here], performance[here] < SETTINGS.tau
        assert (one.n, one.listed, one.failing) == (here.sum(), listed.sum(), failed.sum())
        assert one.found == (listed & failed).sum()
        assert one.measured_error == (pytest.approx((listed & ~failed).sum() / listed.sum()) if listed.any() else None)
    assert any(one.listed for one in found.failures[:3])
