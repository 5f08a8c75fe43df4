"""Limit torch to one thread in each worker, so that workers share the cores."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_torch_thread_each() -> Iterator[None]:
    """Give torch one thread in each worker, and restore its number at the end; does nothing where torch is not loaded.

    Several workers that each call `embed` are faster with one torch thread each than with torch's default of one for every
    core. Enter it before the workers start (a thread that has used torch keeps its number) and after the backbone is loaded
    (which loads torch).
    """
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
