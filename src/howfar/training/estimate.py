"""Say once, after the first steps of a training, how long it and what follows it will take."""

from __future__ import annotations

import time
from typing import Final

import torch

from howfar.numbers import duration
from howfar.progress import tell

FIRST: Final = 1
"""Steps that are not measured: the first prepares what the others need not."""
SECONDS: Final = 2.0
"""Seconds that steps are measured for, at least."""
STEPS: Final = 3
"""Steps that are measured, at least."""


class Estimate:
    """Measure the first steps of a training, and print one line on stderr: what is ahead, and with how many threads.

    `models` is how many trainings like this one are ahead, this one among them. Epochs end with a look at the held-out images,
    which is not measured, so that the line says "at least". A training that ends before so many steps says nothing, nor does
    one of 0 `models`.
    """

    def __init__(self, models: int = 1) -> None:
        self._models = models
        self._ahead = self._done = 0
        self._began: float | None = None
        self._told = False

    def begin(self, ahead: int) -> None:
        """Note how many steps are ahead."""
        self._ahead = ahead

    def step(self) -> None:
        """Count a step; after some, print the line."""
        self._done += 1
        now = time.monotonic()
        if self._done == FIRST:
            self._began = now
        measured = self._done - FIRST
        if self._told or not self._models or self._began is None or measured < STEPS or now - self._began < SECONDS:
            return
        self._told = True
        each = (now - self._began) / measured
        tell(line(each, self._ahead, self._models, torch.get_num_threads()))


def line(each: float, ahead: int, models: int, threads: int) -> str:
    """Write the line of an estimate: seconds a step, steps ahead, trainings like this one, torch's threads.

    Examples
    --------
    >>> line(0.5, 600, 1, 2)
    'training takes at least 5 min 0 s: 600 steps of 0.50 s with 2 threads'
    >>> line(0.5, 600, 4, 1)
    'training takes at least 5 min 0 s: 600 steps of 0.50 s with 1 thread; 4 models like this at least 20 min 0 s'
    """
    shared = f"with {threads} thread{'' if threads == 1 else 's'}"
    own = f"training takes at least {duration(each * ahead)}: {ahead:,} steps of {each:.2f} s {shared}"
    return own if models < 2 else f"{own}; {models} models like this at least {duration(each * ahead * models)}"
