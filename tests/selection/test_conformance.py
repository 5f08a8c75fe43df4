"""The shipped suite, for every strategy that the registry knows."""

from __future__ import annotations

from howfar import registry
from howfar.selection.by_column import FAR, FLIP_DISAGREEMENT, NEAR, RIDGE_RESPONSE, SHARE_QUANTILES, UNCERTAINTY
from howfar.selection.diversity import HERDING, KCENTER, KMEANSPP, KMEDOIDS, OBJECTS, PROBCOVER, TYPICLUST
from howfar.selection.random_draws import FOREGROUND, FOREGROUND_RANDOM, RANDOM, STRATIFIED, STRATIFIED_ENTROPY
from howfar.testing.strategy_suite import StrategyTests


class TestFar(StrategyTests):
    strategy = FAR


class TestNear(StrategyTests):
    strategy = NEAR


class TestRandom(StrategyTests):
    strategy = RANDOM


class TestStratified(StrategyTests):
    strategy = STRATIFIED


class TestKcenter(StrategyTests):
    strategy = KCENTER


class TestTypiclust(StrategyTests):
    strategy = TYPICLUST


class TestKmedoids(StrategyTests):
    strategy = KMEDOIDS


class TestProbcover(StrategyTests):
    strategy = PROBCOVER


class TestKmeanspp(StrategyTests):
    strategy = KMEANSPP


class TestHerding(StrategyTests):
    strategy = HERDING


class TestUncertainty(StrategyTests):
    strategy = UNCERTAINTY


class TestFlipDisagreement(StrategyTests):
    strategy = FLIP_DISAGREEMENT


class TestForeground(StrategyTests):
    strategy = FOREGROUND


class TestForegroundRandom(StrategyTests):
    strategy = FOREGROUND_RANDOM


class TestObjects(StrategyTests):
    strategy = OBJECTS


class TestStratifiedEntropy(StrategyTests):
    strategy = STRATIFIED_ENTROPY


class TestShareQuantiles(StrategyTests):
    strategy = SHARE_QUANTILES


class TestRidgeResponse(StrategyTests):
    strategy = RIDGE_RESPONSE


def test_no_registered_strategy_is_left_out() -> None:
    tested = {id(suite.strategy) for suite in StrategyTests.__subclasses__() if suite.__module__ == __name__}
    for name in registry.OURS["strategies"]:
        strategy = registry.load("strategies", name)
        assert strategy.name == name
        assert id(strategy) in tested, f"{name} has no suite"
