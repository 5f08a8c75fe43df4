"""The share of the learning rate over a training, at its corners and in the optimiser."""

from __future__ import annotations

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
