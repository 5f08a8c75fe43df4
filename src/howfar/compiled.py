"""Compile functions by numba; loading it takes a while, so what is compiled stands in modules that are loaded when needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F, **how: Any) -> F:
    """Compile a function, which then runs without the interpreter's lock, and keep what is compiled on disk where possible.

    `how` are further options of ``numba.njit``.
    """
    how = {"nogil": True, **how}
    try:
        return cast("F", njit(cache=True, **how)(function))
    # Nowhere to keep what is compiled, in a container that may write nothing say: it is compiled in every process.
    except RuntimeError:
        return cast("F", njit(**how)(function))
