"""The shipped suite notices the faults that it is there for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from howfar.arrays import as_pair
from howfar.distances import energy, image_to_dataset, kid, mahalanobis
from howfar.testing.distance_suite import DistanceTests


def suite(distance: Callable[..., Any], **claims: Any) -> DistanceTests:
    return type("Suite", (DistanceTests,), {"distance": staticmethod(distance), **claims})()


def unclamped(s: Any, p: Any) -> Any:
    s, p = as_pair(s, p)
    squared = (s * s).sum(1)[:, None] + (p * p).sum(1) - 2 * s @ p.T
    with np.errstate(invalid="ignore"):
        return np.sqrt(squared).mean(axis=1)


def to_first_row(s: Any, p: Any) -> Any:
    s, p = as_pair(s, p)
    return cdist(s, p[:1])[:, 0]


def scaled_by_the_batch(s: Any, p: Any) -> Any:
    found = image_to_dataset(s, p)
    return found / found.max()


def writes_into_its_input(s: Any, p: Any) -> Any:
    s, p = as_pair(s, p)
    s -= p.mean(axis=0)
    return image_to_dataset(s, p)


def without_validation(s: Any, p: Any) -> Any:
    return cdist(np.asarray(s), np.asarray(p)).mean(axis=1)


def random(s: Any, p: Any) -> Any:
    return image_to_dataset(s, p) * np.random.default_rng().uniform(0.9, 1.0)


FAULTS: list[tuple[Callable[..., Any], str, tuple[Any, ...]]] = [
    (unclamped, "test_finite_for_degenerate_sets", ("repeated rows",)),
    (to_first_row, "test_order_of_rows", ()),
    (scaled_by_the_batch, "test_images_do_not_affect_each_other", ()),
    (lambda s, p: -image_to_dataset(s, p), "test_finite_and_not_negative", (0.0, np.float64)),
    (lambda s, p: -image_to_dataset(s, p), "test_grows_with_distance", ()),
    (lambda s, p: image_to_dataset(s, p).astype(np.float32), "test_shape_and_type", ()),
    (lambda s, p: image_to_dataset(s, p)[:, None], "test_shape_and_type", ()),
    (lambda s, p: image_to_dataset(s, p) + 1.0, "test_equal_images_throughout", ()),
    (lambda s, p: image_to_dataset(s, np.asarray(p) * 1.01), "test_translation", ()),
    (lambda s, p: image_to_dataset(s, p) * np.asarray(s).itemsize, "test_number_types", ()),
    (random, "test_again", ()),
]


@pytest.mark.parametrize(("distance", "test", "arguments"), FAULTS)
def test_a_fault_is_noticed(distance: Callable[..., Any], test: str, arguments: tuple[Any, ...]) -> None:
    getattr(suite(image_to_dataset), test)(*arguments)
    with pytest.raises(AssertionError):
        getattr(suite(distance), test)(*arguments)


def test_writing_into_the_input_is_noticed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        suite(writes_into_its_input).test_arrays_are_left_alone()


@pytest.mark.parametrize("kind", ["NaN", "infinity"])
def test_missing_validation_is_noticed(kind: str) -> None:
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        suite(without_validation).test_malformed_input_is_refused(kind)


def test_claims_are_held_to() -> None:
    one_way = suite(lambda s, p: float(mahalanobis(s, p).mean()), per_image=False, symmetric=True)
    with pytest.raises(AssertionError):
        one_way.test_symmetry()
    with pytest.raises(AssertionError):
        suite(kid, per_image=False, zero_on_itself=True).test_itself()
    with pytest.raises(AssertionError):
        suite(lambda s, p: -energy(s, p), per_image=False).test_finite_and_not_negative(0.0, np.float64)
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        suite(image_to_dataset, least_images=(1, 3)).test_fewest_images()
