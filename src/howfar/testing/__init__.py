"""Conformance test suites for plug-ins: inherit one to test a backbone, distance, runner, segmenter or strategy.

A suite is imported on first use, since it needs pytest and the libraries of what it tests.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from howfar.testing.adaptation_way_suite import AdaptationWayTests
    from howfar.testing.backbone_suite import BackboneTests
    from howfar.testing.distance_suite import DistanceTests
    from howfar.testing.parallel_runner_suite import RunnerTests
    from howfar.testing.segmenter_suite import SegmenterTests
    from howfar.testing.strategy_suite import StrategyTests

__all__ = ["AdaptationWayTests", "BackboneTests", "DistanceTests", "RunnerTests", "SegmenterTests", "StrategyTests"]
_MODULES = ("adaptation_way", "backbone", "distance", "parallel_runner", "segmenter", "strategy")
"""The suites' modules, in the order of their classes."""


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module(f"howfar.testing.{_MODULES[__all__.index(name)]}_suite"), name)
    raise AttributeError(f"module 'howfar.testing' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return __all__
