"""A torch network compiled by torch, meant for GPUs: kernels made for one size of batch, checked before they are believed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from howfar.backbones.onnxruntime_engine import CHECKED, Embed, difference, one_line

TOLERANCES: Final[Mapping[torch.dtype, tuple[float, float]]] = {
    torch.float32: (1e-4, 1e-3),
    torch.float16: (5e-3, 5e-2),
    torch.bfloat16: (4e-2, 4e-1),
}
"""How far a feature may be from torch's, by precision: in parts of its length, and a single value in parts of the largest. What
is fused is rounded less often, by half a unit of the type each time."""
_LOG: Final = logging.getLogger("howfar")

Forward = Callable[[NDArray[np.uint8], nn.Module], NDArray[np.float32]]


class Fused:
    """A network that turns pictures, uint8 (b, height, width, 3), into their features (b, q), compiled for one b.

    It is compiled for the size of the first batch, and anew where one of twice as many comes; a shorter one is filled up. The
    first pictures are computed by the network itself too. Where the two differ, or compiling fails, that goes on alone, and a
    line in the log says why.

    Parameters
    ----------
    name
        Of the backbone, for the log.
    whole
        The network with its normalisation: pictures in, features out.
    dtype
        What it computes in.
    """

    def __init__(self, name: str, whole: nn.Module, dtype: torch.dtype) -> None:
        self._name, self._whole, self._dtype = name, whole, dtype
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._made: tuple[Any, int] | None = None
        self._refused = ""

    @property
    def engine(self) -> str:
        """What computes: ``torch.compile`` once it is trusted, ``torch`` where it is not, else ``not yet chosen``."""
        return "torch" if self._refused else "torch.compile" if self._made is not None else "not yet chosen"

    def __call__(self, batch: NDArray[np.uint8], forward: Forward, by_torch: Embed) -> NDArray[np.float32]:
        """Features of a batch.

        Parameters
        ----------
        batch
            Pictures.
        forward
            Runs a module on pictures, on the backbone's device and in its precision.
        by_torch
            Computes what this is checked against, and all where this cannot be had.
        """
        made = self._trusted(batch, forward, by_torch) if len(batch) else None
        if made is not None:
            try:
                return _filled_up(batch, forward, *made)
            # Too little memory is one of what it raises.
            except Exception as error:
                self._refuse(one_line(error))
        return by_torch(batch)

    def __getstate__(self) -> dict[str, Any]:
        """All but what is compiled, which cannot be pickled: elsewhere it is compiled, and checked, again."""
        return {key: self.__dict__[key] for key in ("_name", "_whole", "_dtype")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Begin unchecked."""
        self.__dict__.update(state)
        self._reset()

    def _trusted(self, batch: NDArray[np.uint8], forward: Forward, by_torch: Embed) -> tuple[Any, int] | None:
        """What is compiled, and for how many pictures; None where it cannot be had."""
        with self._lock:
            # A first batch of few would make every later one many small ones.
            if self._refused or (self._made is not None and len(batch) < 2 * self._made[1]):
                return self._made
            expected = by_torch(batch[:CHECKED])
            try:
                made = torch.compile(self._whole, dynamic=False), len(batch)
                found = _filled_up(batch, forward, *made)[:CHECKED]
            # The tracer, the compiler and the card each fail in their own ways.
            except Exception as error:
                self._refuse(one_line(error))
                return None
            fault = difference("torch.compile", found, expected, *TOLERANCES[self._dtype])
            if fault:
                self._refuse(fault)
            else:
                # Only now: what an interrupt leaves behind is not believed.
                self._made = made
            return self._made

    def _refuse(self, fault: str) -> None:
        if not self._refused:
            _LOG.warning("%s is run by torch without compiling, which may be slower: %s", self._name, fault)
        self._refused, self._made = fault, None


def _filled_up(batch: NDArray[np.uint8], forward: Forward, compiled: Any, size: int) -> NDArray[np.float32]:
    """In pieces of the size that it is compiled for, the last one filled up."""
    pieces = []
    for start in range(0, len(batch), size):
        piece = batch[start : start + size]
        blank = np.zeros((size - len(piece), *piece.shape[1:]), np.uint8)
        pieces.append(forward(np.concatenate([piece, blank]) if len(blank) else piece, compiled)[: len(piece)])
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def on_device(pixels: NDArray[np.uint8], device: torch.device) -> Tensor:
    """Pictures copied to the device, from pinned memory where that is a GPU."""
    # torch.tensor copies, so a batch that is read-only or is used again is safe.
    held = torch.tensor(pixels)
    if device.type == "cuda":
        held = held.pin_memory()
    return held.to(device, non_blocking=True)
