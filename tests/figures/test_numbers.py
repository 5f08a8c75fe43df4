"""Numbers behind figures against their sources: distances, densities, trees, curves by threshold, and dots that stay away."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from scipy.stats import gaussian_kde

import howfar
from believable_pool import make as make_pool
from howfar.figures.distance_figures import arranged, matrix_map, shape
from howfar.figures.performance_figures import pooled, relation_thresholds, thresholds
from howfar.figures.style import look, rows
from howfar.metrics import THRESHOLDS
from howfar.paper.segmenter_ranking_report import precision_recall_plane
from howfar.results import Comparison, Evaluation, Provenance, Relation
from howfar.results.matrix_result import Matrix


def lines(axes: Axes, label: str) -> list[Line2D]:
    return [line for line in axes.get_lines() if line.get_label() == label]


def test_the_farthest_are_kept_nearest_first_with_numbers_and_look_of_their_own(six: Comparison) -> None:
    shown, note = rows(six, 10)
    values = [row.summary.relative for row in shown]
    assert values == sorted(value for value in values if value is not None)
    assert note == ""
    names = [dataset.name for dataset in six.datasets]
    for row in shown:
        images = six.images[six.images["dataset"] == row.name]
        own = six.primary_images[six.primary_images["against"] == row.name]
        np.testing.assert_array_equal(row.distances, np.sort(images["i_dist_mean"]))
        np.testing.assert_array_equal(row.own, np.sort(own["i_dist_mean"]))
    some, note = rows(six, 2)
    assert [(row.name, row.look) for row in some] == [(row.name, look(names.index(row.name))) for row in shown[-2:]]
    assert "2 farthest of 6" in note


def test_density_is_scipys() -> None:
    values = np.random.default_rng(0).gamma(3.0, size=70)
    at, height = shape(values)
    expected = gaussian_kde(values)(at)
    np.testing.assert_allclose(height, expected / expected.max(), rtol=1e-9)


@pytest.fixture(scope="module")
def found() -> Matrix:
    """Datasets on a line, in a shuffled order: set k lies at k."""
    rng = np.random.default_rng(0)
    sets = {f"$set_{k}$": rng.normal(0, 0.2, size=(12, 3)) + np.array([k, 0, 0]) for k in rng.permutation(5)}
    return howfar.matrix(sets, progress=False, components=3)


def test_the_tree_is_scipys_and_what_is_near_stands_together(found: Matrix) -> None:
    order, linkage = arranged(found)
    line = [f"$set_{k}$" for k in range(5)]
    assert [found.names[place] for place in order] in (line, line[::-1])
    tree = matrix_map(found).axes[0]
    depths = sorted(float(np.max(line.get_xdata())) for line in tree.lines)
    np.testing.assert_allclose(depths, np.sort(linkage[:, 2]))
    # Leaves lie at the rows of the map beside them.
    ends = {float(y) for line in tree.lines for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True) if x == 1}
    assert ends == {0.0, 1.0, 2.0, 3.0, 4.0}


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


def curve(evaluation: Evaluation, label: str, axes: int = 0) -> tuple[np.ndarray, np.ndarray]:
    (found,) = lines(thresholds(evaluation).axes[axes], label)
    return np.asarray(found.get_xdata()), np.asarray(found.get_ydata())


def test_curves_are_those_of_the_summed_counts_and_the_dot_is_the_best_f(evaluation: Evaluation) -> None:
    i = np.arange(100)
    tp, predicted = np.minimum(80, 200 - 2 * i) + np.minimum(30, 100 - i), 300 - 3 * i
    f = 2 * tp / (predicted + 130)
    np.testing.assert_allclose(curve(evaluation, "precision")[1], tp / predicted)
    np.testing.assert_allclose(curve(evaluation, "recall")[1], tp / 130)
    np.testing.assert_allclose(curve(evaluation, "F")[1], f)
    np.testing.assert_allclose(curve(evaluation, "_curve", 1), [tp / 130, tp / predicted])
    best = int(np.argmax(f))
    x, y = curve(evaluation, f"ODS {f[best]:.3f} at {best / 100:.2f}")
    assert (x.tolist(), y.tolist()) == ([best / 100], [pytest.approx(f[best])])
    recall, precision = curve(evaluation, "_ods", 1)
    assert 2 * precision[0] * recall[0] / (precision[0] + recall[0]) == pytest.approx(f[best])
    assert curve(evaluation, "per image: 0.50")[0].tolist() == [0.5, 0.5]
    at_best = thresholds(replace(evaluation, threshold=float(THRESHOLDS[best])))
    assert not any(str(line.get_label()).startswith("per image") for line in at_best.axes[0].get_lines())


def test_without_counts_or_foreground_it_says_so(evaluation: Evaluation) -> None:
    bare = replace(evaluation, images=evaluation.images.drop(columns=["predicted"]))
    blank = replace(evaluation, images=evaluation.images.assign(true=0))
    for one in (bare, blank, replace(evaluation, images=evaluation.images.iloc[:0])):
        assert pooled(one) is None
        (axes,) = thresholds(one).axes
        assert "no counts by threshold" in axes.texts[0].get_text()


def test_along_a_grey_curve_f_is_the_same(related: Relation) -> None:
    for plane, label in ((relation_thresholds(related).axes[1], "_level"), (precision_recall_plane(make_pool()).axes[0], "_f")):
        for line, level in zip(lines(plane, label), (0.2, 0.4, 0.6, 0.8), strict=True):
            recall, precision = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
            np.testing.assert_allclose(2 * recall * precision / (recall + precision), level)
