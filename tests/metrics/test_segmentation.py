import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from howfar.errors import InputError
from howfar.metrics import SEGMENTATION, count, stack
from howfar.metrics.segmentation import SegmentationScore, score


def scored(images: list[tuple[Any, Any]], tolerance: float = 0.0) -> SegmentationScore:
    return score((values for values, _ in images), (mask for _, mask in images), tolerance)


def test_every_score_as_written_out(brute: Callable[..., Any], pairs: Callable[..., Any]) -> None:
    images = list(pairs(60, seed=11))
    found, loops = scored(images), [brute(values, mask) for values, mask in images]
    tp, predicted = (np.array([getattr(one, name) for one in loops]) for name in ("hits_predicted", "predicted"))
    true = np.array([one.true for one in loops])
    with np.errstate(invalid="ignore"):
        per_image = np.where(true[:, None] > 0, 2 * tp / (predicted + true[:, None]), np.nan)
    pooled = 2 * tp.sum(0) / (predicted.sum(0) + true.sum())
    at, has = int(np.argmax(pooled)), true > 0
    best = per_image[has].argmax(axis=1)
    rows = np.flatnonzero(has)
    assert (found.ods, found.ods_threshold) == (pooled[at], at / 100)
    assert found.ois == pytest.approx(per_image[has].max(axis=1).mean(), rel=1e-15)
    assert found.ois_aggregate == 2 * tp[rows, best].sum() / (predicted[rows, best].sum() + true.sum())
    assert found.precision == tp[:, at].sum() / predicted[:, at].sum()
    assert found.recall == tp[:, at].sum() / true.sum()
    assert found.iou == tp[:, at].sum() / (predicted[:, at].sum() + true.sum() - tp[:, at].sum())
    sizes = np.array([mask.size for _, mask in images])
    assert found.false_positive_share == predicted[~has, at].sum() / sizes[~has].sum()
    np.testing.assert_array_equal(found.per_image_f, per_image[:, at])
    np.testing.assert_array_equal(found.per_image_best, np.where(has, per_image.max(axis=1), np.nan))
    np.testing.assert_array_equal(found.per_image_best_threshold[has], best / 100)
    assert np.isnan(found.per_image_best_threshold[~has]).all()
    assert found.ods <= found.ois_aggregate


@pytest.mark.parametrize("threshold", [0.0, 0.5, 0.83])
@pytest.mark.parametrize("tolerance", [0.0, 2.0])
def test_scores_at_another_threshold(threshold, tolerance, brute, pairs):
    images = list(pairs(20, seed=13))
    found, i = scored(images, tolerance).at(threshold), round(100 * threshold)
    loops = [brute(values, mask, tolerance) for values, mask in images]
    blank = [(one.predicted[i], mask.size) for one, (_, mask) in zip(loops, images, strict=True) if not one.true]
    rows = [(one.hits_predicted[i], one.predicted[i], one.hits_true[i], one.true) for one in loops]
    hits, predicted, reached, true = np.sum(rows, axis=0)
    assert found.threshold == threshold
    assert (found.precision, found.recall) == (hits / predicted, reached / true)
    assert found.f == pytest.approx(2 * found.precision * found.recall / (found.precision + found.recall), rel=1e-14)
    assert found.iou == pytest.approx(found.f / (2 - found.f), rel=1e-14)
    assert found.false_positive_share == sum(n for n, _ in blank) / sum(size for _, size in blank)
    assert found.mean_f == pytest.approx(np.nanmean(found.per_image_f), rel=1e-14)
    for k, one in enumerate(loops):
        assert found.per_image_precision[k] == pytest.approx(
            one.hits_predicted[i] / one.predicted[i] if one.predicted[i] else np.nan, nan_ok=True
        )
        assert found.per_image_recall[k] == pytest.approx(one.hits_true[i] / one.true if one.true else np.nan, nan_ok=True)
        f = found.per_image_f[k]
        assert np.isnan(f) == (one.true == 0)
        assert found.per_image_iou[k] == pytest.approx(f / (2 - f), nan_ok=True)


def test_no_foreground_anywhere_is_undefined_and_no_error() -> None:
    found = score([np.full((2, 2), 0.5)] * 3, [np.zeros((2, 2), dtype=bool)] * 3)
    names = ("ods", "ods_threshold", "ois", "ois_aggregate", "ap", "precision", "recall", "iou", "false_positive_share")
    assert all(np.isnan(getattr(found, name)) for name in names)
    assert np.isnan(found.per_image_f).all()
    assert found.per_image_f.shape == found.per_image_best.shape == (3,)
    assert (found.at(0.3).false_positive_share, found.at(0.5).false_positive_share) == (1.0, 0.0)
    metric = SEGMENTATION.score(stack([count([[0.5]], [[False]])] * 2).take([i]) for i in (0, 1))
    assert (metric.metric, metric.threshold) == ("F (no image has foreground)", None)
    assert all(np.isnan(value) for value in metric.scores.values())
    assert set(metric.columns) == {"best", "best_threshold", "precision", "recall", "iou"}
    assert all(values.shape == (2,) and np.isnan(values).all() for values in metric.columns.values())


def test_maps_are_not_held() -> None:
    """Each map and mask is let go before the one after next is made."""
    alive: list[weakref.ref[Any]] = []

    def images(dtype: type) -> Iterator[Any]:
        for k in range(20):
            made = np.full((64, 64), k % 2, dtype=dtype)
            assert sum(ref() is not None for ref in alive) <= 4
            alive.append(weakref.ref(made))
            yield made
            del made

    assert len(score(images(np.float64), images(np.bool_)).counts) == 20
    assert len(alive) == 40


@pytest.mark.parametrize(
    ("bad", "line"),
    [
        (([[0.5, 2.0]], [[True, False]]), r"^image 2 \(from 0\): prediction must lie in \[0, 1\], got 2.0: "),
        (([[0.5]], [[True, False]]), r"^image 2 \(from 0\): prediction and mask must have one shape, got \(\(1, 1\), "),
        (([[0.5, 0.5]], [[1, 0]]), r"^image 2 \(from 0\): mask must be bool"),
    ],
)
def test_a_bad_image_is_named(bad: tuple[Any, Any], line: str) -> None:
    good = ([[0.5, 0.5]], [[True, False]])
    with pytest.raises(InputError, match=line):
        score(*zip(good, good, bad, strict=True))
