"""Conformance suites for pytest: subclass one, say how to make your object, and inherit the tests of its contract.

``StoreTests``, ``RunnerTests``, ``BackboneTests``, ``SegmenterTests``, ``DistanceTests`` and ``StrategyTests`` are loaded when
they are asked for, since they need pytest and what they test needs more.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from howfar.testing.backbones import BackboneTests
    from howfar.testing.distances import DistanceTests
    from howfar.testing.metrics import MetricTests
    from howfar.testing.runners import RunnerTests
    from howfar.testing.segmenters import SegmenterTests
    from howfar.testing.stores import StoreTests
    from howfar.testing.strategies import StrategyTests

_NAMES = {
    "BackboneTests": "howfar.testing.backbones",
    "DistanceTests": "howfar.testing.distances",
    "MetricTests": "howfar.testing.metrics",
    "RunnerTests": "howfar.testing.runners",
    "SegmenterTests": "howfar.testing.segmenters",
    "StoreTests": "howfar.testing.stores",
    "StrategyTests": "howfar.testing.strategies",
}

__all__ = ["BackboneTests", "DistanceTests", "MetricTests", "RunnerTests", "SegmenterTests", "StoreTests", "StrategyTests"]


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(import_module(_NAMES[name]), name)
    raise AttributeError(f"module 'howfar.testing' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted(__all__)
