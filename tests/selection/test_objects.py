"""Choosing by predicted objects: every kind is covered, each alike, and images without any come last."""

from __future__ import annotations

import numpy as np
import pytest

from howfar.errors import InputError
from howfar.selection.diversity import KINDS, OBJECTS, kinds

CENTRES = np.array([[0.01, 0.0, 0.0], [0.01, 9.0, 0.0], [0.01, 0.0, 9.0], [0.01, 9.0, 9.0]])


def pool(*held: tuple[int, ...]) -> np.ndarray:
    """Regions of images that hold some of four kinds, (n, 4, 3), which differ by less within a kind than between kinds."""
    rng = np.random.default_rng(0)
    regions = np.zeros((len(held), 4, 3))
    for image, numbers in enumerate(held):
        for place, number in enumerate(numbers):
            regions[image, place] = CENTRES[number] + (0.0, *rng.normal(scale=0.01, size=2))
    return regions


def test_kinds_are_the_clusters_of_regions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("howfar.selection.diversity.KINDS", 4)
    held = kinds(pool((0, 1), (2,), (3, 3), (), (1, 0)), np.random.default_rng(0))
    assert held.sum(axis=1).tolist() == [2, 1, 1, 0, 2]
    assert (held[0] == held[4]).all()
    assert KINDS == 20


def test_a_rare_kind_counts_as_much_as_a_common_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("howfar.selection.diversity.KINDS", 4)
    regions = pool(*[(0,)] * 30, (0, 1), (2, 3))
    for seed in range(5):
        assert set(OBJECTS.pick({"regions": regions}, 2, np.random.default_rng(seed)).tolist()) == {30, 31}


def test_what_labelled_images_hold_is_covered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("howfar.selection.diversity.KINDS", 4)
    regions = pool((0, 1, 2), (0, 1, 2), (3,), ())
    labelled = np.array([True, False, False, False])
    # The second image adds 3 × ¼ and the third ½.
    assert OBJECTS.pick({"regions": regions}, 1, np.random.default_rng(0), labelled).tolist() == [1]
    labelled[1] = True
    assert OBJECTS.pick({"regions": regions}, 1, np.random.default_rng(0), labelled).tolist() == [2]


def test_images_without_a_region_come_last_with_a_warning() -> None:
    regions = pool((), (0,), (), (1,))
    with pytest.warns(UserWarning, match="predicted in 2 of the images without labels, fewer than the 3"):
        picks = OBJECTS.pick({"regions": regions}, 3, np.random.default_rng(0))
    assert set(picks[:2].tolist()) == {1, 3}
    with pytest.warns(UserWarning, match="predicted in 0"):
        OBJECTS.pick({"regions": np.zeros((3, 2, 2))}, 1, np.random.default_rng(0))


def test_tables_that_are_none_are_refused() -> None:
    for wrong in (np.zeros((3, 4)), np.zeros((3, 0, 4)), np.full((3, 1, 1), 1e200)):
        with pytest.raises(InputError, match="column regions must"):
            OBJECTS.pick({"regions": wrong}, 1, np.random.default_rng(0))
