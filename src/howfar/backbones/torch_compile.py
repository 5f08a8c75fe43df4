"""Run a torch backbone through torch.compile, for GPUs, after checking that its features match."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from howfar.backbones.engine_check import CHECKED, CheckedEngine, Embed, disagreement
from howfar.errors import one_line

TOLERANCES: Final[Mapping[torch.dtype, tuple[float, float]]] = {
    torch.float32: (1e-4, 1e-3),
    torch.float16: (5e-3, 5e-2),
    torch.bfloat16: (4e-2, 4e-1),
}
"""How far a feature may be from torch's, by precision: as a share of its length, and a single value as a share of the largest.
Fused kernels round less often, by half a unit of the type each time."""

Forward = Callable[[NDArray[np.uint8], nn.Module], NDArray[np.float32]]


class TorchCompileEngine(CheckedEngine):
    """Run a network that turns images, uint8 (b, height, width, 3), into features (b, q), compiled for one batch size b.

    It is compiled for the size of the first batch, and again when a batch of at least twice as many comes; a shorter batch is
    padded. The first images are computed by the uncompiled network too. Where the two differ, or compiling fails, torch goes
    on uncompiled, and a line in the log says why.
    """

    label = "torch.compile"
    fallback = "without compiling, which may be slower"
    _ready: tuple[Any, int] | None

    def __init__(self, name: str, network: nn.Module, dtype: torch.dtype) -> None:
        super().__init__(name, network)
        self._dtype = dtype

    def __call__(self, batch: NDArray[np.uint8], forward: Forward, by_torch: Embed) -> NDArray[np.float32]:
        """Compute the features of a batch of images.

        `forward` runs a module on images, on the backbone's device and in its precision; `by_torch` computes the features that
        compiled ones are checked against, and all of them where compiling fails.
        """
        compiled = self._checked(batch, forward, by_torch) if len(batch) else None
        if compiled is not None:
            try:
                return _in_pieces(batch, forward, *compiled)
            # Too little memory is among what it raises.
            except Exception as error:
                self._refuse(one_line(error, 200))
        return by_torch(batch)

    def _checked(self, batch: NDArray[np.uint8], forward: Forward, by_torch: Embed) -> tuple[Any, int] | None:
        """Give the compiled network and its batch size; None where it cannot be used."""
        with self._lock:
            # A small first batch would split every later one into many small pieces.
            if self._fault or (self._ready is not None and len(batch) < 2 * self._ready[1]):
                return self._ready
            expected = by_torch(batch[:CHECKED])
            try:
                compiled = torch.compile(self._network, dynamic=False), len(batch)
                features = _in_pieces(batch, forward, *compiled)[:CHECKED]
            # The tracer, the compiler and the GPU each fail in their own ways.
            except Exception as error:
                self._refuse(one_line(error, 200))
                return None
            fault = disagreement(self.label, features, expected, *TOLERANCES[self._dtype])
            if fault:
                self._refuse(fault)
            else:
                # Set only after the check, so that an interrupt leaves nothing unchecked behind.
                self._ready = compiled
            return self._ready


def _in_pieces(batch: NDArray[np.uint8], forward: Forward, compiled: Any, size: int) -> NDArray[np.float32]:
    """Run a batch in pieces of the size that the network is compiled for, the last one padded."""
    pieces = []
    for start in range(0, len(batch), size):
        piece = batch[start : start + size]
        blank = np.zeros((size - len(piece), *piece.shape[1:]), np.uint8)
        pieces.append(forward(np.concatenate([piece, blank]) if len(blank) else piece, compiled)[: len(piece)])
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def on_device(pixels: NDArray[np.uint8], device: torch.device) -> Tensor:
    """Copy images to the device, through pinned memory where that is a GPU."""
    # torch.tensor copies, so a batch that is read-only or is used again is safe.
    tensor = torch.tensor(pixels)
    if device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)
