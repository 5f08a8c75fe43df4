"""Choose which images to label, by registered strategies under one protocol."""

from __future__ import annotations

from howfar import registry
from howfar.protocols import Strategy
from howfar.selection.by_column import far
from howfar.selection.strategy import FunctionStrategy

__all__ = ["FunctionStrategy", "every", "far", "named"]

KIND = "strategies"


def named(strategy: str | Strategy) -> Strategy:
    """Return a strategy by its registered name; a strategy itself is given back.

    Raises
    ------
    UnknownNameError
        No such name; the line lists the known ones.

    Examples
    --------
    >>> named("kcenter").needs
    ('features',)
    """
    if not isinstance(strategy, str):
        return strategy
    loaded: Strategy = registry.load(KIND, strategy)
    return loaded


def every() -> tuple[Strategy, ...]:
    """Return every registered strategy: ours in the registry's order, then other packages' by name.

    Examples
    --------
    >>> [strategy.name for strategy in every()][:3]
    ['far', 'near', 'random']
    """
    return tuple(named(name) for name in registry.ordered(KIND))
