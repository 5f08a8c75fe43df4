"""Test your own backbone, distance, runner or other plug-in for howfar by subclassing a pytest conformance suite.

A suite is imported on first use, since it needs pytest and the libraries of what it tests.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from howfar.testing.adaptation_way_suite import AdaptationWayTests
    from howfar.testing.backbone_suite import BackboneTests
    from howfar.testing.distance_suite import DistanceTests
    from howfar.testing.runner_suite import RunnerTests
    from howfar.testing.segmenter_suite import SegmenterTests
    from howfar.testing.strategy_suite import StrategyTests

_NAMES = {
    "AdaptationWayTests": "howfar.testing.adaptation_way_suite",
    "BackboneTests": "howfar.testing.backbone_suite",
    "DistanceTests": "howfar.testing.distance_suite",
    "RunnerTests": "howfar.testing.runner_suite",
    "SegmenterTests": "howfar.testing.segmenter_suite",
    "StrategyTests": "howfar.testing.strategy_suite",
}

__all__ = [
    "AdaptationWayTests",
    "BackboneTests",
    "DistanceTests",
    "RunnerTests",
    "SegmenterTests",
    "StrategyTests",
]


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(import_module(_NAMES[name]), name)
    raise AttributeError(f"module 'howfar.testing' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted(__all__)
