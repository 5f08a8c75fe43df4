"""The estimators of performance: against scikit-learn, by hand, and what each must keep whatever its form."""

import json
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import Ridge

from howfar.errors import InputError, UnknownNameError
from howfar.protocols import Estimator
from howfar.relation.labelled_images import BOX_SIGNALS, CLASS_SIGNALS, DISTANCES, LabelledImages, available, column, take
from howfar.relation.labelled_images import SIGNALS as SIGNAL_COLUMNS
from howfar.relation.performance_estimators import ALL, ATC, BOOSTED, DOC, I_DIST, MEAN, SIGNALS, every, named, restore
from howfar.relation.performance_estimators import DISTANCES as DISTANCES_RECIPE
from howfar.relation.regressors import BOOSTED_NEEDS as NEEDS
from howfar.relation.regressors import PENALTIES, Boosted

SETS = ["cracks"] * 12 + ["tiles"] * 30 + ["wood"] * 7 + ["walls"] * 11
N = len(SETS)


def planted(seed: int = 0) -> tuple[dict[str, Any], np.ndarray]:
    """Every column there is, of 60 images in four sets, and performance that follows some of them."""
    rng = np.random.default_rng(seed)
    columns: dict[str, Any] = {name: rng.random(N) for name in (*DISTANCES, *SIGNAL_COLUMNS)}
    columns["histogram"] = rng.integers(0, 9, size=(N, 256)) * (rng.random((N, 1)) < np.linspace(0.2, 1, 256))
    columns["predicted_foreground"] = columns["histogram"][:, 128:].sum(axis=1) / columns["histogram"].sum(axis=1)
    signal = 0.5 * columns["flip_agreement"] + 0.3 * columns["foreground_confidence"]
    return columns, np.clip(signal + 0.1 * rng.normal(size=N), 0, 1)


def planted_of(task: str) -> tuple[dict[str, Any], np.ndarray]:
    """Every column of a task's images, and performance that follows some of them; of a classifier it is 0 or 1."""
    if task == "segmentation":
        return planted()
    rng = np.random.default_rng(3)
    names = CLASS_SIGNALS if task == "classification" else BOX_SIGNALS
    columns: dict[str, Any] = {name: rng.random(N) for name in (*DISTANCES, "average_confidence", *names)}
    performance = np.clip(columns[names[0]] + 0.2 * rng.normal(size=N), 0, 1)
    return columns, np.round(performance) if task == "classification" else performance


TASKS = ("segmentation", "classification", "detection")
USABLE = [(one, task) for task in TASKS for one in every() if one.resolve(planted_of(task)[0], SETS) is not None]
EACH = pytest.mark.parametrize(("recipe", "task"), USABLE, ids=[f"{task}-{one.name}" for one, task in USABLE])


def test_mean_is_that_of_the_sets_not_of_the_images() -> None:
    fitted = MEAN.fit({"i_dist": [1.0, 1.0, 1.0, 1.0]}, [0.0, 0.8, 0.8, 0.8], ["a", "b", "b", "b"])
    assert fitted.predict({"knn": [3.0, np.nan]}).tolist() == pytest.approx([0.4, 0.4])


def test_a_line_is_weighted_least_squares() -> None:
    columns, performance = planted()
    fitted = I_DIST.fit(columns, performance, SETS)
    sizes = np.array([SETS.count(one) for one in SETS])
    slope, intercept = np.polyfit(columns["i_dist"], performance, 1, w=np.sqrt(1 / sizes))
    expected = np.clip(intercept + slope * columns["i_dist"], 0, 1)
    np.testing.assert_allclose(fitted.predict(columns), expected, atol=1e-12)


def test_difference_of_confidences_by_hand() -> None:
    # Sets' means: performance 0.6 and 0.4, so 0.5; confidence 0.8 and 0.9, so 0.85.
    columns = {"average_confidence": [0.7, 0.9, 0.9]}
    fitted = DOC.fit(columns, [0.5, 0.7, 0.4], ["a", "a", "b"])
    np.testing.assert_allclose(fitted.predict({"average_confidence": [0.85, 0.75, 1.0, 0.1]}), [0.5, 0.4, 0.65, 0.0])


# Foreground is p > 0.5: values from 128. The first of the sets of maps is learnt from, the second is predicted.
LEARNT = [(0, 130, 140, 150, 160), (5, 6, 130, 160), (0, 1)]
HALVES = [(0, 200, 200, 255, 255), (0, 0, 200, 255)]


@pytest.mark.parametrize(
    ("learnt", "performance", "new", "expected"),
    [
        # Shares of the foreground at or above 160: 1/4, 1/2, 0; above: none. Their mean is the mean performance.
        (LEARNT, [0.5, 0.25, 0.0], LEARNT, [1 / 4, 1 / 2, 0.0]),
        # So of four predicted pixels the one at 160 counts, and one at 200 counts too.
        (LEARNT, [0.5, 0.25, 0.0], [(128, 155, 155, 160), (9, 200)], [1 / 4, 1.0]),
        # Above 200 lies a half of either's foreground, from 200 on all: a share 0.4 of the pixels at 200 makes 0.7.
        (HALVES, [0.7, 0.7], [(200, 200), (199, 255)], [0.4, 0.5]),
        ([(0, 200), (0, 150)], [0.0, 0.0], [(0, 200), (0, 150)], [0.0, 0.0]),
        ([(0, 200), (0, 150)], [1.0, 1.0], [(0, 200), (0, 150)], [1.0, 1.0]),
        # Where too little is predicted, every predicted pixel counts.
        ([(0, 200), (0, 1)], [0.9, 0.9], [(0, 200), (0, 1)], [1.0, 0.0]),
    ],
)
def test_average_thresholded_confidence_by_hand(learnt: Any, performance: Any, new: Any, expected: Any) -> None:
    def columns(maps: list[tuple[int, ...]]) -> dict[str, Any]:
        predicted = [np.mean(np.array(values) > 127) for values in maps]
        return {
            "histogram": np.stack([np.bincount(values, minlength=256) for values in maps]),
            "predicted_foreground": predicted,
        }

    fitted = ATC.fit(columns(learnt), performance, ["a"] * len(learnt))
    np.testing.assert_allclose(fitted.predict(columns(new)), expected)


def settled_needs(recipe: Estimator) -> tuple[str, ...]:
    return recipe.resolve(planted()[0], SETS).needs


def sklearn_ridge(x: np.ndarray, y: np.ndarray, sets: np.ndarray, penalty: float, new: np.ndarray) -> np.ndarray:
    names, codes, counts = np.unique(sets, return_inverse=True, return_counts=True)
    w = 1 / (len(names) * counts[codes])
    centre = w @ x
    scale = np.sqrt(w @ (x - centre) ** 2)
    model = Ridge(alpha=penalty).fit((x - centre) / scale, y, sample_weight=w)
    return np.clip(model.predict((new - centre) / scale), 0, 1)


@pytest.mark.parametrize("recipe", [DISTANCES_RECIPE, SIGNALS, ALL])
def test_ridge_as_scikit_learn_with_the_penalty_that_leaving_a_set_out_chooses(recipe: Estimator) -> None:
    columns, performance = planted()
    sets, x = np.array(SETS), np.stack([columns[name] for name in settled_needs(recipe)], axis=1)
    losses = []
    for penalty in PENALTIES:
        errors = []
        for one in np.unique(sets):
            out = sets == one
            guess = sklearn_ridge(x[~out], performance[~out], sets[~out], penalty, x[out])
            errors.append(np.mean((guess - performance[out]) ** 2))
        losses.append(np.mean(errors))
    fitted = recipe.fit(columns, performance, SETS)
    assert fitted.penalty == PENALTIES[int(np.argmin(losses))]
    new = planted(1)[0]
    expected = sklearn_ridge(
        x, performance, sets, fitted.penalty, np.stack([new[name] for name in settled_needs(recipe)], axis=1)
    )
    np.testing.assert_allclose(fitted.predict(new), expected, atol=1e-10)


@EACH
def test_order_does_not_matter_and_names_of_sets_do_not(recipe: Estimator, task: str) -> None:
    columns, performance = planted_of(task)
    order = np.random.default_rng(9).permutation(N)
    renamed = [{"cracks": "z", "tiles": "a", "wood": "y", "walls": "b"}[SETS[k]] for k in order]
    first = recipe.fit(columns, performance, SETS).predict(columns)
    second = recipe.fit(take(columns, order), performance[order], renamed).predict(columns)
    np.testing.assert_allclose(first, second, atol=1e-10)


@EACH
def test_an_estimate_does_not_depend_on_the_other_images(recipe: Estimator, task: str) -> None:
    columns, performance = planted_of(task)
    fitted = recipe.fit(columns, performance, SETS)
    together = fitted.predict(columns)
    assert ((together >= 0) & (together <= 1)).all()
    alone = np.concatenate([fitted.predict(take(columns, [k])) for k in range(N)])
    np.testing.assert_array_equal(alone, together)


@EACH
def test_json_gives_the_same_fit_bit_for_bit(recipe: Estimator, task: str) -> None:
    columns, performance = planted_of(task)
    fitted = recipe.fit(columns, performance, SETS)
    again = restore(json.loads(json.dumps(fitted.to_dict(), allow_nan=False)))
    assert again.to_dict() == fitted.to_dict()
    assert (again.name, again.needs) == (recipe.name, fitted.needs)
    np.testing.assert_array_equal(again.predict(columns), fitted.predict(columns))


@EACH
def test_an_image_that_lacks_a_column_has_no_estimate_and_no_say(recipe: Estimator, task: str) -> None:
    if not recipe.needs:
        return
    columns, performance = planted_of(task)
    whole = recipe.fit(columns, performance, SETS)
    holed = {name: np.array(values, dtype=float) for name, values in columns.items()}
    for name in whole.needs:
        holed[name][3] = np.nan
    others = np.arange(N) != 3
    guess = whole.predict(holed)
    assert np.isnan(guess[3])
    np.testing.assert_array_equal(guess[others], whole.predict(columns)[others])
    without = recipe.fit(take(columns, others), performance[others], np.array(SETS)[others])
    np.testing.assert_array_equal(recipe.fit(holed, performance, SETS).predict(columns), without.predict(columns))


def test_combined_estimators_read_what_half_of_every_set_has() -> None:
    columns, sets = planted()[0], np.array(SETS)
    columns["entropy"][sets == "wood"] = np.nan
    columns["knn"][:5] = np.nan
    columns["nuclear_norm"][:7] = np.nan
    del columns["ensemble_agreement"]
    settled = ALL.resolve(columns, sets)
    left_out = {"entropy", "nuclear_norm", "ensemble_agreement"}
    assert set(settled.needs) == set(settled_needs(ALL)) - left_out
    assert settled.resolve(columns, sets) == settled
    assert (settled.name, settled.kind) == ("all", "combined")


@pytest.mark.parametrize(
    ("task", "more", "never"),
    [
        ("segmentation", {"foreground_confidence", "soft_f"}, {"entropy", "margin", "mano", "box_count", "box_stability"}),
        ("classification", {"entropy", "margin", "mano", "nuclear_norm", "atc"}, {"soft_f", "box_count", "flip_agreement"}),
        ("detection", {"entropy", "box_count", "box_stability", "box_consistency"}, {"atc", "margin", "nuclear_norm"}),
    ],
)
def test_which_estimators_a_task_has(task: str, more: set[str], never: set[str]) -> None:
    usable = {one.name for one, of in USABLE if of == task}
    assert usable >= {"mean", "i_dist", "doc", "average_confidence", "signals", "boosted", "all", *more}
    assert not usable & never


def test_combined_estimators_read_the_columns_of_their_task() -> None:
    for estimator in (SIGNALS, BOOSTED):
        for task, wanted in (("classification", CLASS_SIGNALS), ("detection", BOX_SIGNALS)):
            assert estimator.resolve(planted_of(task)[0], SETS).needs == wanted
    assert settled_needs(BOOSTED) == NEEDS


def test_thresholded_confidence_of_classes_by_hand() -> None:
    columns = {"class_confidence": [0.9, 0.8, 0.8, 0.6]}
    # Half of the images are right: 0.9 counts, and half of the two at 0.8.
    fitted = ATC.fit(columns, [1.0, 1.0, 0.0, 0.0], ["a"] * 4)
    assert fitted.predict({"class_confidence": [0.95, 0.8, 0.79, np.nan]}).tolist() == pytest.approx(
        [1.0, 0.5, 0.0, np.nan], nan_ok=True
    )
    assert fitted.predict(columns).mean() == 0.5


@pytest.mark.parametrize("task", ["segmentation", "classification"])
def test_thresholded_confidence_has_the_mean_performance_of_its_labels(task: str) -> None:
    columns, performance = planted_of(task)
    guesses = ATC.fit(columns, performance, SETS).predict(columns)
    means = [[np.mean(x[np.array(SETS) == one]) for one in set(SETS)] for x in (guesses, performance)]
    assert np.mean(means[0]) == pytest.approx(np.mean(means[1]), abs=1e-12)
    for all_alike in (0.0, 1.0) if task == "classification" else ():
        assert ATC.fit(columns, np.full(N, all_alike), SETS).predict(columns).tolist() == [all_alike] * N


def test_unknown_names_and_wrong_documents_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="flip_agreement"):
        named("flip_agrement")
    with pytest.raises(UnknownNameError, match="no estimators named 'gone'"):
        restore({"estimator": "gone", "form": "linear"})
    wrong = {"estimator": "mean"}
    for document in ({}, [], wrong, {**wrong, "form": "cubic"}, {**wrong, "form": "linear"}):
        with pytest.raises(InputError, match="document must be that of a fitted estimator"):
            restore(document)


BOOSTED_N = 240
BOOSTED_SETS = np.repeat(["a", "b", "c"], [40, 80, 120])


def boosted_world(seed: int = 0) -> tuple[dict[str, Any], np.ndarray]:
    """Performance that depends on two signals, and not by a line."""
    rng = np.random.default_rng(seed)
    columns = {name: rng.random(BOOSTED_N) for name in NEEDS}
    truth = 0.2 + 0.5 * (columns["flip_overlap"] > 0.4) * columns["soft_f"]
    return columns, np.clip(truth + 0.02 * rng.normal(size=BOOSTED_N), 0, 1)


def test_the_fit_is_scikit_learns_with_each_set_weighing_alike() -> None:
    columns, performance = boosted_world()
    fitted = BOOSTED.fit(columns, performance, BOOSTED_SETS)
    x = np.stack([columns[name] for name in fitted.needs], axis=1)
    weights = BOOSTED_N / (3 * np.array([(name == BOOSTED_SETS).sum() for name in BOOSTED_SETS]))
    order = np.lexsort([*x.T, performance, weights])
    model = GradientBoostingRegressor(
        n_estimators=80, max_depth=2, learning_rate=0.08, subsample=0.7, min_samples_leaf=10, random_state=0
    ).fit(x[order], performance[order], sample_weight=weights[order])
    new = np.random.default_rng(1).random((50, x.shape[1]))
    said = fitted.predict(dict(zip(fitted.needs, new.T, strict=True)))
    np.testing.assert_allclose(said, np.clip(model.predict(new), 0, 1), atol=1e-9)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("left", -1),  # an inner node without a child: the last node's value would count
        ("left", 0),  # a path in a circle
        ("feature", 0.5),
        ("feature", 10**30),
        ("cut", None),
        ("value", float("inf")),
        ("value", None),
        ("cut", "x"),
        ("intercept", float("nan")),
    ],
)
def test_a_damaged_node_is_refused(name: str, value: Any) -> None:
    one = {"feature": [[0, -1, -1]], "left": [[1, -1, -1]], "right": [[2, -1, -1]], "cut": [[0.5, 0, 0]], "value": [[0, 1, 2]]}
    document = {"form": "boosted", "estimator": "boosted", "needs": ["soft_f"], "intercept": 0.0, **one}
    assert isinstance(restore(document), Boosted)
    damaged = value if name == "intercept" else [[value, *one[name][0][1:]]]
    with pytest.raises(InputError, match="document must be that of a fitted estimator"):
        restore({**document, name: damaged})


def test_an_image_lacks_what_is_absent_or_not_finite() -> None:
    columns = {"i_dist": [1.0, np.nan, np.inf, 4.0], "knn": [1.0, 2.0, 3.0, np.nan]}
    assert available(columns, ("i_dist",)).tolist() == [True, False, False, True]
    assert available(columns, ("i_dist", "knn")).tolist() == [True, False, False, False]
    assert available(columns, ("mahalanobis",)).tolist() == [False] * 4
    assert available(columns, ()).tolist() == [True] * 4
    np.testing.assert_array_equal(column(columns, "i_dist"), [1.0, np.nan, np.nan, 4.0])


def test_histograms_become_shares_and_an_empty_one_is_lacking() -> None:
    counts = np.zeros((3, 256), dtype=np.int64)
    counts[0, [0, 255]] = 3, 1
    counts[1, 7] = 5
    shares = column({"histogram": counts}, "histogram")
    assert shares[0, [0, 255]].tolist() == [0.75, 0.25]
    assert shares[1].sum() == 1.0
    assert np.isnan(shares[2]).all()
    assert available({"histogram": counts}, ("histogram",)).tolist() == [True, True, False]
    assert counts[0, 0] == 3


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        ({}, "columns must hold at least one column"),
        ({"i_dist": [1.0], "knn": [1.0, 2.0]}, "columns must all have one row an image"),
        ({"i_dist": [[1.0, 2.0]]}, "column i_dist must have shape"),
        ({"i_dist": ["far"]}, "column i_dist must be numeric"),
        ({"histogram": np.ones((2, 100))}, "column histogram must have shape"),
    ],
)
def test_columns_that_do_not_fit_are_refused(columns: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError, match=line):
        column(columns, next(iter(columns), "i_dist"))


def labelled(sets: list[str], groups: list[str] | None = None) -> LabelledImages:
    n = len(sets)
    return LabelledImages.of({"i_dist": np.arange(float(n))}, np.linspace(0, 1, n), sets, groups)


def test_a_single_set_falls_into_ten_runs_of_its_images() -> None:
    folds = labelled(["a"] * 25).folds()
    assert np.bincount(folds).tolist() == [3, 2, 3, 2, 3, 2, 3, 2, 3, 2]
    assert (np.diff(folds) >= 0).all()
    assert labelled(["a"] * 3).folds().tolist() == [0, 1, 2]
    assert labelled(["a"] * 4, ["photo"] * 4).folds().tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("performance", "sets", "groups", "line"),
    [
        ([0.5], ["a", "a"], None, "performance must have 2 values"),
        ([0.5, np.nan], ["a", "a"], None, "performance must lie between 0 and 1, got 'nan at position 1'"),
        ([0.5, 1.2], ["a", "a"], None, "performance must lie between 0 and 1"),
        ([0.5, 0.6], ["a"], None, "sets must be one row of 2 values"),
        ([0.5, 0.6], ["a", "a"], ["x"], "groups must be one row of 2 values"),
    ],
)
def test_wrong_labels_are_refused(performance: list[float], sets: list[str], groups: list[str] | None, line: str) -> None:
    with pytest.raises(InputError, match=line):
        LabelledImages.of({"i_dist": [1.0, 2.0]}, performance, sets, groups)
    with pytest.raises(InputError, match="at least one labelled image"):
        LabelledImages.of({"i_dist": []}, [], [])
