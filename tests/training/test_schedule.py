"""The share of the learning rate over a training, at its corners and in the optimiser."""

from __future__ import annotations

import math

import pytest

from howfar import registry
from howfar.errors import UnknownNameError
from howfar.training import optimisation

NAMES = ("constant", "cosine", "poly", "step")
MANY = [k / 1000 for k in range(1001)]


def test_every_schedule_is_known_here() -> None:
    assert set(registry.names("schedules")) == set(NAMES)
    with pytest.raises(UnknownNameError, match="cosine"):
        optimisation.schedule_named("cosin")


@pytest.mark.parametrize("name", NAMES)
def test_shares_lie_within_0_and_1_and_the_first_step_learns(name: str) -> None:
    shares = list(map(optimisation.schedule_named(name), MANY))
    assert all(0 <= share <= 1 for share in shares)
    assert shares[0] > 0
    assert max(shares) == 1


@pytest.mark.parametrize("name", NAMES)
def test_after_the_warm_up_the_rate_never_rises(name: str) -> None:
    shares = list(map(optimisation.schedule_named(name), [done for done in MANY if done >= optimisation.WARM_UP]))
    assert shares == sorted(shares, reverse=True)


def test_cosine() -> None:
    assert optimisation.cosine(0.0) == 0.01
    assert optimisation.cosine(0.02) == pytest.approx(0.4)
    assert optimisation.cosine(0.05) == 1.0
    assert optimisation.cosine(0.05 + 0.95 / 4) == pytest.approx(0.5 * (1 + math.sqrt(0.5)))
    assert optimisation.cosine(1.0) == pytest.approx(0, abs=1e-12)
    rising = [optimisation.cosine(done) for done in MANY if done <= 0.05]
    assert rising == sorted(rising)


def test_poly() -> None:
    assert (optimisation.poly(0.0), optimisation.poly(1.0), optimisation.poly(1.1)) == (1.0, 0.0, 0.0)
    assert optimisation.poly(0.75) == pytest.approx(0.25**0.9)


def test_step() -> None:
    assert [optimisation.step(done) for done in (0.0, 0.599, 0.6, 0.849, 0.85, 1.0)] == [1.0, 1.0, 0.1, 0.1, 0.01, 0.01]


def test_constant() -> None:
    assert {optimisation.constant(done) for done in MANY} == {1.0}
