from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import numpy as np

from howfar.figures.style import first, look, looks, rows
from howfar.results import Comparison, Relation


def test_nearest_first_and_numbers_of_its_own_pair(six: Comparison) -> None:
    shown, note = rows(six, 10)
    values = [row.summary.relative for row in shown]
    assert values == sorted(value for value in values if value is not None)
    assert note == ""
    for row in shown:
        images = six.images[six.images["dataset"] == row.name]
        own = six.primary_images[six.primary_images["against"] == row.name]
        np.testing.assert_array_equal(row.distances, np.sort(images["i_dist_mean"]))
        np.testing.assert_array_equal(row.own, np.sort(own["i_dist_mean"]))


def test_look_is_that_of_the_callers_place_whatever_is_shown(six: Comparison) -> None:
    names = [dataset.name for dataset in six.datasets]
    for limit in (2, 6):
        for row in rows(six, limit)[0]:
            assert row.look == look(names.index(row.name))


def test_keeps_the_farthest(six: Comparison) -> None:
    every, _ = rows(six, 6)
    some, note = rows(six, 2)
    assert [row.name for row in some] == [row.name for row in every[-2:]]
    assert "2 farthest of 6" in note


def test_orders_by_raw_distance_where_there_is_no_yardstick(six: Comparison, believable: ModuleType) -> None:
    shown, _ = rows(believable.without_yardstick(six), 6)
    values = [row.summary.o_dist_mean for row in shown]
    assert values == sorted(values)
    assert all(len(row.own) == 0 for row in shown)


def test_looks_go_by_the_place_in_the_run(related: Relation, six: Comparison) -> None:
    assert looks(related) == {dataset.name: look(place) for place, dataset in enumerate(six.datasets)}
    fewer = replace(related, datasets=related.datasets[2:])
    assert looks(fewer) == looks(related)


def test_a_note_counts_what_is_left_out() -> None:
    assert first(["roads", "bridges", "tunnels"], 2) == (["roads", "bridges"], "The first 2 of 3 datasets are shown.")
    assert first(["roads"], 2) == (["roads"], "")
