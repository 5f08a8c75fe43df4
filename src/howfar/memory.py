"""A budget of memory: what howfar's own arrays may take at a time, above the interpreter, its libraries and the network.

Those who hold arrays say what they cannot do without, and are told how much to take at a time. The budget is not passed from
call to call but set around the work, as numpy's error handling is: it changes no result, so it is no argument of any of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from howfar.errors import InputError

UNITS = {"": 1, "b": 1} | {
    f"{letter}{ending}": (1024 if ending == "ib" else 1000) ** power
    for power, letter in enumerate("kmgt", start=1)
    for ending in ("", "b", "ib")
}
SLACK = 28 << 20
"""Held whatever is done: a piece of a mapped shard, tables, the allocator's own."""
_set: ContextVar[tuple[int, int, str] | None] = ContextVar("howfar-memory", default=None)
_steps: ContextVar[list[tuple[str, int, str, str]] | None] = ContextVar("howfar-memory-plan", default=None)


def parse_size(size: str | int) -> int:
    """Bytes of a size as people write it: 512MB, 2G, 1.5GiB, 2000000000.

    Raises
    ------
    InputError
        It is not of that form, or not above 0.

    Examples
    --------
    >>> parse_size("512MB"), parse_size("2g"), parse_size("1.5 GiB"), parse_size(4096)
    (512000000, 2000000000, 1610612736, 4096)
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", str(size).strip().lower())
    if not found or found[2] not in UNITS or not (count := int(float(found[1]) * UNITS[found[2]])):
        raise InputError.of("memory", "must be a size", size, "write 512MB, 2GB, 1.5GiB, or bytes")
    return count


@contextmanager
def within(size: str | int | None, among: int = 1) -> Iterator[None]:
    """Keep the arrays of the work inside below a size; None sets no bound.

    Parameters
    ----------
    size
        The budget, as `parse_size`.
    among
        Processes at work at once on one machine, of which this one has an equal part.

    Raises
    ------
    InputError
        As `parse_size`.

    Examples
    --------
    >>> with within("100MB"):
    ...     at_a_time(1000, each=10**6, held=10 * 2**20, what="rows"), at_a_time(3, each=10**6, held=0, what="rows")
    (60, 3)
    """
    token = _set.set(None if size is None else _part(parse_size(size), among))
    try:
        yield
    finally:
        _set.reset(token)


def is_set() -> bool:
    """Whether there is a budget.

    Examples
    --------
    >>> with within("100MB"):
    ...     is_set()
    True
    """
    return _set.get() is not None


def left() -> int | None:
    """Bytes of the budget that are not left to results; None without one.

    Examples
    --------
    >>> with within("100MB"), beside(60 * 10**6):
    ...     left()
    40000000
    """
    budget = _set.get()
    return None if budget is None else max(1, budget[0] - budget[1])


@contextmanager
def beside(kept: int) -> Iterator[None]:
    """Leave that many bytes of the budget to results that are kept while the work inside goes on.

    Examples
    --------
    >>> with within("100MB"), beside(60 * 10**6):
    ...     at_a_time(1000, each=10**6, held=0, what="rows")
    10
    """
    budget = _set.get()
    token = _set.set(None if budget is None else (budget[0], budget[1] + kept, budget[2]))
    try:
        yield
    finally:
        _set.reset(token)


def at_a_time(usual: int, each: int, held: int, what: str, remedy: str = "take fewer images with limit") -> int:
    """How many rows, columns or draws to take at a time: as is usual, or fewer where a budget asks for it.

    Parameters
    ----------
    usual
        How many without a budget.
    each
        Bytes that one takes.
    held
        Bytes that the work holds beside them.
    what
        What is held, for the error line.
    remedy
        What helps beside a larger budget.

    Raises
    ------
    InputError
        Not even one of them fits.

    Examples
    --------
    >>> at_a_time(1000, each=10**6, held=10**9, what="the scores")
    1000
    >>> with within("100MB"):
    ...     at_a_time(1000, each=1, held=10**9, what="the scores", remedy="less")
    Traceback (most recent call last):
    howfar.errors.InputError: memory must be at least 1,030 MB for the scores, got '100 MB': give more, or less
    """
    budget = _set.get()
    if budget is None:
        return usual
    total, kept, said = budget
    needed = SLACK + kept + held + each
    if needed <= total:
        return min(usual, 1 + (total - needed) // max(1, each))
    steps = _steps.get()
    if steps is None:
        raise _too_little(said, needed, what, remedy)
    steps.append((said, needed, what, remedy))
    return 1


@contextmanager
def plan() -> Iterator[None]:
    """Ask for every step of some work inside: what takes the most is refused at the end, not what comes first.

    Raises
    ------
    InputError
        As `at_a_time`, of the step that needs the most.

    Examples
    --------
    >>> with within("100MB"), plan():
    ...     for held in (2, 3, 1):
    ...         _ = at_a_time(10, each=1, held=held * 10**8, what=f"step {held}", remedy="less")
    Traceback (most recent call last):
    howfar.errors.InputError: memory must be at least 330 MB for step 3, got '100 MB': give more, or less
    """
    steps: list[tuple[str, int, str, str]] = []
    token = _steps.set(steps)
    try:
        yield
    finally:
        _steps.reset(token)
    if steps:
        raise _too_little(*max(steps, key=lambda step: step[1]))


def _part(total: int, among: int) -> tuple[int, int, str]:
    said = f"{total // 10**6:,} MB"
    return (total, 0, said) if among == 1 else (max(1, total // among), 0, f"{said} for {among} tasks at a time")


def _too_little(said: str, needed: int, what: str, remedy: str) -> InputError:
    rule = f"must be at least {-(-needed // 10**6):,} MB for {what}"
    return InputError.of("memory", rule, said, f"give more, or {remedy}")
