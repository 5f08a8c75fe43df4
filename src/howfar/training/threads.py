"""Give a training that goes on as many threads as it had before it was killed, since sums of other shares end otherwise."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import torch

from howfar.cores import LIMIT, available_cores

ENTRY: Final = "threads"
"""The entry of a kept state, and of a checkpoint's data, that says how many threads torch had."""


@contextmanager
def threads_of(state: Path) -> Iterator[None]:
    """Give torch the threads that the kept state of a training was computed with, and restore its number at the end.

    What the user chose stands: ``OMP_NUM_THREADS``, or a number other than torch's own of one for each core, as by
    ``torch.set_num_threads``. Nothing changes where there is no state, or one of an earlier version.
    """
    before = torch.get_num_threads()
    kept = None if os.environ.get(LIMIT) or before != available_cores() else _kept(state)
    if kept is None or kept == before:
        yield
        return
    torch.set_num_threads(kept)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _kept(state: Path) -> int | None:
    """Read from a kept state how many threads it was computed with; None where it does not say."""
    if not state.is_file():
        return None
    try:
        found = torch.load(state, map_location="cpu", weights_only=True, mmap=True).get(ENTRY)
    except (OSError, RuntimeError, ValueError, AttributeError, pickle.UnpicklingError):
        # Lightning reads it again, and says what is wrong with it.
        return None
    return found if isinstance(found, int) and found > 0 else None
