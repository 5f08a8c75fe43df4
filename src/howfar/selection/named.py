"""Strategies by their registered names."""

from __future__ import annotations

from howfar import registry
from howfar.protocols import Strategy

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
    found: Strategy = registry.load(KIND, strategy)
    return found


def every() -> tuple[Strategy, ...]:
    """Every registered strategy: ours in the registry's order, then other packages' by name.

    Examples
    --------
    >>> [one.name for one in every()][:3]
    ['far', 'near', 'random']
    """
    ours = tuple(registry.OURS[KIND])
    return tuple(named(name) for name in (*ours, *(name for name in registry.names(KIND) if name not in ours)))
