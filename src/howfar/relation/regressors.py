"""Fit models that predict performance from per-image signals: lines, ridge regression, confidence thresholds, boosted trees."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from itertools import zip_longest
from typing import Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from howfar.arrays import Float64Array
from howfar.relation.labelled_images import AT_THRESHOLD, HISTOGRAM, SOFT_F, VALUES, Columns, LabelledImages, column, rows

PENALTIES = tuple(float(10.0**power) for power in np.arange(2.0, -4.5, -0.5))
_CONSTANT = 1e-10


@dataclass(frozen=True)
class _Fit:
    FORM: ClassVar[str]

    def to_dict(self) -> dict[str, Any]:
        """Return the fit as JSON values."""
        values = {
            name: np.asarray(value).tolist() if isinstance(value, tuple | np.ndarray) else value
            for name, value in vars(self).items()
        }
        return {"form": self.FORM, "estimator": values.pop("name"), **values}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """Rebuild a fit from the values of `to_dict`; raises `ValueError` for values of other types."""
        from pydantic import TypeAdapter  # which takes time to load

        values = {field.name: document["estimator" if field.name == "name" else field.name] for field in fields(cls)}
        fit: Self = TypeAdapter(cls).validate_python(values)
        return fit


@dataclass(frozen=True)
class Linear(_Fit):
    """Predict intercept + Σ slope · (column − centre), clipped to [0, 1]; `penalty` is the ridge penalty or None."""

    FORM: ClassVar = "linear"

    name: str
    needs: tuple[str, ...]
    intercept: float
    centre: tuple[float, ...] = ()
    slope: tuple[float, ...] = ()
    penalty: float | None = None

    def predict(self, columns: Columns) -> Float64Array:
        """Estimate performance, (m,); NaN for an image that lacks a column."""
        # Column by column, not by a matrix product: an image's estimate must not depend on which others are asked for.
        total = np.full(rows(columns), self.intercept)
        for name, centre, slope in zip(self.needs, self.centre, self.slope, strict=True):
            total = total + slope * (column(columns, name) - centre)
        return np.asarray(np.clip(total, 0.0, 1.0), dtype=np.float64)


def mean(name: str, needs: tuple[str, ...], labelled: LabelledImages) -> Linear:
    """Predict the mean of the labelled sets' mean performances for every image."""
    return Linear(name, needs, float(labelled.weights() @ labelled.performance))


def difference(name: str, needs: tuple[str, ...], labelled: LabelledImages) -> Linear:
    """Predict mean performance + (column − mean column), both means over the labelled sets: a line of slope 1.

    Source: difference of confidences, Guillory, Shankar, Ebrahimi, Darrell & Schmidt, "Predicting with confidence on unseen
    distributions" (ICCV 2021), https://doi.org/10.1109/ICCV48922.2021.00117, of a whole set and its accuracy.
    """
    w, (x,) = labelled.weights(), _columns(labelled, needs).T
    return Linear(name, needs, float(w @ labelled.performance), (float(w @ x),), (1.0,))


def line(name: str, needs: tuple[str, ...], labelled: LabelledImages) -> Linear:
    """Fit a least-squares line of performance on a column with equal weight per set; slope 0 if the column is constant."""
    centre, scale, gram, slope = _moments(labelled, needs)
    fitted = slope / np.where(gram.diagonal() > 0, gram.diagonal(), 1.0) / scale
    intercept = float(labelled.weights() @ labelled.performance)
    return Linear(name, needs, intercept, tuple(centre.tolist()), tuple(fitted.tolist()))


def ridge(name: str, needs: tuple[str, ...], labelled: LabelledImages) -> Linear:
    """Fit ridge regression on standardised columns with equal weight per set and the penalty of least leave-one-set-out error.

    Minimises Σ w (performance − a − b·z)² + λ |b|² with Σ w = 1 and z the columns less their weighted mean, over their weighted
    deviation; constant columns get b = 0. λ is the one of 13 from 100 to 0.0001 (half decades) whose predictions of left-out
    sets (folds, of one set) have the smallest squared error, ties to the largest. Source: Hoerl & Kennard, "Ridge regression:
    biased estimation for nonorthogonal problems" (Technometrics 12, 1970).
    """
    errors = np.zeros(len(PENALTIES))
    for rest, left_out in labelled.splits():
        centre, slopes = _path(rest, needs)
        inside = labelled.take(left_out)
        intercept = float(rest.weights() @ rest.performance)
        predictions = np.clip(intercept + (_columns(inside, needs) - centre) @ slopes, 0.0, 1.0)
        errors += ((predictions - inside.performance[:, None]) ** 2).mean(axis=0)
    best = int(np.argmin(errors))
    centre, slopes = _path(labelled, needs)
    intercept = float(labelled.weights() @ labelled.performance)
    return Linear(name, needs, intercept, tuple(centre.tolist()), tuple(slopes[:, best].tolist()), PENALTIES[best])


def _path(labelled: LabelledImages, needs: tuple[str, ...]) -> tuple[Float64Array, Float64Array]:
    """Compute the columns' means and the slopes at every penalty, (columns, penalties), from one eigendecomposition."""
    centre, scale, gram, target = _moments(labelled, needs)
    values, vectors = np.linalg.eigh(gram)
    shrunk = (vectors.T @ target)[:, None] / (np.maximum(values, 0.0)[:, None] + np.array(PENALTIES))
    return centre, (vectors @ shrunk) / scale[:, None]


def _moments(labelled: LabelledImages, needs: tuple[str, ...]) -> tuple[Float64Array, Float64Array, Float64Array, Float64Array]:
    """Compute the columns' weighted mean and deviation, their correlation matrix, and their covariance with performance."""
    w, x = labelled.weights(), _columns(labelled, needs)
    centre = w @ x
    away = x - centre
    spread = np.sqrt(w @ away**2)
    constant = spread <= _CONSTANT * np.abs(x).max(axis=0)
    scale = np.where(constant, 1.0, spread)
    z = np.where(constant, 0.0, away / scale)
    return centre, scale, (z.T * w) @ z, (z.T * w) @ (labelled.performance - w @ labelled.performance)


def _columns(labelled: LabelledImages, needs: tuple[str, ...]) -> Float64Array:
    return np.stack([column(labelled.columns, name) for name in needs], axis=1)


ATC_NEEDS = (HISTOGRAM, "predicted_foreground")


@dataclass(frozen=True)
class Thresholded(_Fit):
    """Predict the share of predicted foreground pixels above `value`; pixels at `value` count with weight `share`."""

    FORM: ClassVar = "thresholded"
    needs: ClassVar = ATC_NEEDS

    name: str
    value: int
    share: float

    def predict(self, columns: Columns) -> Float64Array:
        """Estimate performance, (m,); NaN for an image that lacks a column, 0 for an image without predicted foreground."""
        at_least, above = _shares_at_least(columns)[:, self.value : self.value + 2].T
        return np.asarray(np.clip(above + self.share * (at_least - above), 0.0, 1.0), dtype=np.float64)


def thresholded(name: str, needs: tuple[str, ...], labelled: LabelledImages) -> Thresholded:
    """Learn the confidence threshold above which the share of predicted foreground equals performance on average (ATC).

    Garg et al. take the share of images whose confidence is above c, with c such that on the source this share is the accuracy.
    Here an image is a set of pixels and performance is F, which says nothing of true background: only predicted foreground is
    counted, a pixel's confidence is its p, and c is such that the mean share over the labelled images is their mean
    performance. Pixels of value c itself count with the weight that makes the two equal. Source: Garg, Balakrishnan, Lipton,
    Neyshabur & Sedghi, "Leveraging unlabeled data to predict out-of-distribution performance" (ICLR 2022),
    https://arxiv.org/abs/2201.04234.
    """
    w = labelled.weights()
    target = float(w @ labelled.performance)
    shares = np.array([float(w @ row) for row in _shares_at_least(labelled.columns).T])
    enough = np.flatnonzero(shares[:VALUES] >= target)
    if len(enough) == 0:
        return Thresholded(name, 0, 1.0)
    value = int(enough[-1])
    step = float(shares[value] - shares[value + 1])
    return Thresholded(name, value, (target - float(shares[value + 1])) / step if step > 0 else 0.0)


def _shares_at_least(columns: Columns) -> Float64Array:
    """Compute the share of predicted foreground with a value ≥ v in column v, (m, 257); the last column is 0."""
    histogram, foreground = column(columns, HISTOGRAM), column(columns, ATC_NEEDS[1])[:, None]
    at_least = np.zeros((len(histogram), VALUES + 1))
    at_least[:, :VALUES] = np.cumsum(histogram[:, ::-1], axis=1)[:, ::-1]
    shares = np.divide(at_least, foreground, out=np.zeros(at_least.shape), where=foreground != 0)
    shares[np.isnan(at_least[:, 0])] = np.nan
    # For values below the common threshold more pixels count than the predicted foreground: the share is then 1.
    return np.minimum(shares, 1.0)


_ROUNDING = 1e-12


@dataclass(frozen=True)
class ConfidenceThreshold(_Fit):
    """Predict 1 for an image whose column is above `cut`, 0 if below, and `share` if equal."""

    FORM: ClassVar = "confidence_threshold"

    name: str
    needs: tuple[str]
    cut: float
    share: float

    def predict(self, columns: Columns) -> Float64Array:
        """Estimate performance, (m,); NaN for an image that lacks the column."""
        values = column(columns, self.needs[0])
        at = np.where(values == self.cut, self.share, (values > self.cut).astype(np.float64))
        return np.where(np.isnan(values), np.nan, at)


def confidence_threshold(name: str, needs: tuple[str, ...], labelled: LabelledImages) -> ConfidenceThreshold:
    """Learn the confidence c such that the share of labelled images above c equals their mean accuracy (ATC).

    The estimate for a set is the share of its images that are more confident than c. Images of confidence c itself count with
    the weight that makes the share over the labelled images exactly their accuracy. Source: that of `thresholded`.
    """
    weights, values = labelled.weights(), column(labelled.columns, needs[0])
    target = float(weights @ labelled.performance)
    levels, place = np.unique(values, return_inverse=True)
    at = np.bincount(place, weights)
    above = np.concatenate([np.cumsum(at[::-1])[::-1][1:], [0.0]])
    # The highest level whose share, with the images at it, reaches the target; of the lowest level the share is 1.
    position = int(np.flatnonzero(above + at >= target - _ROUNDING)[-1])
    share = float(np.clip((target - above[position]) / at[position], 0.0, 1.0))
    return ConfidenceThreshold(name, (needs[0],), float(levels[position]), share)


BOOSTED_NEEDS: Final = ("foreground_confidence", "flip_agreement", SOFT_F, "predicted_foreground", *AT_THRESHOLD)
TREES: Final = 80
DEPTH: Final = 2
RATE: Final = 0.08
SUBSAMPLE: Final = 0.7
LEAF: Final = 10
MOST: Final = 2000
"""Most images of a set that trees are fitted to; of a larger set so many are drawn."""
_LEAF: Final = -1


@dataclass(frozen=True, eq=False)
class Boosted(_Fit):
    """Predict intercept + the sum of the leaf values of an image over all trees, clipped to [0, 1].

    Arrays are (trees, nodes): an image goes left where its column `feature`, as float32, is at most `cut`; −1 marks a leaf.
    """

    FORM: ClassVar = "boosted"

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

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """Rebuild a fit from the values of `to_dict`; raises `ValueError` for invalid trees."""
        whole = []
        for name in ("feature", "left", "right"):
            array = np.asarray(document[name])
            if not np.issubdtype(array.dtype, np.integer):  # it would be rounded silently
                raise ValueError("trees whose columns or nodes are no whole numbers")
            whole.append(array.astype(np.int64))
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


def _ending(feature: NDArray[np.int64], left: NDArray[np.int64], right: NDArray[np.int64]) -> bool:
    """Return whether every path through every tree reaches a leaf within the depth that `predict` follows."""
    trees, nodes = np.arange(len(feature))[:, None], np.zeros((len(feature), 1), dtype=np.int64)
    for _ in range(DEPTH):
        leaf = feature[trees, nodes] == _LEAF
        nodes = np.hstack([np.where(leaf, nodes, child[trees, nodes]) for child in (left, right)])
        if (nodes == _LEAF).any():
            return False
    return bool((feature[trees, nodes] == _LEAF).all())


def boosted(name: str, needs: tuple[str, ...], labelled: LabelledImages) -> Boosted:
    """Fit gradient boosting with shallow trees and squared error, with equal weight per set.

    The result depends on the images, not on the order in which they come: of sets above 2,000 images so many are drawn, by a
    fixed seed after sorting. Source: Friedman, "Stochastic gradient boosting" (Computational Statistics & Data Analysis 38,
    2002).
    """
    from sklearn import config_context
    from sklearn.ensemble import GradientBoostingRegressor

    if len(labelled.performance) == 1:
        leaf, nought = np.full((1, 1), _LEAF), np.zeros((1, 1))
        return Boosted(name, needs, float(labelled.performance[0]), leaf, nought, leaf, leaf, nought)
    # The order of values instead of the caller's; of each set above 2,000 images, 2,000 are drawn.
    keys = [*(column(labelled.columns, need) for need in needs), labelled.performance, labelled.weights()]
    order = np.lexsort(keys)
    sets, rng = labelled.sets[order], np.random.default_rng(0)
    parts = [np.flatnonzero(sets == dataset) for dataset in dict.fromkeys(sets.tolist())]
    kept = [part if len(part) <= MOST else rng.choice(part, MOST, replace=False) for part in parts]
    chosen = labelled.take(order[np.sort(np.concatenate(kept))])
    x = np.stack([column(chosen.columns, need) for need in needs], axis=1)
    weights = chosen.weights() * len(x)
    model = GradientBoostingRegressor(
        n_estimators=TREES, max_depth=DEPTH, learning_rate=RATE, subsample=SUBSAMPLE, min_samples_leaf=LEAF, random_state=0
    )
    # Without this scikit-learn checks the same arrays again for each tree, a fifth of the time.
    with config_context(assume_finite=True, skip_parameter_validation=True):
        model.fit(x, chosen.performance, sample_weight=weights)
    trees = [stage[0].tree_ for stage in model.estimators_]

    def padded(arrays: list[NDArray[Any]], blank: float, kind: type) -> NDArray[Any]:
        return np.array(list(zip_longest(*arrays, fillvalue=blank)), dtype=kind).T

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
