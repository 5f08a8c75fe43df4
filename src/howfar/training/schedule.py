"""Schedules by name: the learning rate over a training, as a share of its highest."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

from howfar import registry

Schedule: TypeAlias = Callable[[float], float]

WARM_UP = 0.05


def named(name: str) -> Schedule:
    """Return the schedule that is registered as `name`: share of the training that is done, 0-1 -> share of the rate, 0-1.

    Raises
    ------
    UnknownNameError
        No such schedule; the line lists the known ones.

    Examples
    --------
    >>> named("constant")(0.7)
    1.0
    """
    schedule: Schedule = registry.load("schedules", name)
    return schedule


def constant(done: float) -> float:
    """The highest rate throughout.

    Examples
    --------
    >>> constant(0.3)
    1.0
    """
    return 1.0


def cosine(done: float) -> float:
    """Linear rise over the first 5 %, then half a cosine down to 0 (Loshchilov & Hutter, "SGDR", ICLR 2017).

    Examples
    --------
    >>> [round(cosine(done), 3) for done in (0.0, 0.05, 0.525, 1.0)]
    [0.01, 1.0, 0.5, 0.0]
    """
    if done < WARM_UP:
        return max(done / WARM_UP, 0.01)
    return 0.5 * (1.0 + math.cos(math.pi * (done - WARM_UP) / (1.0 - WARM_UP)))


def poly(done: float) -> float:
    """(1 − done)^0.9, as the DeepLab papers anneal (Chen et al., TPAMI 2018).

    Examples
    --------
    >>> round(poly(0.5), 3), poly(1.0)
    (0.536, 0.0)
    """
    return float(max(1.0 - done, 0.0) ** 0.9)


def step(done: float) -> float:
    """A tenth of the rate from 60 % on, a hundredth from 85 %.

    Examples
    --------
    >>> step(0.5), step(0.6), step(0.9)
    (1.0, 0.1, 0.01)
    """
    return 1.0 if done < 0.6 else 0.1 if done < 0.85 else 0.01
