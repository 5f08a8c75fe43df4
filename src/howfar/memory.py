"""Limit the memory of howfar's arrays: compute how many rows fit a budget at a time, and measure a process's peak.

The budget, above what the interpreter, its libraries and the network take, is set around a block of code, as numpy's error
handling is. It changes no result, so it is no argument of any function.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Final, NamedTuple

from howfar.errors import InputError

UNITS = {"": 1, "b": 1} | {
    f"{letter}{ending}": (1024 if ending == "ib" else 1000) ** power
    for power, letter in enumerate("kmgt", start=1)
    for ending in ("", "b", "ib")
}
SLACK = 28 << 20
"""Bytes that are always held: a piece of a mapped shard, tables, the allocator's own."""
FILE_BYTES: Final = 2 << 30
"""Bytes that one file of the user's, or the pictures that are decoded at a time, may take without a budget."""
FILE_RATIO: Final = 16
"""How many times its own size a file may take without a budget, where that is more."""
FILE_VARIABLE: Final = "HOWFAR_MEMORY"
"""Environment variable that says what a file may take where there is no budget, for commands without ``--memory``."""


class Budget(NamedTuple):
    """Hold a memory budget in bytes: total (a process's part where `parts` is above 1), reserved for results, and requested."""

    total: int
    reserved: int
    requested: int
    parts: int = 1

    def part(self, parts: int) -> Budget:
        """Return the budget of one of several processes on a machine."""
        return Budget(max(1, (self.total - self.reserved) // parts), 0, self.requested, parts)


_set: ContextVar[Budget | None] = ContextVar("howfar-memory", default=None)
# Threads that work for the block do not know its context.
_entered: list[Budget] = []
_steps: ContextVar[list[tuple[Budget, int, str, str]] | None] = ContextVar("howfar-memory-plan", default=None)


def parse_size(size: str | int, name: str = "memory") -> int:
    """Convert a size such as 512MB, 2G, 1.5GiB or 2000000000 to bytes; raise `InputError`, about `name`, for any other."""
    match = re.fullmatch(r"([0-9]{1,18}(?:\.[0-9]{1,18})?)\s*([a-z]*)", str(size).strip().lower())
    if not match or match[2] not in UNITS or not (count := int(float(match[1]) * UNITS[match[2]])):
        raise InputError.of(name, "must be a size", size, "write 512MB, 2GB, 1.5GiB, or bytes")
    return count


@contextmanager
def within(size: str | int | Budget | None) -> Iterator[None]:
    """Limit the block's arrays to a size or budget (None: no limit); raise `InputError` for an invalid size."""
    if size is not None and not isinstance(size, Budget):
        count = parse_size(size)
        size = Budget(count, 0, count)
    token = _set.set(size)
    _entered.extend([size] if size else [])
    try:
        yield
    finally:
        _set.reset(token)
        if size:
            _entered.remove(size)


def is_set() -> bool:
    """Return whether a budget is set."""
    return _set.get() is not None


def budget(parts: int = 1) -> Budget | None:
    """Return the current budget, or one of several processes' part of it; None without a budget."""
    current = _set.get()
    return current if current is None or parts == 1 else current.part(parts)


@contextmanager
def beside(reserved: int) -> Iterator[None]:
    """Reserve bytes of the budget for results that are kept until the block ends."""
    whole = _set.get()
    token = _set.set(None if whole is None else whole._replace(reserved=whole.reserved + reserved))
    try:
        yield
    finally:
        _set.reset(token)


def at_a_time(usual: int, each: int, held: int, what: str, remedy: str = "take fewer images with limit") -> int:
    """Compute how many rows, columns or draws to take at a time within the budget, at most `usual`.

    `each` are the bytes of one row, column or draw, `held` those that are held beside them; `what` names what is held and
    `remedy` what helps beside a larger budget, for the `InputError` where not even one of them fits.
    """
    whole = _set.get()
    if whole is None:
        return usual
    needed = SLACK + whole.reserved + held + each
    if needed <= whole.total:
        return min(usual, 1 + (whole.total - needed) // max(1, each))
    steps = _steps.get()
    if steps is None:
        raise _too_little(whole, needed, what, remedy)
    steps.append((whole, needed, what, remedy))
    return 1


def file_limit(size: int = 0) -> int:
    """Return how many bytes a file may take: the budget, else ``HOWFAR_MEMORY``, else 2 GiB or 16 times its size if larger."""
    whole = _set.get() or (_entered[-1] if _entered else None)
    if whole is not None:
        return max(1, whole.total - whole.reserved)
    return by_variable() or max(FILE_BYTES, FILE_RATIO * size)


def by_variable() -> int | None:
    """Return the size in the environment variable ``HOWFAR_MEMORY``, None if unset; raise `InputError`, which names it."""
    given = os.environ.get(FILE_VARIABLE)
    return parse_size(given, FILE_VARIABLE) if given else None


def check_file(needed: int, file: object, size: int = 0) -> None:
    """Raise `InputError` for a file of `size` bytes that needs more memory, as its header tells, than `file_limit` allows."""
    remedy = "if the file is to be trusted give more (--memory {0}MB; {1}={0}MB where there is no such option)"
    _check(needed, file_limit(size), f"to read {file}", remedy)


def check_held(needed: int, what: str, remedy: str) -> None:
    """Raise `InputError`, before they are made, for arrays that need more memory than `file_limit` allows."""
    _check(needed, file_limit(), f"for {what}", remedy + ", or give more ({1}={0}MB)")


def _check(needed: int, limit: int, purpose: str, remedy: str) -> None:
    if needed > limit:
        megabytes = -(-needed // 10**6)
        rule, more = f"must be at least {megabytes:,} MB {purpose}", remedy.format(megabytes, FILE_VARIABLE)
        raise InputError.of("memory", rule, f"{limit // 10**6:,} MB", more)


@contextmanager
def plan() -> Iterator[None]:
    """Check all steps of the block against the budget; the outermost such block raises `InputError` for the largest."""
    steps: list[tuple[Budget, int, str, str]] = []
    token = _steps.set(steps) if _steps.get() is None else None
    try:
        yield
    finally:
        if token is not None:
            _steps.reset(token)
    if steps:
        raise _too_little(*max(steps, key=lambda step: _least(*step[:2])))


def _least(whole: Budget, needed: int) -> int:
    """Return the least budget of the user's with which each of several processes gets what it needs."""
    return needed if whole.parts == 1 else whole.requested - whole.parts * (whole.total - needed)


def _too_little(whole: Budget, needed: int, what: str, remedy: str) -> InputError:
    at_once = f", {whole.parts} tasks at a time" if whole.parts > 1 else ""
    rule = f"must be at least {-(-_least(whole, needed) // 10**6):,} MB for {what}{at_once}"
    fewer = "have fewer workers, or " if whole.parts > 1 else ""
    return InputError.of("memory", rule, f"{whole.requested // 10**6:,} MB", f"give more, or {fewer}{remedy}")


def peak_mib() -> float:
    """Measure this process's peak memory in MiB, on Linux alone; `getrusage` would include the parent's from before."""
    return int(Path("/proc/self/status").read_text(encoding="ascii").partition("VmHWM:")[2].split()[0]) / 1024
