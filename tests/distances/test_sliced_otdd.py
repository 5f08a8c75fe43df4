"""s-OTDD against its definition line by line, its limits, and the exact distance of labelled datasets by POT."""

from math import exp, factorial
from typing import Any

import numpy as np
import pytest
from scipy import stats

from howfar.distances import sliced_otdd, sliced_wasserstein
from howfar.distances.sliced_wasserstein import _directions, _orders
from howfar.errors import InputError

ot: Any = pytest.importorskip("ot", reason="POT, of the extra dev, is absent")


def world(rng: np.random.Generator, n: int, shift: float, spread: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Three classes on a line, apart by `spread`, all moved by `shift`."""
    labels = np.arange(n) % 3
    x = rng.normal(size=(n, 5)) + shift
    x[:, 0] += spread * labels
    return x, labels


def test_as_the_definition_line_by_line_with_pot(rng: np.random.Generator) -> None:
    (s, of_s), (p, of_p) = world(rng, 9, 0.4), world(rng, 14, 0.0)
    again = np.random.default_rng(3)
    theta, psi, orders = _directions(6, 5, again), _directions(6, 4, again), _orders(6, 3, again)
    squares = []
    for line in range(6):
        sides = []
        for x, labels in ((s, of_s), (p, of_p)):
            along = x @ theta[:, line]
            places = psi[0, line] * along
            for image, label in enumerate(labels):
                for i in range(3):
                    order = int(orders[i, line])
                    places[image] += psi[i + 1, line] * np.mean(along[labels == label] ** order) / factorial(order)
            sides.append(places)
        squares.append(ot.wasserstein_1d(*sides, p=2))
    assert sliced_otdd(s, p, of_s, of_p, projections=6, moments=3, seed=3) == pytest.approx(np.sqrt(np.mean(squares)), rel=1e-9)


def test_the_orders_are_poisson_without_0() -> None:
    orders = _orders(50_000, 4, np.random.default_rng(0))
    for rate, drawn in zip(range(1, 5), orders, strict=True):
        for order in (1, 2, 3):
            wanted = stats.poisson.pmf(order, rate) / (1 - exp(-rate))
            assert np.mean(drawn == order) == pytest.approx(wanted, abs=0.01)
        assert drawn.min() == 1


def test_without_moments_it_is_sliced_wasserstein(rng: np.random.Generator) -> None:
    (s, of_s), (p, of_p) = world(rng, 30, 0.5), world(rng, 41, 0.0)
    wanted = sliced_wasserstein(s, p, projections=64)
    assert sliced_otdd(s, p, of_s, of_p, projections=64, moments=0) == pytest.approx(wanted, rel=1e-9)


def test_a_set_is_at_0_from_itself_and_from_its_labels_by_other_names(rng: np.random.Generator) -> None:
    s, labels = world(rng, 30, 0.0)
    order = rng.permutation(30)
    assert sliced_otdd(s, s[order], labels, np.array(["z", "y", "x"])[labels[order]]) < 1e-12
    assert sliced_otdd(s, s, labels, labels[order]) > 0.05  # the same images, labelled otherwise


def exact(s: np.ndarray, p: np.ndarray, of_s: np.ndarray, of_p: np.ndarray) -> float:
    """OTDD (Alvarez-Melis & Fusi 2020): transport where a pair costs ‖x − x'‖² plus W₂² of the images of its labels."""

    def moved(a: np.ndarray, b: np.ndarray, cost: Any) -> float:
        return float(ot.emd2(np.full(len(a), 1 / len(a)), np.full(len(b), 1 / len(b)), cost))

    between = {
        (a, b): moved(s[of_s == a], p[of_p == b], ot.dist(s[of_s == a], p[of_p == b])) for a in set(of_s) for b in set(of_p)
    }
    labels = np.array([[between[a, b] for b in of_p] for a in of_s])
    return float(np.sqrt(moved(s, p, ot.dist(s, p) + labels)))


def test_orders_datasets_as_the_exact_distance_does(rng: np.random.Generator) -> None:
    """The paper reports a correlation of 0.90 between both on parts of MNIST."""
    p, of_p = world(rng, 60, 0.0)
    pairs = [world(rng, 60, shift, spread) for shift in (0.0, 0.2, 0.5) for spread in (0.0, 1.0, 2.0, 3.0)]
    wanted = [exact(s, p, of_s, of_p) for s, of_s in pairs]
    found = [sliced_otdd(s, p, of_s, of_p, projections=500) for s, of_s in pairs]
    assert stats.spearmanr(wanted, found).statistic > 0.8


@pytest.mark.parametrize(
    ("changed", "said"),
    [({"s_labels": [0]}, "s_labels must be one row of 2 labels"), ({"moments": -1}, "moments must be at least 0, got -1"),
     ({"projections": 0}, "projections must be at least 1, got 0")],
)  # fmt: skip
def test_refused(changed: dict[str, Any], said: str) -> None:
    given: dict[str, Any] = {"s_labels": [0, 1], "p_labels": [0, 0, 1], **changed}
    with pytest.raises(InputError, match=said):
        sliced_otdd([[0.0], [1.0]], [[0.0], [1.0], [2.0]], **given)
