"""The registered figures as methods of a result."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from howfar import registry
from howfar.errors import UnknownNameError


class Plots:
    """The registered figures, bound to one result; each call returns a matplotlib Figure."""

    def __init__(self, result: Any, kind: str = "figures") -> None:
        self._result, self._kind = result, kind

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            figure = registry.load(self._kind, name)
        except UnknownNameError as error:
            raise AttributeError(str(error)) from error

        def draw(**options: Any) -> Any:
            return figure(self._result, **options)

        draw.__doc__ = figure.__doc__
        return draw

    def __dir__(self) -> Iterator[str]:
        return iter(registry.names(self._kind))
