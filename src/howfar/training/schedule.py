"""Compute learning-rate schedules by name: the rate over a training, as a share of its highest."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

from howfar import registry

Schedule: TypeAlias = Callable[[float], float]

WARM_UP = 0.05


def named(name: str) -> Schedule:
    """Return the schedule that is registered as `name`, from the share of the training done to the share of the rate, each 0-1.

    An unknown name raises `UnknownNameError`, which lists the known ones.
    """
    schedule: Schedule = registry.load("schedules", name)
    return schedule


def constant(done: float) -> float:
    """Keep the highest rate throughout."""
    return 1.0


def cosine(done: float) -> float:
    """Raise the rate linearly over the first 5 %, then lower it by half a cosine to 0 (Loshchilov & Hutter, "SGDR", ICLR 2017).

    Examples
    --------
    >>> [round(cosine(done), 3) for done in (0.0, 0.05, 0.525, 1.0)]
    [0.01, 1.0, 0.5, 0.0]
    """
    if done < WARM_UP:
        return max(done / WARM_UP, 0.01)
    return 0.5 * (1.0 + math.cos(math.pi * (done - WARM_UP) / (1.0 - WARM_UP)))


def poly(done: float) -> float:
    """Lower the rate polynomially, (1 − done)^0.9, as the DeepLab papers do (Chen et al., TPAMI 2018).

    Examples
    --------
    >>> round(poly(0.5), 3), poly(1.0)
    (0.536, 0.0)
    """
    return float(max(1.0 - done, 0.0) ** 0.9)


def step(done: float) -> float:
    """Lower the rate to a tenth from 60 % on, and to a hundredth from 85 %.

    Examples
    --------
    >>> step(0.5), step(0.6), step(0.9)
    (1.0, 0.1, 0.01)
    """
    return 1.0 if done < 0.6 else 0.1 if done < 0.85 else 0.01
