"""Numbers behind the figures of a comparison: order and look of datasets, scaling, density, and points that are drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import gaussian_kde

from figures import believable
from howfar.figures.distance_figures import POINTS, min_max, scatter, shape, violin
from howfar.figures.style import first, look, looks, rows
from howfar.results import Comparison, Relation


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


def test_orders_by_raw_distance_where_there_is_no_yardstick(six: Comparison) -> None:
    shown, _ = rows(believable.without_yardstick(six), 6)
    values = [row.summary.o_dist_mean for row in shown]
    assert values == sorted(values)
    assert all(len(row.own) == 0 for row in shown)


def test_looks_go_by_the_place_in_the_run(related: Relation, six: Comparison) -> None:
    assert looks(related) == {dataset.name: look(place) for place, dataset in enumerate(six.datasets)}
    assert looks(replace(related, datasets=related.datasets[2:])) == looks(related)


def test_a_note_counts_what_is_left_out() -> None:
    assert first(["roads", "bridges", "tunnels"], 2) == (["roads", "bridges"], "The first 2 of 3 datasets are shown.")
    assert first(["roads"], 2) == (["roads"], "")


@pytest.mark.parametrize(("values", "scaled"), [([2.0, 3.0, 6.0], [0.0, 0.25, 1.0]), ([4.0, 4.0], [0.0, 0.0])])
def test_equal_distances_are_scaled_to_nothing(values: list[float], scaled: list[float]) -> None:
    assert min_max(np.array(values)).tolist() == scaled


def test_density_is_scipys() -> None:
    values = np.random.default_rng(0).gamma(3.0, size=70)
    at, height = shape(values)
    expected = gaussian_kde(values)(at)
    np.testing.assert_allclose(height, expected / expected.max(), rtol=1e-9)


def test_nearly_equal_values_keep_a_finite_shape(six: Comparison) -> None:
    images = six.images.assign(i_dist_mean=5.0)
    images.loc[images.groupby("dataset").head(1).index, "i_dist_mean"] = 5.0 + 1e-12
    (axes,) = violin(replace(six, images=images)).axes
    assert all(np.isfinite(np.asarray(one.get_paths()[0].vertices)).all() for one in axes.collections)


def test_large_sets_are_thinned_and_undefined_points_left_out(six: Comparison) -> None:
    many = pd.concat([six.images[six.images["dataset"] == six.datasets[0].name]] * 100, ignore_index=True)
    many.loc[:10, "pc1"] = np.nan
    (axes,) = scatter(replace(six, datasets=six.datasets[:1], images=many)).axes
    points = np.asarray(axes.collections[1].get_offsets())
    assert POINTS // 2 < len(points) <= POINTS < len(many)
    assert np.isfinite(points).all()
