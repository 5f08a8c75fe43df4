"""Estimate an image's performance by boosted shallow trees over the signals of its probability map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from howfar.arrays import Float64Array
from howfar.relation.label_free_columns import AT_THRESHOLD, SOFT_F, Columns, column, rows
from howfar.relation.labelled_images import Labelled

NEEDS: Final = ("foreground_confidence", "flip_agreement", SOFT_F, "predicted_foreground", *AT_THRESHOLD)
TREES: Final = 80
DEPTH: Final = 2
RATE: Final = 0.08
SUBSAMPLE: Final = 0.7
LEAF: Final = 10
MOST: Final = 2000
"""Most images of a set that trees are fitted to; of a larger set so many are drawn."""
_LEAF: Final = -1


@dataclass(frozen=True, eq=False)
class Boosted:
    """Predict intercept + Σ over trees of the value of the leaf that an image falls into, clipped to [0, 1].

    `feature`, `left`, `right` (trees, nodes) int64 and `cut`, `value` (trees, nodes) float64 describe the trees: an image goes
    left where its column `feature`, as float32, is at most `cut`; −1 marks a leaf.
    """

    name: str
    needs: tuple[str, ...]
    intercept: float
    feature: NDArray[np.int64]
    cut: Float64Array
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    value: Float64Array

    def predict(self, columns: Columns) -> Float64Array:
        """Estimate performance, (m,); NaN for an image that lacks a column."""
        count = rows(columns)
        x = np.stack([column(columns, name) for name in self.needs], axis=1).reshape(count, len(self.needs))
        narrow, images = x.astype(np.float32), np.arange(count)
        total = np.full(count, self.intercept)
        for feature, cut, left, right, value in zip(self.feature, self.cut, self.left, self.right, self.value, strict=True):
            node = np.zeros(count, dtype=np.int64)
            for _ in range(DEPTH):
                inner = feature[node] != _LEAF
                goes_left = narrow[images, np.maximum(feature[node], 0)] <= cut[node]
                node = np.where(inner, np.where(goes_left, left[node], right[node]), node)
            total += value[node]
        return np.where(np.isnan(x).any(axis=1), np.nan, np.clip(total, 0.0, 1.0))

    def to_dict(self) -> dict[str, Any]:
        """Return the fit as JSON values."""
        arrays = {name: getattr(self, name).tolist() for name in ("feature", "cut", "left", "right", "value")}
        return {"form": "boosted", "estimator": self.name, "needs": list(self.needs), "intercept": self.intercept, **arrays}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Boosted:
        """Rebuild a fit from the values of `to_dict`; raises `ValueError` where trees lead out of themselves."""
        whole = [_whole(document[name]) for name in ("feature", "left", "right")]
        real = [np.array(document[name], dtype=np.float64) for name in ("cut", "value")]
        needs, intercept = tuple(str(name) for name in document["needs"]), float(document["intercept"])
        shapes = {array.shape for array in (*whole, *real)}
        if len(shapes) != 1 or whole[0].ndim != 2 or 0 in whole[0].shape:
            raise ValueError(f"trees of shapes {sorted(shapes)}")
        bounds = (len(needs), whole[0].shape[1], whole[0].shape[1])
        if any(array.min() < _LEAF or array.max() >= bound for array, bound in zip(whole, bounds, strict=True)):
            raise ValueError("trees that lead out of themselves")
        if not _ending(*whole):
            raise ValueError(f"trees that do not end in leaves after {DEPTH} steps")
        if not np.isfinite([*real[0].ravel(), *real[1].ravel(), intercept]).all():
            raise ValueError("trees of values that are not finite")
        feature, left, right = whole
        return cls(str(document["estimator"]), needs, intercept, feature, real[0], left, right, real[1])


def _whole(values: Any) -> NDArray[np.int64]:
    """Return whole numbers as an array; `ValueError` for others, which would be rounded in silence."""
    array = np.asarray(values)
    if not np.issubdtype(array.dtype, np.integer):
        raise ValueError("trees whose columns or nodes are no whole numbers")
    return array.astype(np.int64)


def _ending(feature: NDArray[np.int64], left: NDArray[np.int64], right: NDArray[np.int64]) -> bool:
    """Return whether every path through every tree ends in a leaf after as many steps as are taken."""
    for tree, low, high in zip(feature, left, right, strict=True):
        reached = {0}
        for _ in range(DEPTH):
            inner = [node for node in reached if tree[node] != _LEAF]
            reached = {int(child) for node in inner for child in (low[node], high[node])}
            if _LEAF in reached:
                return False
        if any(tree[node] != _LEAF for node in reached):
            return False
    return True


def boosted(name: str, needs: tuple[str, ...], labelled: Labelled) -> Boosted:
    """Fit gradient boosting of the squared error by shallow trees, each set weighing alike.

    80 trees of depth 2, rate 0.08, each fitted to 70 % of the images, with at least 10 images a leaf. Trees see the order of a
    column's values alone, so no column is scaled. The result depends on the images, not on the order in which they come: of
    sets above 2,000 images so many are drawn, by a fixed seed after sorting. Source: Friedman, "Stochastic gradient boosting"
    (Computational Statistics & Data Analysis 38, 2002), as scikit-learn's ``GradientBoostingRegressor`` fits it.

    A single image, which no tree can part, gives its performance to all.
    """
    from sklearn import config_context
    from sklearn.ensemble import GradientBoostingRegressor

    if len(labelled.performance) == 1:
        leaf, nought = np.full((1, 1), _LEAF), np.zeros((1, 1))
        return Boosted(name, needs, float(labelled.performance[0]), leaf, nought, leaf, leaf, nought)
    chosen = labelled.take(_drawn(labelled, needs))
    x = np.stack([column(chosen.columns, need) for need in needs], axis=1)
    weights = chosen.weights() * len(x)
    model = GradientBoostingRegressor(
        n_estimators=TREES, max_depth=DEPTH, learning_rate=RATE, subsample=SUBSAMPLE, min_samples_leaf=LEAF, random_state=0
    )
    # Without this scikit-learn checks the same arrays again for each tree, a fifth of the time.
    with config_context(assume_finite=True, skip_parameter_validation=True):
        model.fit(x, chosen.performance, sample_weight=weights)
    trees = [stage[0].tree_ for stage in model.estimators_]
    nodes = max(tree.node_count for tree in trees)

    def padded(arrays: list[NDArray[Any]], blank: float, kind: type) -> NDArray[Any]:
        table = np.full((len(trees), nodes), blank, dtype=kind)
        for row, array in zip(table, arrays, strict=True):
            row[: len(array)] = array
        return table

    return Boosted(
        name=name,
        needs=needs,
        intercept=float(np.ravel(model.init_.constant_)[0]),
        feature=padded([np.maximum(tree.feature, _LEAF) for tree in trees], _LEAF, np.int64),
        cut=padded([tree.threshold for tree in trees], 0.0, np.float64),
        left=padded([tree.children_left for tree in trees], _LEAF, np.int64),
        right=padded([tree.children_right for tree in trees], _LEAF, np.int64),
        value=padded([RATE * tree.value.ravel() for tree in trees], 0.0, np.float64),
    )


def _drawn(labelled: Labelled, needs: tuple[str, ...]) -> NDArray[np.int64]:
    """Sort the images by their values, and draw some of each large set."""
    keys = [*(column(labelled.columns, need) for need in needs), labelled.performance, labelled.weights()]
    order = np.lexsort(keys)
    sets, rng = labelled.sets[order], np.random.default_rng(0)
    parts = [np.flatnonzero(sets == dataset) for dataset in dict.fromkeys(sets.tolist())]
    kept = [part if len(part) <= MOST else rng.choice(part, MOST, replace=False) for part in parts]
    return np.asarray(order[np.sort(np.concatenate(kept))], dtype=np.int64)
