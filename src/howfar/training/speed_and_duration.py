"""Speed up a training (threads, float32 depthwise layers, cached encoder features), and estimate its duration."""

import os
import pickle
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from howfar.cores import LIMIT as THREAD_LIMIT
from howfar.cores import available_cores
from howfar.memory import budget
from howfar.progress import tell
from howfar.text_formatting import duration
from howfar.training.image_mask_pairs import Pairs

ENTRY: Final = "threads"  # the entry of a kept state, and of a checkpoint's data, that says how many threads torch had


@contextmanager
def threads_of(state: Path) -> Iterator[None]:
    """Set torch's thread count to that of a saved training state within the block, and restore it afterwards.

    A number that the user chose stands: ``OMP_NUM_THREADS``, or one other than torch's default of one for each core.
    """
    before = kept = torch.get_num_threads()
    if not os.environ.get(THREAD_LIMIT) and before == available_cores() and state.is_file():
        # Lightning reads a damaged state again, and says what is wrong with it.
        with suppress(OSError, RuntimeError, ValueError, AttributeError, pickle.UnpicklingError):
            found = torch.load(state, map_location="cpu", weights_only=True, mmap=True).get(ENTRY)
            kept = found if isinstance(found, int) and found > 0 else before
    if kept == before:
        yield
        return
    torch.set_num_threads(kept)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def depthwise_in_float32(network: nn.Module) -> Iterator[None]:
    """Run a network's depthwise convolutions in float32 within the block.

    In bfloat16 their gradient takes 3 to 6 times as long on a CPU, and so a step of UNet++ 1.2 times as long
    (``benchmarks/training_step.py``).
    """
    convolutions = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    layers: list[Any] = [layer for layer in convolutions if layer.groups == layer.in_channels > 1]
    for layer in layers:
        layer.forward = partial(_in_float32, layer.forward)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward  # the class's own is found again


def _in_float32(forward: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    with torch.autocast(x.device.type, enabled=False):
        return forward(x.float())


LIMIT: Final = 2 << 30  # bytes that features may take where there is no budget


@contextmanager
def keeping_features(network: Any, images: Sequence[Pairs]) -> Iterator[None]:
    """Cache encoder features within the block, if `network` supports it, in the memory left by the images (default 2 GiB)."""
    keeping = getattr(network, "keeping_features", None)
    if keeping is None:
        yield
        return
    whole, held = budget(), sum(pairs.pictures.nbytes + pairs.masks.nbytes for pairs in images)
    with keeping(LIMIT if whole is None else max(0, whole.total - whole.reserved - held)):
        yield


FIRST: Final = 1  # steps that are not measured: the first prepares what the others need not
SECONDS: Final = 2.0  # seconds that steps are measured for, at least
STEPS: Final = 3  # steps that are measured, at least


class TrainingEstimate:
    """Time a training's first steps, and print one line on stderr with the expected duration and the thread count.

    `models` is how many trainings like this one are ahead, this one among them; 0 prints nothing.
    """

    def __init__(self, models: int = 1) -> None:
        self._models, self._ahead = models, 0
        self._times: list[float] = []

    def begin(self, ahead: int) -> None:
        """Set the number of steps ahead."""
        self._ahead = ahead

    def step(self) -> None:
        """Count a step; print the line once enough steps are timed."""
        if not self._models:
            return
        self._times.append(time.monotonic())
        measured, seconds = len(self._times) - FIRST, self._times[-1] - self._times[FIRST - 1]
        if measured >= STEPS and seconds >= SECONDS:
            each, threads, models = seconds / measured, torch.get_num_threads(), self._models
            steps = f"{self._ahead:,} steps of {each:.2f} s with {threads} thread{'' if threads == 1 else 's'}"
            own = f"training takes at least {duration(each * self._ahead)}: {steps}"
            tell(own if models < 2 else f"{own}; {models} models like this at least {duration(each * self._ahead * models)}")
            self._models = 0
