"""Limit torch to one thread in each worker, so that workers share the cores."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass


@dataclass(eq=False)
class _Block:
    """Hold torch's number of threads before a block that was entered without torch; None until torch is loaded in it."""

    before: int | None = None


_BLOCKS: list[_Block] = []


@contextmanager
def one_torch_thread_each() -> Iterator[None]:
    """Give torch one thread in each worker, and restore its number at the end.

    Several workers that each call `embed` are faster with one torch thread each than with torch's default of one for every
    core. Enter it before the workers start (a thread that has used torch keeps its number) and after the backbone is loaded
    (which loads torch). Where torch is not loaded, it does nothing unless `limit_loaded_later` is called.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        with _without_torch():
            yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def limit_loaded_later() -> None:
    """Load torch and give it one thread, where a block of `one_torch_thread_each` was entered without it.

    Call it before a network is built within such a block: threads that use torch from then on have one each.
    """
    block = _BLOCKS[-1] if _BLOCKS else None
    if block is None or block.before is not None:
        return
    # What is absent is told by what needs it.
    with suppress(ImportError):
        import torch

        block.before = torch.get_num_threads()
        torch.set_num_threads(1)


@contextmanager
def _without_torch() -> Iterator[None]:
    block = _Block()
    _BLOCKS.append(block)
    try:
        yield
    finally:
        _BLOCKS.remove(block)
        if block.before is not None:
            sys.modules["torch"].set_num_threads(block.before)
