"""The shipped suite, for every metric that the registry knows."""

from typing import Any

import numpy as np

from howfar import registry
from howfar.metrics import CLASSIFICATION, DETECTION, SEGMENTATION, Classification, Detection, Multiclass, Segmentation
from worlds.metric_suite import MetricTests


class TestSegmentation(MetricTests):
    metric = SEGMENTATION
    malformed = (([[2.0]], [[True]]), ([[0.5]], [[1]]), ([[0.5]], [[True, False]]), ([0.5], [True]))
    independent = False

    def example(self, rng: np.random.Generator) -> tuple[Any, Any]:
        height, width = rng.integers(2, 60, size=2)
        mask = rng.random((height, width)) < 0.2
        mask[0, 0] = True
        return (rng.random((height, width)) * np.where(mask, 255, 200)).astype(np.uint8), mask

    def perfect(self, truth: Any) -> Any:
        return truth


class TestSegmentationAtAThreshold(TestSegmentation):
    metric = Segmentation(tolerance=2.0, threshold=0.6)
    independent = True


class TestClassification(MetricTests):
    metric = CLASSIFICATION
    malformed = (([0.9, 0.9], 0), ([0.5, 0.5], 2), (0.5, 0), (0, -1))

    def example(self, rng: np.random.Generator) -> tuple[Any, Any]:
        return rng.dirichlet(np.ones(5)), int(rng.integers(0, 5))

    def perfect(self, truth: Any) -> Any:
        return np.eye(5)[truth]


class TestDetection(MetricTests):
    metric = DETECTION
    malformed = (({}, {}), ({"boxes": [[5, 5, 0, 0]], "scores": [1.0], "labels": [0]}, {"boxes": [], "labels": []}))

    def example(self, rng: np.random.Generator) -> tuple[Any, Any]:
        low = rng.uniform(0, 50, (4, 2))
        true = np.concatenate([low, low + rng.uniform(10, 20, (4, 2))], axis=1)
        found = true + rng.normal(0, 3, (4, 1))
        labels = rng.integers(0, 2, 4)
        return {"boxes": found, "scores": rng.random(4), "labels": labels}, {"boxes": true, "labels": labels}

    def perfect(self, truth: Any) -> Any:
        return {**truth, "scores": np.ones(len(truth["labels"]))}


class TestMulticlass(MetricTests):
    metric = Multiclass(ignore=255)
    malformed = (([[0.5]], [[0]]), ([[0]], [[0, 1]]), ([[-1]], [[0]]), (np.full((2, 1, 1), 0.9), [[0]]), ([[0]], [[2000]]))

    def example(self, rng: np.random.Generator) -> tuple[Any, Any]:
        truth = rng.integers(0, 4, rng.integers(2, 40, size=2))
        truth[0, 0] = 255
        found = np.where(rng.random(truth.shape) < 0.3, rng.integers(0, 4, truth.shape), truth)
        return np.where(found == 255, 3, found), truth

    def perfect(self, truth: Any) -> Any:
        return np.where(truth == 255, 1, truth)


def test_no_registered_metric_is_left_out() -> None:
    tested = {type(suite.metric) for suite in (TestSegmentation, TestClassification, TestDetection, TestMulticlass)}
    assert tested == {type(registry.load("metrics", name)) for name in registry.OURS["metrics"]}
    assert tested == {Segmentation, Classification, Detection, Multiclass}
