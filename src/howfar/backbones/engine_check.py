"""Compare a faster engine's features with torch's before they are used, and fall back to torch where they differ."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from torch import nn

CHECKED: Final = 4
"""Images of the first batch that both torch and the engine compute."""
_LOG: Final = logging.getLogger("howfar")

Embed = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


class CheckedEngine:
    """Keep whether an engine's features agreed with torch's, and the reason where torch runs the network instead.

    The backbone's `name` is for the log; `network` turns images into features, its normalisation included.
    """

    label: ClassVar[str]
    fallback: ClassVar[str]

    def __init__(self, name: str, network: nn.Module) -> None:
        self._name, self._network = name, network
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._ready: Any = None
        self._fault = ""

    @property
    def engine(self) -> str:
        """Name what computes: the engine once its features agreed, ``torch`` where they did not, else ``not yet chosen``."""
        return "torch" if self._fault else self.label if self._ready is not None else "not yet chosen"

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the lock and what is compiled, which cannot be pickled: the receiver compiles and checks again."""
        return {key: value for key, value in self.__dict__.items() if key not in ("_lock", "_ready", "_fault")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Begin unchecked."""
        self.__dict__.update(state)
        self._reset()

    def _refuse(self, fault: str) -> None:
        if not self._fault:
            _LOG.warning("%s is run by torch %s: %s", self._name, self.fallback, fault)
        self._fault, self._ready = fault, None


def disagreement(
    engine: str, features: NDArray[np.float32], expected: NDArray[np.float32], tolerance: float, largest: float
) -> str:
    """Describe how an engine's features (b, q) differ from torch's; empty where they differ by no more than rounding.

    A feature may be off by `tolerance`, as a share of its Euclidean length, and a single value by `largest`, as a share of the
    feature's largest.
    """
    if features.shape != expected.shape:
        return f"{engine} gives features of shape {features.shape}, torch of {expected.shape}"
    gap = np.abs(features.astype(np.float64) - expected)
    length, most = np.linalg.norm(expected, axis=1), np.abs(expected).max(axis=1, initial=0)
    # Written so that NaN counts as disagreement.
    agree = (np.linalg.norm(gap, axis=1) <= tolerance * length) & (gap.max(axis=1, initial=0) <= largest * most)
    if agree.all():
        return ""
    return f"{engine}'s features differ from torch's by up to {gap.max():.2g}; the largest value is {most.max():.2g}"
