"""Boosted trees over signals: as scikit-learn fits them, kept as numbers, and independent of the order of images."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingRegressor

from howfar.errors import InputError
from howfar.relation import fitted_columns
from howfar.relation.fitted_columns import NEEDS, Boosted
from howfar.relation.image_columns import take
from howfar.relation.performance_estimators import BOOSTED, restore

N = 240
SETS = np.repeat(["a", "b", "c"], [40, 80, 120])


def planted(seed: int = 0) -> tuple[dict[str, Any], np.ndarray]:
    """Performance that depends on two signals, and not by a line."""
    rng = np.random.default_rng(seed)
    columns = {name: rng.random(N) for name in NEEDS}
    truth = 0.2 + 0.5 * (columns["flip_overlap"] > 0.4) * columns["soft_f"]
    return columns, np.clip(truth + 0.02 * rng.normal(size=N), 0, 1)


def test_the_fit_is_scikit_learns_with_each_set_weighing_alike() -> None:
    columns, performance = planted()
    fitted = BOOSTED.fit(columns, performance, SETS)
    x = np.stack([columns[name] for name in fitted.needs], axis=1)
    weights = N / (3 * np.array([(name == SETS).sum() for name in SETS]))
    order = np.lexsort([*x.T, performance, weights])
    model = GradientBoostingRegressor(
        n_estimators=80, max_depth=2, learning_rate=0.08, subsample=0.7, min_samples_leaf=10, random_state=0
    ).fit(x[order], performance[order], sample_weight=weights[order])
    new = np.random.default_rng(1).random((50, x.shape[1]))
    said = fitted.predict(dict(zip(fitted.needs, new.T, strict=True)))
    np.testing.assert_allclose(said, np.clip(model.predict(new), 0, 1), atol=1e-9)


def test_it_learns_what_no_line_can() -> None:
    columns, performance = planted()
    new, truth = planted(5)
    assert np.abs(BOOSTED.fit(columns, performance, SETS).predict(new) - truth).mean() < 0.04


def test_order_and_names_of_sets_change_nothing() -> None:
    columns, performance = planted()
    first = BOOSTED.fit(columns, performance, SETS).predict(columns)
    order = np.random.default_rng(2).permutation(N)
    renamed = np.array([{"a": "z", "b": "y", "c": "x"}[name] for name in SETS])
    again = BOOSTED.fit(take(columns, order), performance[order], renamed[order]).predict(columns)
    np.testing.assert_array_equal(first, again)


def test_large_sets_are_drawn_from(monkeypatch: pytest.MonkeyPatch) -> None:
    columns, performance = planted()
    monkeypatch.setattr(fitted_columns, "MOST", 60)
    few = BOOSTED.fit(columns, performance, SETS)
    monkeypatch.setattr(fitted_columns, "MOST", 2000)
    assert not np.array_equal(few.predict(columns), BOOSTED.fit(columns, performance, SETS).predict(columns))
    assert np.abs(few.predict(columns) - performance).mean() < 0.06


def test_it_reads_the_signals_that_every_set_has() -> None:
    columns, performance = planted()
    columns["flip_overlap"][SETS == "b"] = np.nan
    fitted = BOOSTED.fit(columns, performance, SETS)
    assert set(fitted.needs) == set(NEEDS) - {"flip_overlap"}


def test_damaged_trees_are_refused() -> None:
    columns, performance = planted()
    document = BOOSTED.fit(columns, performance, SETS).to_dict()
    assert isinstance(restore(document), Boosted)
    for name, value in (("left", [[99] * 7]), ("feature", [[0, 1]]), ("cut", "x"), ("value", None)):
        with pytest.raises(InputError, match="document must be that of a fitted estimator"):
            restore({**document, name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("left", -1),  # an inner node without a child: the last node's value would count
        ("left", 0),  # a path in a circle
        ("feature", 0.5),
        ("feature", 10**30),
        ("cut", None),
        ("value", float("inf")),
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


def test_a_single_image_gives_its_performance_to_all() -> None:
    fitted = BOOSTED.fit({name: [0.5] for name in NEEDS}, [0.3], ["a"])
    columns = {name: [0.1, 0.9, np.nan] for name in NEEDS}
    for one in (fitted, restore(fitted.to_dict())):
        np.testing.assert_array_equal(one.predict(columns), [0.3, 0.3, np.nan])
