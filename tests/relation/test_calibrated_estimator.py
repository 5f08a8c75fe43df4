"""Estimates with intervals: errors of fits that did not see the set, and fits that are made once."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from howfar.errors import InputError, UnknownNameError
from howfar.relation.calibrated_estimator import Calibrated, KnownFits, calibrate
from howfar.relation.labelled_images import LabelledImages, take
from howfar.relation.leave_one_dataset_out import judge
from howfar.relation.performance_estimators import FLIP_AGREEMENT, MEAN, RegisteredEstimator, named

SETS = np.array(["cracks"] * 14 + ["tiles"] * 9 + ["wood"] * 11)
N = len(SETS)


def planted(seed: int = 0) -> tuple[dict[str, Any], np.ndarray]:
    rng = np.random.default_rng(seed)
    columns = {name: rng.random(N) for name in ("i_dist", "flip_agreement", "average_confidence", "entropy")}
    return columns, np.clip(0.2 + 0.6 * columns["flip_agreement"] + 0.1 * rng.normal(size=N), 0, 1)


@pytest.mark.parametrize("name", ["mean", "flip_agreement", "signals"])
def test_errors_are_those_of_fits_that_did_not_see_the_set(name: str) -> None:
    columns, performance = planted()
    calibrated = calibrate(name, columns, performance, SETS)
    assert calibrated.sets == tuple(SETS)
    np.testing.assert_array_equal(calibrated.performance, performance)
    for one in np.unique(SETS):
        others = calibrate(name, take(columns, one != SETS), performance[one != SETS], SETS[one != SETS])
        np.testing.assert_allclose(calibrated.estimates[one == SETS], others.predict(take(columns, one == SETS))[0], atol=1e-12)


def half_width(calibrated: Calibrated, level: float) -> Callable[[np.ndarray], np.ndarray]:
    """The interval's formula, by sorting and counting."""
    scaled = np.abs(calibrated.estimates - calibrated.performance)
    scaled /= np.sqrt(calibrated.estimates * (1 - calibrated.estimates) + 0.02)
    of, quantiles = np.array(calibrated.sets), []
    for name in set(of):
        errors = sorted(scaled[of == name])
        quantiles.append(errors[min(math.ceil((len(errors) + 1) * level), len(errors)) - 1])
    q = sorted(quantiles)[min(math.ceil((len(quantiles) + 1) * level), len(quantiles)) - 1]
    return lambda estimate: q * np.sqrt(estimate * (1 - estimate) + 0.02)


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9])
def test_an_images_interval_is_the_scaled_error_of_left_out_sets(level: float) -> None:
    columns, performance = planted()
    calibrated = calibrate("flip_agreement", columns, performance, SETS, level=level)
    estimate, low, high = calibrated.predict(columns)
    half = half_width(calibrated, level)(estimate)
    np.testing.assert_allclose(low, np.maximum(estimate - half, 0), atol=1e-12)
    np.testing.assert_allclose(high, np.minimum(estimate + half, 1), atol=1e-12)


def test_the_primarys_own_kind_is_in_every_fit_of_a_site_and_is_left_out_itself() -> None:
    columns, performance = planted()
    calibrated = calibrate("flip_agreement", columns, performance, SETS, home="cracks")
    assert (calibrated.roles, calibrated.left_out) == ({"tiles": "site", "wood": "site", "cracks": "home"}, 2)
    for name in np.unique(SETS):
        rest, out = name != SETS, np.array(calibrated.sets) == name
        fitted = FLIP_AGREEMENT.fit(take(columns, rest), performance[rest], SETS[rest])
        np.testing.assert_allclose(calibrated.estimates[out], fitted.predict(take(columns, ~rest)), atol=1e-12)
    assert set(calibrated.tried()[2]) == {"tiles", "wood"}
    whole = FLIP_AGREEMENT.fit(columns, performance, SETS).predict(columns)
    np.testing.assert_allclose(calibrated.fitted.predict(columns), whole, atol=1e-12)


def test_a_corrupted_set_is_left_out_with_its_kind_and_learnt_from_only_where_no_site_is() -> None:
    columns, performance = planted()
    kinds = {"wood": "blur"}
    with_site = calibrate("flip_agreement", columns, performance, SETS, home="cracks", corrupted=kinds)
    own = SETS == "cracks"
    blurred = np.array(with_site.sets) == "wood"
    fitted = FLIP_AGREEMENT.fit(take(columns, own), performance[own], SETS[own])
    np.testing.assert_allclose(with_site.estimates[blurred], fitted.predict(take(columns, SETS == "wood")), atol=1e-12)
    for sets, learnt in ((SETS != "tiles", SETS != "tiles"), (SETS == SETS, SETS != "wood")):
        part = calibrate("mean", take(columns, sets), performance[sets], SETS[sets], home="cracks", corrupted=kinds)
        fitted = MEAN.fit(take(columns, learnt), performance[learnt], SETS[learnt])
        assert part.fitted.predict({"i_dist": [1.0]}) == pytest.approx(fitted.predict({"i_dist": [1.0]}))


def reference_half_width(sites: list[float], home: list[float], corrupted: list[float], beyond: float, level: float) -> float:
    """Half the width of a set's interval by the module's text, from errors of sets' means."""
    prior = np.mean(np.square([*corrupted, *[0.08] * (22 - len(corrupted))]))  # a set fewer than 22 counts as 0.08
    errors = [*sites, *(home if len(sites) > 1 else [])]
    freedom = 2 + len(errors)
    scale = np.sqrt((2 * prior + np.sum(np.square(errors))) / freedom)
    return float(stats.t.ppf((1 + level) / 2, freedom) * scale * (1 + 0.5 * min(beyond, 1)))


@pytest.mark.parametrize("level", [0.5, 0.9])
@pytest.mark.parametrize("beyond", [0.0, 0.4, 3.0])
@pytest.mark.parametrize("corrupted", [[], [0.02], [0.1, -0.05, 0.03]])
@pytest.mark.parametrize("sites", [[], [0.04], [0.04, -0.01], [0.04, -0.01, 0.02]])
def test_a_sets_interval_is_as_its_words_say(sites: list[float], corrupted: list[float], beyond: float, level: float) -> None:
    errors = {f"site{k}": ("site", error) for k, error in enumerate(sites)} | {"own": ("home", 0.015)}
    errors |= {f"own·{k}": ("corrupted", error) for k, error in enumerate(corrupted)}
    if len(sites) > 1:
        errors["stopped"] = ("site", 0.3)
    names = np.repeat(list(errors), 4)
    spread = np.tile([-0.1, 0.1, -0.05, 0.05], len(errors))
    calibrated = Calibrated(
        MEAN.fit({"i_dist": [1.0]}, [0.5], ["a"]), level, np.repeat([error for _, error in errors.values()], 4) + 0.5 + spread,
        np.full(len(names), 0.5), tuple(names), {name: role for name, (role, _) in errors.items()}, frozenset({"stopped"}),
    )  # fmt: skip
    half = reference_half_width(sites, [0.015], corrupted, beyond, level)
    estimate = calibrated.of_estimates(np.array([0.5, 0.52]), "new", beyond=beyond)
    assert (estimate.low, estimate.high) == pytest.approx((max(0.51 - half, 0), min(0.51 + half, 1)))


def test_an_image_that_lacks_the_column_has_no_interval_and_no_say_in_its_sets() -> None:
    columns, performance = planted()
    calibrated = calibrate("flip_agreement", columns, performance, SETS, level=0.8)
    for row in calibrated.predict({"flip_agreement": [0.5, np.nan]}):
        assert np.isnan(row).tolist() == [False, True]
    one = calibrated.predict_set({"flip_agreement": [0.2, 0.6, np.nan]}, "walls", 0.4)
    assert (one.dataset, one.estimator, one.n, one.level, one.measured) == ("walls", "flip_agreement", 2, 0.8, 0.4)
    assert one.predicted == pytest.approx(np.mean(calibrated.predict({"flip_agreement": [0.2, 0.6]})[0]))


@pytest.mark.parametrize("photographs", [False, True])
def test_a_single_set_is_left_out_in_folds_and_photographs_whole(photographs: bool) -> None:
    columns, performance = planted()
    groups = np.array([f"photo{k % 5}" for k in range(N)])
    calibrated = calibrate("flip_agreement", columns, performance, ["cracks"] * N, groups=groups if photographs else None)
    assert len(calibrated.estimates) == N
    out = groups == "photo3" if photographs else np.arange(N) * 10 // N == 0
    rest = FLIP_AGREEMENT.fit(take(columns, ~out), performance[~out], ["cracks"] * int((~out).sum()))
    np.testing.assert_allclose(calibrated.estimates[out], rest.predict(take(columns, out)), atol=1e-14)


def test_wrong_input_is_refused() -> None:
    columns, performance = planted()
    one_lacks = np.where(SETS == "wood", np.nan, performance)
    for name, truth, level, line in (
        ("mean", performance, 1.0, "level must lie between 0 and 1"),
        ("best", performance, 0.9, "no estimators named"),
        ("ensemble_agreement", performance, 0.9, "must give ensemble_agreement what it needs"),
        ("mean", one_lacks, 0.9, "performance must lie between 0 and 1"),
    ):
        with pytest.raises((InputError, UnknownNameError), match=line):
            calibrate(name, columns, truth, SETS, level=level)
    with pytest.raises(InputError, match="must give flip_agreement what it needs"):
        calibrate("flip_agreement", columns, performance, SETS).predict_set({"i_dist": [1.0, 2.0]}, "walls")


def test_wrong_documents_are_refused() -> None:
    columns, performance = planted()
    document = calibrate("mean", columns, performance, SETS).to_dict()
    for key in set(document) - {"roles", "stopped"}:
        with pytest.raises(InputError, match="document must be that of a calibrated estimator"):
            Calibrated.from_dict({name: value for name, value in document.items() if name != key})
    with pytest.raises(InputError, match="one estimate and one performance an image"):
        Calibrated.from_dict({**document, "sets": ["cracks"]})
    odd = [("level", 1e308), ("level", -1), ("roles", {}), ("roles", dict.fromkeys(SETS.tolist(), "owner")), ("stopped", 1)]
    odd += [(key, [None, *document[key][1:]]) for key in ("estimates", "performance")]
    for key, value in odd:
        with pytest.raises(InputError, match=r"^document must"):
            Calibrated.from_dict({**document, key: value})
    older = {name: value for name, value in document.items() if name not in ("roles", "stopped")}
    assert Calibrated.from_dict(older).left_out == 3


def right_or_wrong(counts: tuple[int, ...], seed: int = 0) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
    """Images of several sets that are right as often as their confidence says."""
    rng = np.random.default_rng(seed)
    sets = np.repeat([f"set {k}" for k in range(len(counts))], counts)
    confidence = np.clip(rng.normal(np.repeat(rng.uniform(0.5, 0.9, len(counts)), counts), 0.1), 0, 1)
    return {"confidence": confidence}, (rng.random(len(sets)) < confidence).astype(float), sets


def test_an_image_that_is_right_or_wrong_has_no_interval() -> None:
    columns, performance, sets = right_or_wrong((40, 40, 40))
    calibrated = calibrate("mean", columns, performance, sets)
    estimate, low, high = calibrated.predict(columns)
    assert np.isfinite(estimate).all()
    assert np.isnan(low).all()
    assert np.isnan(high).all()
    assert calibrated.predict_set(columns, "new").low > 0
    again = Calibrated.from_dict(json.loads(json.dumps(calibrated.to_dict())))
    assert again.right_or_wrong
    nearly = performance.copy()
    nearly[0] = 0.5
    assert np.isfinite(calibrate("mean", columns, nearly, sets).predict(columns)[1]).all()


def test_the_interval_of_few_images_that_are_right_or_wrong_is_wider() -> None:
    columns, performance, sets = right_or_wrong((40, 50, 80))
    calibrated = calibrate("mean", columns, performance, sets, level=0.5)
    wide = calibrated.predict_set({"confidence": [0.5] * 10}, "new")
    z = stats.norm.ppf(0.75)
    p = calibrated.predict({"confidence": [0.5]})[0][0]
    extra = z**2 * p * (1 - p) * (1 / 10 - np.mean([1 / 40, 1 / 50, 1 / 80]))
    expected = math.sqrt(calibrated.set_half_width() ** 2 + extra)
    assert (wide.high - wide.low) / 2 == pytest.approx(expected)
    many = calibrated.predict_set({"confidence": [0.5] * 80}, "new")
    assert (many.high - many.low) / 2 == pytest.approx(calibrated.set_half_width())


@pytest.mark.parametrize("count", [10, 200])
def test_intervals_of_accuracy_hold_for_large_and_small_sets(count: int) -> None:
    held = 0
    for draw in range(200):
        rng = np.random.default_rng([count, draw])
        truth = rng.normal(0.7, 0.05, 6).clip(0, 1)
        sizes = [100] * 5
        sets = np.repeat([f"set {k}" for k in range(5)], sizes)
        performance = (rng.random(500) < np.repeat(truth[:5], sizes)).astype(float)
        fitted = calibrate("mean", {"i_dist": np.zeros(500)}, performance, sets)
        estimate = fitted.predict_set({"i_dist": np.zeros(count)}, "new")
        accuracy = np.mean(rng.random(count) < truth[5])
        held += estimate.low <= accuracy <= estimate.high
    assert 0.84 <= held / 200 <= 0.97, held


def of_two_kinds(seed: int, sets: int, n: int) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
    """Draw sets whose performance spreads about a level of their own, and a signal that misses it by set and by image."""
    rng = np.random.default_rng(seed)
    names, level = np.repeat([f"set{k}" for k in range(sets)], n), np.repeat(rng.uniform(0.3, 0.8, sets), n)
    performance = np.clip(level + rng.normal(0, 0.15, sets * n), 0, 1)
    missed = np.repeat(rng.normal(0, 0.1, sets), n) + rng.normal(0, 0.15, sets * n)
    return {"flip_agreement": np.clip(performance + missed, 0, 1)}, performance, names


@pytest.mark.parametrize(("sets", "n"), [(3, 40), (6, 40), (6, 5)])
def test_the_interval_of_the_share_below_a_limit_holds_for_large_and_small_sets(sets: int, n: int) -> None:
    held = []
    for seed in range(150):
        columns, performance, names = of_two_kinds(seed, sets, 40)
        new, truth, _ = of_two_kinds(10_000 + seed, 1, n)
        calibrated = calibrate("flip_agreement", columns, performance, names)
        share, low, high = calibrated.share_below(calibrated.fitted.predict(new), 0.5)
        assert low <= share <= high
        held.append(low <= np.mean(truth < 0.5) <= high)
    assert 0.86 < np.mean(held) < 1


def test_the_share_below_a_limit_is_of_errors_of_sets_and_no_finer_than_an_image() -> None:
    columns, performance, names = of_two_kinds(3, 4, 50)
    calibrated = calibrate("flip_agreement", columns, performance, names)
    # 20 of 50 images of every set are predicted below the limit; of 21, 20, 17 and 20 that is so.
    failing = np.concatenate([np.arange(50) < count for count in (21, 20, 17, 20)])
    known = replace(calibrated, estimates=np.tile(np.arange(50) >= 20, 4).astype(float), performance=1.0 - failing)
    reach = stats.t.ppf(0.95, 3) ** 2 * np.mean(np.square([2 / 50, 1 / 50, 4 / 50, 1 / 50]))
    for below, m in ((26, 80), (3, 6)):
        smooth = (below + 1) / (m + 2)
        chance = stats.norm.ppf(0.95) ** 2 * smooth * (1 - smooth) * max(1 / m - 1 / 50, 0)
        half = math.sqrt(reach + chance)
        found = known.share_below(np.repeat([0.4, 0.6], [below, m - below]), 0.5)
        assert found == pytest.approx((below / m, below / m - half, below / m + half))
    single = calibrate("flip_agreement", take(columns, names == "set0"), performance[names == "set0"], names[names == "set0"])
    assert single.share_below(np.array([0.4, 0.6]), 0.5) == (0.5, 0.0, 1.0)
    # Of images predicted below a limit nothing is known where none of those left out was, nor of the others where all were.
    assert calibrated.share_below(np.zeros(80), 0.01)[:2] == (1.0, 0.0)
    assert calibrated.share_below(np.full(80, 0.9), 0.01)[2] < 0.1
    assert calibrated.share_below(np.full(80, 1.0), 0.99)[::2] == (0.0, 1.0)


@pytest.fixture
def labelled() -> LabelledImages:
    rng = np.random.default_rng(0)
    sets = np.repeat(["a", "b", "c", "d"], 12)
    signal = rng.random(48)
    return LabelledImages.of({"flip_agreement": signal}, np.clip(signal + 0.1 * rng.normal(size=48), 0, 1), sets)


@pytest.mark.parametrize("changed", ["column", "performance", "sets", "groups"])
def test_other_images_are_fitted_anew(labelled: LabelledImages, changed: str) -> None:
    known, estimator = KnownFits(), named("flip_agreement")
    other = {
        "column": replace(labelled, columns={"flip_agreement": labelled.columns["flip_agreement"][::-1]}),
        "performance": replace(labelled, performance=1 - labelled.performance),
        "sets": replace(labelled, sets=np.roll(labelled.sets, 1)),
        "groups": replace(labelled, groups=labelled.sets),
    }[changed]
    assert known.fit(estimator, labelled) is not known.fit(estimator, other)


def test_judging_fits_each_pair_of_left_out_sets_once(labelled: LabelledImages, monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = []
    original = RegisteredEstimator.fit

    def counted(self: RegisteredEstimator, *arguments: object) -> object:
        fitted.append(self.name)
        return original(self, *arguments)  # type: ignore[arg-type]  # passed through

    monkeypatch.setattr(RegisteredEstimator, "fit", counted)
    judge(["flip_agreement"], labelled.columns, labelled.performance, labelled.sets, tau=0.5)
    # 4 without one set, 6 without two, and 1 to all.
    assert fitted.count("flip_agreement") == 11
