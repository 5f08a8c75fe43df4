"""Define `TorchBackbone`, which computes features by a frozen torch network in batches that fit the memory of its device.

Where it is faster, onnxruntime or torch.compile runs the network, after a check that its features are the same.
"""

import copy
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from howfar.backbones.backbone_family import Options
from howfar.backbones.inference_engines import OnnxruntimeEngine, PixelsToFeatures, TorchCompileEngine
from howfar.backbones.preprocessing import Preprocess, ResizingBackbone
from howfar.errors import HowfarError, InputError, one_line, option
from howfar.segmenters.input_normalisation import Normalise
from howfar.weights.state_dicts import computing_in, dtype_of, hash_state_dict


def on_device(pixels: NDArray[np.uint8], device: torch.device) -> Tensor:
    """Copy images to the device, through pinned memory for a GPU."""
    # torch.tensor copies, so a batch that is read-only or is used again is safe.
    tensor = torch.tensor(pixels)
    if device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


_CUDA = threading.Lock()
BATCH: Final = 16  # images in a batch on a CPU
_LARGEST_BATCH: Final = 256
_TRIAL_BATCH: Final = 5
_FEATURE_BYTES: Final = 1 << 28  # bytes of features that a batch may have


@dataclass(frozen=True)
class Feature:
    """Define which part of a network is the feature, with the names of layers and pooling for the identity.

    `maps`, (network, input (b, 3, h, w)) -> one tensor (b, ...) for each layer, is a module-level function, so it can be
    pickled.
    """

    maps: Callable[[nn.Module, Tensor], Sequence[Tensor]]
    layer: str
    pooling: str


class TorchBackbone(ResizingBackbone):
    """Compute features (F of the paper, eq. 1) by a torch network: normalise, run, flatten each layer in C order, concatenate.

    The network is put in evaluation mode, frozen and moved to the device, in place. It runs in float32 (without TF32 on CUDA),
    so that a feature depends neither on the device nor on its batch beyond rounding. `model` is the architecture's own name,
    `kind` the name in the identity where `name` holds a path, which does not change the feature. `mean` and `std` are of each
    channel on the scale 0-1; of `options` count device, engine and precision. Precision ``bf16`` or ``fp16`` is torch's mixed
    precision: another feature, with an identity of its own.
    """

    def __init__(
        self,
        *,
        name: str,
        model: str,
        network: nn.Module,
        feature: Feature,
        preprocess: Preprocess,
        mean: Sequence[float],
        std: Sequence[float],
        options: Options,
        kind: str | None = None,
    ) -> None:
        self.name = name
        self._device = resolve_device(options.device)
        self._dtype = dtype_of(options.precision, self._device)
        self._preprocess = preprocess
        self.network = network.float().eval()
        for parameter in self.network.parameters():  # one by one, since a module of TorchScript has no requires_grad_
            parameter.requires_grad_(False)
        self.identity: Mapping[str, Any] = {
            "name": kind or name,
            "model": model,
            "weights": hash_state_dict(self.network.state_dict()),
            "layer": feature.layer,
            "pooling": feature.pooling,
            "preprocessing": {**preprocess.describe(), "mean": [float(x) for x in mean], "std": [float(x) for x in std]},
            "dtype": str(self._dtype).removeprefix("torch."),
        }
        # Channels last is the faster layout for convolutions on a CPU (a mapping, since torch's stubs lack memory_format).
        layout: dict[str, Any] = {"memory_format": torch.channels_last}
        self.network = _moved(self.network, self._device, name).to(**layout)
        self._pixels = PixelsToFeatures(self.network, feature.maps, Normalise(mean, std)).eval().to(self._device)
        self._most = _LARGEST_BATCH
        self.busy = 0.0 if self._device.type == "cuda" else None
        """Seconds that its GPU has computed, or copied for it; None on a CPU."""
        # Networks do not declare how long each part of their feature is in any common way; a trial run tells.
        blank = np.zeros((1, *preprocess.size, self.channels), dtype=np.uint8)
        try:
            with torch.inference_mode(), _exact(self._device), computing_in(self._dtype, self._device):
                maps = self._pixels.layers(on_device(blank, self._device))
        except HowfarError:
            raise
        # Each network has its own error for an input that it cannot take.
        except Exception as error:
            if isinstance(error, (RuntimeError, MemoryError)) and _out_of_memory(error):
                raise self._too_large() from error
            height, width = preprocess.size
            raise InputError(f"{name} cannot take pictures of {height}×{width} ({one_line(error)})") from error
        if not all(isinstance(tensor, Tensor) for tensor in maps):
            raise InputError.of(f"the feature of {name}", "must be tensors", [type(tensor).__name__ for tensor in maps])
        self.layers = tuple(tensor[0].numel() for tensor in maps)
        self.batch_size = BATCH if self._device.type != "cuda" else self._fitting()
        self._engine = options.engine
        self._compiled = self._make_engine()

    @property
    def engine(self) -> str:
        """Return the engine: ``torch``, ``onnxruntime``, ``torch.compile``, or ``not yet chosen`` before the first batch."""
        return "torch" if self._compiled is None else self._compiled.engine

    def _make_engine(self) -> OnnxruntimeEngine | TorchCompileEngine | None:
        """Make the engine that runs the network on its device; None for plain torch."""
        if self._engine == "compile":
            return TorchCompileEngine(self.name, self._pixels, self._dtype, self._forward)
        if self._engine == "auto" and self._dtype is torch.float32 and self._device.type == "cpu":
            return OnnxruntimeEngine(self.name, self._pixels, self._preprocess.size, self.identity)
        return None

    def on(self, device: str) -> Self:
        """Move the network to another device, and return a backbone that runs it there."""
        moved = copy.copy(self)
        moved._device = resolve_device(device)
        moved.network = _moved(self.network, moved._device, self.name)
        moved._pixels = (
            PixelsToFeatures(moved.network, self._pixels.maps, copy.deepcopy(self._pixels.normalise)).eval().to(moved._device)
        )
        moved._compiled = moved._make_engine()
        return moved

    def embed(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        """Turn (b, height, width, c) uint8 into (b, q) float32; another shape or type raises `InputError`."""
        self._preprocess.check_batch(batch)
        return self._by_torch(batch) if self._compiled is None else self._compiled(batch, self._by_torch)

    def _by_torch(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        pieces = [batch[i : i + self._most] for i in range(0, len(batch), self._most)]
        if len(pieces) > 1:
            return np.concatenate([self._by_torch(piece) for piece in pieces])
        try:
            return self._forward(batch)
        except (RuntimeError, MemoryError) as error:
            if not _out_of_memory(error):
                raise
            if len(batch) <= 1:
                raise self._too_large() from error
        # Outside the handler, so that the failed batch's memory is free by now.
        self._most = max(1, min(self._most, len(batch) // 2))
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        return self._by_torch(batch)

    def _too_large(self) -> HowfarError:
        height, width = self._preprocess.size
        return HowfarError(
            f"{self.name} needs more memory than {self._device} has for one picture of {height}×{width}: "
            "choose a smaller model, fewer workers, or another device"
        )

    def _forward(self, batch: NDArray[Any], compiled: nn.Module | None = None) -> NDArray[np.float32]:
        with torch.inference_mode(), _exact(self._device), computing_in(self._dtype, self._device):
            start = time.perf_counter()
            run = self._pixels if compiled is None else compiled
            features = np.ascontiguousarray(run(on_device(batch, self._device)).cpu().numpy())
            if self._device.type == "cuda":
                # Threads take turns on the GPU (`_exact`), so seconds do not overlap.
                self.busy = (self.busy or 0.0) + time.perf_counter() - start
        if self._dtype is torch.float16 and not np.isfinite(features).all():
            remedy = f"pass {option('precision', 'bf16')} or '32'"
            raise HowfarError(f"features of {self.name} are beyond what fp16 holds (65,504): {remedy}")
        return features

    def _fitting(self) -> int:
        """Estimate the batch size that fits half of the GPU's free memory, from the memory of one image and of a few."""
        peaks = []
        for count in (1, _TRIAL_BATCH):
            torch.cuda.reset_peak_memory_stats(self._device)
            self._by_torch(np.zeros((count, *self._preprocess.size, self.channels), dtype=np.uint8))
            peaks.append(torch.cuda.max_memory_allocated(self._device))
        torch.cuda.empty_cache()
        free, image_bytes = torch.cuda.mem_get_info(self._device)[0], (peaks[1] - peaks[0]) / (_TRIAL_BATCH - 1)
        fitting = free / 2 / image_bytes if image_bytes > 0 else math.inf
        power_of_two = 1 << int(math.log2(min(max(fitting, 1), _LARGEST_BATCH)))
        # Features go to the host, where each worker holds a batch of them.
        return max(1, min(power_of_two, _FEATURE_BYTES // (4 * sum(self.layers))))


def _moved(network: nn.Module, device: torch.device, name: str) -> nn.Module:
    try:
        return network.to(device)
    except RuntimeError as error:
        if not _out_of_memory(error):
            raise
        raise HowfarError(f"{name} does not fit the memory of {device}: choose a smaller model, or another device") from error


def _out_of_memory(error: Exception) -> bool:
    # torch has an error class only for some devices, and raises it only in some cases.
    phrases = ("out of memory", "can't allocate memory", "not enough memory", "alloc_failed")
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or any(words in str(error).lower() for words in phrases)


def resolve_device(name: str) -> torch.device:
    """Return the torch device for `name`; ``auto`` means CUDA if available, otherwise the CPU."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError.of("device", "must be auto, cpu, cuda, cuda:N or mps", name) from error
    counts = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if device.type not in counts:
        raise InputError.of("device", "must be auto, cpu, cuda, cuda:N or mps", name)
    if (device.index or 0) >= counts[device.type]:
        raise InputError.of("device", "must be on this machine", name, "pass 'auto' or 'cpu'")
    return device


@contextmanager
def _exact(device: torch.device) -> Iterator[None]:
    # cuDNN's switches belong to the process, so threads take turns; one stream runs their kernels in turn anyway.
    if device.type != "cuda":
        yield
        return
    with _CUDA, torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
        yield
