from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from howfar.figures.thresholds import pooled, relation_thresholds, thresholds
from howfar.metrics import THRESHOLDS
from howfar.results import Evaluation, Provenance, Relation


@pytest.fixture
def evaluation() -> Evaluation:
    """Two images; at threshold t the first has predicted 100 − i pixels of which the true ones are the last to go."""
    i = np.arange(100)
    predicted = [200 - 2 * i, 100 - i]
    hits = [np.minimum(80, 200 - 2 * i), np.minimum(30, 100 - i)]
    images = pd.DataFrame({"dataset": "cracks $x$", "image": ["1.png", "2.png"], "performance": [0.5, 0.6], "true": [90, 40]})
    images["predicted"], images["hits_predicted"], images["hits_true"] = predicted, hits, hits
    return Evaluation(
        dataset="cracks $x$",
        task="segmentation",
        metric="F at threshold 0.50",
        threshold=0.5,
        tolerance=0.0,
        n=2,
        scored=2,
        scores={},
        images=images,
        provenance=Provenance("0.1.0", "2026-01-02T03:04:05+00:00", "3.12.1", "Linux-6", {}),
    )


def curve(figure: Figure, label: str, axes: int = 0) -> tuple[np.ndarray, np.ndarray]:
    (found,) = [line for line in figure.axes[axes].get_lines() if line.get_label() == label]
    return np.asarray(found.get_xdata()), np.asarray(found.get_ydata())


def test_curves_are_those_of_the_summed_counts(evaluation: Evaluation) -> None:
    i = np.arange(100)
    tp, predicted = np.minimum(80, 200 - 2 * i) + np.minimum(30, 100 - i), 300 - 3 * i
    figure = thresholds(evaluation)
    np.testing.assert_allclose(curve(figure, "precision")[1], tp / predicted)
    np.testing.assert_allclose(curve(figure, "recall")[1], tp / 130)
    np.testing.assert_allclose(curve(figure, "F")[1], 2 * tp / (predicted + 130))
    np.testing.assert_allclose(curve(figure, "_curve", 1), [tp / 130, tp / predicted])


def test_the_dot_is_the_best_f(evaluation: Evaluation) -> None:
    figure = thresholds(evaluation)
    f = curve(figure, "F")[1]
    best = int(np.argmax(f))
    x, y = curve(figure, f"ODS {f[best]:.3f} at {best / 100:.2f}")
    assert (x.tolist(), y.tolist()) == ([best / 100], [f[best]])
    recall, precision = curve(figure, "_ods", 1)
    assert 2 * precision[0] * recall[0] / (precision[0] + recall[0]) == pytest.approx(f[best])


def test_the_per_image_threshold_is_drawn_where_it_is_another(evaluation: Evaluation) -> None:
    best = float(THRESHOLDS[int(np.argmax(curve(thresholds(evaluation), "F")[1]))])
    assert best != 0.5
    assert curve(thresholds(evaluation), "per image: 0.50")[0].tolist() == [0.5, 0.5]
    labels = [line.get_label() for line in thresholds(replace(evaluation, threshold=best)).axes[0].get_lines()]
    assert not any(str(label).startswith("per image") for label in labels)


def test_without_counts_or_foreground_it_says_so(evaluation: Evaluation) -> None:
    bare = replace(evaluation, images=evaluation.images.drop(columns=["predicted"]))
    blank = replace(evaluation, images=evaluation.images.assign(true=0))
    for one in (bare, blank, replace(evaluation, images=evaluation.images.iloc[:0])):
        assert pooled(one) is None
        (axes,) = thresholds(one).axes
        assert "no counts by threshold" in axes.texts[0].get_text()


def test_curves_of_one_f_have_that_f(related: Relation) -> None:
    plane = relation_thresholds(related).axes[1]
    for line, level in zip(
        [one for one in plane.get_lines() if one.get_label() == "_level"], (0.2, 0.4, 0.6, 0.8), strict=True
    ):
        recall, precision = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
        np.testing.assert_allclose(2 * recall * precision / (recall + precision), level)
