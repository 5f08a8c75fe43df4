"""Combine values in a binary tree that depends on their number alone, so that every runner rounds sums alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

V = TypeVar("V")


def fold(values: Iterable[V], combine: Callable[[V, V], V]) -> V:
    """Combine values two by two, neighbours first, then pairs of neighbours, and so on, keeping about log2 n in memory.

    `combine` is called with a value and the one to its right; the remaining values are combined from the right at the end.
    Raises `ValueError` where there is no value.

    Examples
    --------
    >>> fold("abcde", lambda left, right: f"({left}{right})")
    '(((ab)(cd))e)'
    """
    # Sizes fall from the bottom of the stack to its top, as the binary digits of the number of values seen.
    stack: list[tuple[int, V]] = []
    for value in values:
        size = 1
        while stack and stack[-1][0] == size:
            value = combine(stack.pop()[1], value)
            size *= 2
        stack.append((size, value))
    if not stack:
        raise ValueError("nothing to combine")
    _, total = stack.pop()
    while stack:
        total = combine(stack.pop()[1], total)
    return total
