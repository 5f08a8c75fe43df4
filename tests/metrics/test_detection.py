"""Detection as torchmetrics, scipy and torchvision count; the boxes' signals against every pairing tried one by one."""

import sys
from collections.abc import Callable
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from torch import from_numpy
from torchmetrics.detection import MeanAveragePrecision
from torchvision.ops import box_iou

from howfar.errors import InputError, MissingExtraError
from howfar.metrics import DETECTION, Detection, tallies
from howfar.metrics.detection import box_consistency, box_signals, box_stability, overlaps

NONE: dict[str, Any] = {"boxes": [], "scores": [], "labels": []}


def boxes(rng: np.random.Generator, n: int) -> np.ndarray[Any, Any]:
    low = rng.uniform(0, 80, (n, 2))
    return np.concatenate([low, low + rng.uniform(1, 40, (n, 2))], axis=1)


def images(rng: np.random.Generator, n: int) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    made = []
    for _ in range(n):
        true, labels = boxes(rng, k := int(rng.integers(0, 6))), rng.integers(0, 3, k)
        found = np.concatenate([true + rng.normal(0, 1.5, true.shape), boxes(rng, int(rng.integers(0, 4)))])
        found[:, 2:] = np.maximum(found[:, 2:], found[:, :2])
        guessed = np.concatenate([np.where(rng.random(k) < 0.8, labels, 0), rng.integers(0, 3, len(found) - k)])
        made.append(({"boxes": found, "scores": rng.random(len(found)), "labels": guessed}, {"boxes": true, "labels": labels}))
    return made


def test_map_as_torchmetrics(rng: np.random.Generator) -> None:
    data = images(rng, 30)
    found = DETECTION.score(tallies(DETECTION, *zip(*data, strict=True)))
    peer = MeanAveragePrecision()
    for prediction, truth in data:
        peer.update(*[[{k: from_numpy(np.asarray(v)) for k, v in side.items()}] for side in (prediction, truth)])
    wanted = peer.compute()
    assert 0.2 < found.scores["map"] < found.scores["map_50"] < 1.0
    assert found.scores["map"] == float(wanted["map"])
    assert found.scores["map_50"] == float(wanted["map_50"])


def test_f1_of_the_summed_matches_and_of_each_image(rng: np.random.Generator) -> None:
    data = images(rng, 30)
    tally = tallies(DETECTION, *zip(*data, strict=True))
    found = DETECTION.score(tally)
    hits, misses, false = (np.array([getattr(one, name) for one in tally]) for name in ("hits", "misses", "false"))
    assert [h + m for h, m in zip(hits, misses, strict=True)] == [len(truth["boxes"]) for _, truth in data]
    assert [h + f for h, f in zip(hits, false, strict=True)] == [len(prediction["boxes"]) for prediction, _ in data]
    assert found.scores["f1"] == 2 * hits.sum() / (2 * hits.sum() + misses.sum() + false.sum())
    with np.errstate(invalid="ignore"):
        wanted = np.where(hits + misses > 0, 2 * hits / (2 * hits + misses + false), np.nan)
    np.testing.assert_array_equal(found.per_image, wanted)
    assert np.isnan(found.per_image).any()
    assert (found.metric, found.threshold) == ("F1 at IoU 0.5", None)


def test_matches_of_boxes_apart_are_the_best_assignment(rng: np.random.Generator) -> None:
    """Where no predicted box overlaps two true ones by half, greedy matching is the largest one there is."""
    for _ in range(30):
        true = np.array([[10 * k, 0, 10 * k + 8, 8] for k in range(6)], dtype=float)
        found = np.repeat(true, 2, axis=0) + rng.uniform(-3, 3, (12, 4)) * [1, 1, 0, 0]
        prediction = {"boxes": found, "scores": rng.random(12), "labels": np.zeros(12, int)}
        one = DETECTION.tally(prediction, {"boxes": true, "labels": np.zeros(6, int)})
        possible = overlaps(found, true) >= 0.5
        rows, columns = linear_sum_assignment(possible, maximize=True)
        assert one.hits == possible[rows, columns].sum()


def test_low_scores_are_left_out_of_f1_and_not_of_map() -> None:
    truth = {"boxes": [[0, 0, 10, 10]], "labels": [0]}
    prediction = {"boxes": [[0, 0, 10, 10], [20, 20, 30, 30]], "scores": [0.4, 0.3], "labels": [0, 0]}
    found = {low: DETECTION.score([Detection(min_score=low).tally(prediction, truth)]) for low in (0.0, 0.35, 0.4, 0.5)}
    assert {low: one.scores["f1"] for low, one in found.items()} == {0.0: 2 / 3, 0.35: 1.0, 0.4: 1.0, 0.5: 0.0}
    assert {one.scores["map"] for one in found.values()} == {1.0}
    strict = Detection(min_score=0.5)
    assert strict.score([strict.tally(prediction, truth)]).metric == "F1 at IoU 0.5 of boxes scored 0.5 or more"
    # A score may be above one by rounding.
    assert DETECTION.tally({**GOOD, "scores": [1.0000001]}, GOOD).scores.tolist() == [1.0]


def test_images_without_boxes() -> None:
    box = {"boxes": [[0, 0, 9, 9]], "scores": [0.9], "labels": [0]}
    found = DETECTION.score(tallies(DETECTION, [NONE, box, NONE, box], [NONE, NONE, box, box]))
    np.testing.assert_array_equal(found.per_image, [np.nan, np.nan, 0.0, 1.0])
    assert found.scores["f1"] == 2 / 4
    nowhere = DETECTION.score(tallies(DETECTION, [NONE, box], [NONE, NONE]))
    assert np.isnan(list(nowhere.scores.values())).all()
    assert np.isnan(nowhere.per_image).all()


def test_overlaps_as_torchvision(rng: np.random.Generator) -> None:
    a, b = boxes(rng, 20), boxes(rng, 30)
    np.testing.assert_allclose(overlaps(a, b), box_iou(from_numpy(a), from_numpy(b)).numpy(), rtol=1e-12)
    assert overlaps([[1, 1, 1, 1]], [[1, 1, 1, 1]]).tolist() == [[0.0]]
    assert overlaps(np.zeros((0, 4)), b).shape == (0, 30)


def test_pycocotools_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    one = DETECTION.tally(NONE, NONE)
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'howfar\[detection\]' "):
        DETECTION.score([one])


GOOD: dict[str, Any] = {"boxes": [[0, 0, 1, 1]], "scores": [0.5], "labels": [0]}


def drawn(count: int, seed: int) -> np.ndarray:
    corners = np.random.default_rng(seed).uniform(0, 10, size=(count, 2, 2))
    return np.sort(corners, axis=1).reshape(count, 4)


@pytest.mark.parametrize(("k", "t"), [(1, 1), (3, 4), (4, 3), (5, 5)])
def test_stability_is_of_the_best_pairing(k: int, t: int) -> None:
    boxes, others = drawn(k, 1), drawn(t, 2)
    shared = overlaps(boxes, others) if k <= t else overlaps(others, boxes)
    rows = range(len(shared))
    best = max(
        sum(shared[i, j] for i, j in zip(rows, chosen, strict=True)) for chosen in permutations(range(max(k, t)), len(shared))
    )
    assert box_stability(boxes, others) == pytest.approx(best / max(k, t))
    assert box_stability(others, boxes) == pytest.approx(best / max(k, t))
    assert box_stability(boxes, boxes) == 1.0


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"boxes": [[5, 5, 2, 9]]}, r"\['boxes'\] must be finite, with x1 ≥ x0 and y1 ≥ y0, got \[5.0, 5.0, 2.0, 9.0\]: give"),
        ({"boxes": [[0, 0, 1, float("nan")]]}, r"^prediction\['boxes'\] must be finite"),
        ({"boxes": [[0, 0, 1]]}, r"must be \(k, 4\) numbers: x0, y0, x1, y1, got 'int64 of shape \(1, 3\)'"),
        ({"scores": [0.5, 0.5]}, r"^prediction\['scores'\] must be one for each of the 1 boxes, got \(2,\)"),
        ({"scores": [1.25]}, r"^prediction\['scores'\] must lie between 0 and 1, got 1.25: a score is a probability"),
        ({"scores": ["a"]}, r"^prediction\['scores'\] must be numbers, got"),
        ({"labels": [0.5]}, r"^prediction\['labels'\] must be class indices, whole numbers, got 'float64'"),
    ],
)
def test_bad_boxes_are_refused(change: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError, match=line):
        DETECTION.tally({**GOOD, **change}, GOOD)


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (
            lambda: DETECTION.tally({"boxes": [], "labels": []}, NONE),
            r"^prediction must be a mapping with 'scores', got \['boxes', 'labels'\]$",
        ),
        (lambda: DETECTION.tally(GOOD, []), r"^truth must be a mapping with 'boxes', got 'list'$"),
        (lambda: Detection(min_score=float("nan")), r"^min_score must be a number, got nan$"),
        (lambda: Detection(iou=0.0), r"^iou must lie in \(0, 1\]"),
        (lambda: box_signals([np.nan]), "scores must be one row of finite numbers"),
        (lambda: box_consistency([[0, 0, 1, 1]], [], [], []), "labels must be one a box"),
    ],
)
def test_bad_input_is_refused(call: Callable[[], Any], line: str) -> None:
    with pytest.raises(InputError, match=line):
        call()
