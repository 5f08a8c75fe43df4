"""The shipped suite, for every metric that the registry knows."""

from __future__ import annotations

from typing import Any

import numpy as np

from howfar import registry
from howfar.metrics import CLASSIFICATION, DETECTION, SEGMENTATION, Classification, Detection, Segmentation
from howfar.testing.metric_suite import MetricTests


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


def test_no_registered_metric_is_left_out() -> None:
    tested = {type(suite.metric) for suite in (TestSegmentation, TestClassification, TestDetection)}
    assert tested == {type(registry.load("metrics", name)) for name in registry.OURS["metrics"]}
    assert tested == {Segmentation, Classification, Detection}
