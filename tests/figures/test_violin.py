from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
from matplotlib.collections import Collection, LineCollection, PolyCollection

from howfar.arrays import Float64Array
from howfar.figures.distances import shape, violin
from howfar.results import Comparison

FEW = {"tunnel linings $x$", "one"}


def corners(one: Collection) -> Float64Array:
    return np.asarray(one.get_paths()[0].vertices, dtype=np.float64)


def test_one_shape_for_each_set_and_one_for_p_beside_it(six: Comparison) -> None:
    (axes,) = violin(six).axes
    labels = {str(one.get_label()) for one in axes.collections if isinstance(one, PolyCollection)}
    names = {dataset.name for dataset in six.datasets}
    assert labels == (names - FEW) | {f"own:{name}" for name in names}


def test_shapes_span_the_distances(six: Comparison) -> None:
    (axes,) = violin(six).axes
    for one in axes.collections:
        name = str(one.get_label())
        frame, column = (six.primary_images, "against") if name.startswith("own:") else (six.images, "dataset")
        values = frame.loc[frame[column] == name.removeprefix("own:"), "i_dist_mean"]
        across = corners(one)[:, 0]
        assert across.min() == pytest.approx(values.min())
        assert across.max() == pytest.approx(values.max())


def test_p_lies_below_the_line_and_s_above(six: Comparison) -> None:
    (axes,) = violin(six).axes
    lines = {label.get_text().split("\n")[0]: at for label, at in zip(axes.get_yticklabels(), axes.get_yticks(), strict=True)}
    down = {str(one.get_label()): corners(one)[:, 1] for one in axes.collections}
    at = lines["street photographs"]
    assert down["street photographs"].max() <= at + 1e-9
    assert down["own:street photographs"].min() >= at - 1e-9
    assert axes.get_ylim()[0] > axes.get_ylim()[1]


def test_medians_and_quartiles(six: Comparison) -> None:
    (axes,) = violin(six).axes
    lines = {str(line.get_label()): np.asarray(line.get_xdata()) for line in axes.get_lines()}
    values = six.images.loc[six.images["dataset"] == "roads-dry", "i_dist_mean"]
    assert lines["median:roads-dry"] == pytest.approx([values.median()])
    assert lines["quartiles:roads-dry"] == pytest.approx(values.quantile([0.25, 0.75]).tolist())


def test_few_images_are_drawn_one_by_one(six: Comparison) -> None:
    (axes,) = violin(six).axes
    dots = {str(line.get_label()): line for line in axes.get_lines()}
    values = six.images.loc[six.images["dataset"] == "tunnel linings $x$", "i_dist_mean"]
    np.testing.assert_allclose(np.asarray(dots["tunnel linings $x$"].get_xdata()), np.sort(values))
    assert len(np.asarray(dots["one"].get_xdata())) == 1


def test_equal_values_are_one_stroke(six: Comparison, believable: ModuleType) -> None:
    (axes,) = violin(believable.constant(six)).axes
    strokes = {str(one.get_label()) for one in axes.collections if isinstance(one, LineCollection)}
    assert {"roads-dry", "own:roads-dry", "tunnel linings $x$"} <= strokes
    assert not any(isinstance(one, PolyCollection) for one in axes.collections)


def test_nearly_equal_values_keep_a_finite_shape(six: Comparison) -> None:
    images = six.images.copy()
    images["i_dist_mean"] = 5.0
    images.loc[images.groupby("dataset").head(1).index, "i_dist_mean"] = 5.0 + 1e-12
    (axes,) = violin(replace(six, images=images)).axes
    for one in axes.collections:
        assert np.isfinite(corners(one)).all()


def test_no_grey_where_p_is_one_image(six: Comparison, believable: ModuleType) -> None:
    (axes,) = violin(believable.without_yardstick(six)).axes
    assert not any(str(one.get_label()).startswith("own:") for one in axes.collections)


def test_density_is_scipys() -> None:
    from scipy.stats import gaussian_kde

    values = np.random.default_rng(0).gamma(3.0, size=70)
    at, height = shape(values)
    expected = gaussian_kde(values)(at)
    np.testing.assert_allclose(height, expected / expected.max(), rtol=1e-9)
