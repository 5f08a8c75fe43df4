"""Choose which images to label, by registered strategies under one protocol."""

from howfar import registry
from howfar.protocols import Strategy
from howfar.selection.candidates import FunctionStrategy
from howfar.selection.random_and_ranked import far

__all__ = ["FunctionStrategy", "every", "far", "named"]

KIND = "strategies"


def named(strategy: str | Strategy) -> Strategy:
    """Return the strategy registered under a name; a strategy object is returned unchanged.

    Raises `UnknownNameError`: no such name; the line lists the known ones.

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
    """Return all registered strategies: howfar's in registry order, then those of other packages by name.

    Examples
    --------
    >>> [strategy.name for strategy in every()][:3]
    ['far', 'near', 'random']
    """
    return tuple(named(name) for name in registry.ordered(KIND))
