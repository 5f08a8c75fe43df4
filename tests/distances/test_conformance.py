"""The shipped suite for every distance that the registry knows, what hypothesis finds no exception to, and what is refused."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from howfar import registry
from howfar.distances import (
    dataset_to_dataset,
    energy,
    frechet,
    image_to_dataset,
    kid,
    knn,
    leave_one_out,
    mahalanobis,
    mmd,
    sliced_wasserstein,
)
from howfar.distances.pairwise_distances import row_sums
from howfar.errors import InputError
from howfar.testing.distance_suite import DistanceTests

BETWEEN_SETS: dict[str, Any] = {"per_image": False, "symmetric": True}
ZERO = {**BETWEEN_SETS, "zero_on_itself": True}
KINDS: dict[str, dict[str, dict[str, Any]]] = {
    "image_distances": {
        "i_dist": {},
        "knn": {"least_images": (1, 5)},
        "mahalanobis": {"least_images": (1, 2), "needs_spread": True},
    },
    "dataset_distances": {
        "o_dist": BETWEEN_SETS,
        "kid": {**BETWEEN_SETS, "signed": True, "translation_invariant": False, "least_images": (2, 2)},
        **dict.fromkeys(("energy", "frechet", "mmd", "sliced_wasserstein", "mind"), ZERO),
    },
}
for _kind, _distances in KINDS.items():
    for _name, _facts in _distances.items():
        _suite, _distance = f"Test{_name.title().replace('_', '')}", staticmethod(registry.load(_kind, _name))
        globals()[_suite] = type(_suite, (DistanceTests,), {"distance": _distance, "__module__": __name__, **_facts})


def test_no_registered_distance_is_left_out() -> None:
    assert {kind: set(registry.OURS[kind]) for kind in KINDS} == {kind: set(distances) for kind, distances in KINDS.items()}


IMAGE: dict[str, Callable[..., Any]] = {"i_dist": image_to_dataset, "knn": partial(knn, k=2), "mahalanobis": mahalanobis}
DATASET: dict[str, Callable[..., Any]] = {
    "o_dist": dataset_to_dataset,
    "energy": energy,
    "frechet": frechet,
    "mmd": partial(mmd, bandwidth=3.0),
    "kid": kid,
    "sliced_wasserstein": partial(sliced_wasserstein, projections=20),
}
BOTH = IMAGE | DATASET
TURNABLE = {name: BOTH[name] for name in BOTH if name != "sliced_wasserstein"}
QUICK = settings(max_examples=15, deadline=None, derandomize=True)


def rows(most: int, z: int) -> st.SearchStrategy[np.ndarray]:
    # Sixteenths, so that repeated rows and ties are common and float32 holds them exactly.
    numbers = st.integers(-160, 160).map(lambda k: k / 16)
    return st.integers(3, most).flatmap(lambda n: arrays(np.float64, (n, z), elements=numbers))


@st.composite
def pairs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    z = draw(st.integers(1, 6))
    p = draw(rows(12, z))
    p[0, 0] += 11.0  # Mahalanobis needs a P that varies.
    return draw(rows(9, z)), p


def close(found: Any, wanted: Any, scale: float = 1.0) -> None:
    np.testing.assert_allclose(found, wanted, rtol=1e-7, atol=1e-7 * scale)


@pytest.mark.parametrize("name", TURNABLE)
@QUICK
@given(pair=pairs(), seed=st.integers(0, 99))
def test_turning_both_sets_together(name: str, pair: tuple[np.ndarray, np.ndarray], seed: int) -> None:
    s, p = pair
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(s.shape[1],) * 2))[0]
    close(BOTH[name](s @ turn, p @ turn), BOTH[name](s, p), 1e6 if name == "kid" else 10.0)


@pytest.mark.parametrize("name", ["i_dist", "knn", "o_dist", "energy", "sliced_wasserstein"])
@QUICK
@given(pair=pairs(), power=st.integers(-20, 20))
def test_unit_of_the_features(name: str, pair: tuple[np.ndarray, np.ndarray], power: int) -> None:
    s, p = pair
    close(BOTH[name](s * 2.0**power, p * 2.0**power), 2.0**power * np.asarray(BOTH[name](s, p)), 2.0**power)


ONE, TWO, THREE = [[0.0]], [[1.0], [2.0]], [[1.0], [2.0], [3.0]]


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "cuda0", "mps", "", "CUDA"])
def test_an_unknown_device(name: str) -> None:
    with pytest.raises(InputError, match=r"^device must be auto, cpu, cuda or cuda:N, got"):
        row_sums(ONE, TWO, device=name)


@pytest.mark.parametrize("wrong", [-1.0, float("nan"), float("inf"), "oas", None])
def test_a_bandwidth_and_a_shrinkage(wrong: float) -> None:
    with pytest.raises(InputError, match="bandwidth must be"):
        mmd(ONE, TWO, wrong)
    with pytest.raises(InputError, match="shrinkage must be"):
        mahalanobis(ONE, TWO, shrinkage=wrong)


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: leave_one_out(ONE), "at least two images"),
        (lambda: kid(ONE, TWO), "at least two images"),
        (lambda: mahalanobis(ONE, ONE), "two different images"),
        (lambda: kid(TWO, THREE, pairs_per_tile=0), "pairs_per_tile"),
        (lambda: knn(ONE, THREE), "pass k = 3"),
        (lambda: knn(ONE, TWO, 1, statistic="median"), "'mean' or 'kth'"),
        (lambda: sliced_wasserstein(ONE, TWO, projections=0), "projections must be"),
    ],
)
def test_refused(call: Callable[[], object], line: str) -> None:
    with pytest.raises(InputError, match=line):
        call()
