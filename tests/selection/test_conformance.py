"""The shipped suite, for every strategy that the registry knows."""

from __future__ import annotations

import pytest

from howfar import registry
from howfar.testing.strategy_suite import StrategyTests

NAMES = tuple(registry.OURS["strategies"])
for _name in NAMES:
    _suite = f"Test{_name.title().replace('_', '')}"
    globals()[_suite] = type(_suite, (StrategyTests,), {"strategy": registry.load("strategies", _name), "__module__": __name__})


@pytest.mark.parametrize("name", NAMES)
def test_the_registry_knows_a_strategy_by_its_own_name(name: str) -> None:
    assert registry.load("strategies", name).name == name
