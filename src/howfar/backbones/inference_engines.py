"""Run a torch network by onnxruntime or torch.compile, after a check that its features are the same as torch's."""

import hashlib
import json
import logging
import re
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Final, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from howfar.errors import one_line
from howfar.segmenters.input_normalisation import Normalise
from howfar.store import local_root
from howfar.weights.onnx_network import open_session

CHECKED: Final = 4  # images of the first batch that both torch and the engine compute
_LOG: Final = logging.getLogger("howfar")
FOLDER: Final = "compiled"  # exported networks lie in it, beside the stored features, named by a hash of what they compute
_FORMAT: Final = 1
_INPUT: Final = "pictures"
# torch's exporter changes the process's own state while it runs, so exports take turns.
_EXPORTING: Final = threading.Lock()

Embed = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


class CheckedEngine:
    """Run a network by a faster engine after comparing its features with torch's; falls back to torch on disagreement."""

    label: ClassVar[str]
    fallback: ClassVar[str]

    def __init__(self, name: str, network: nn.Module, dtype: torch.dtype) -> None:
        self._name, self._network, self._dtype = name, network, dtype
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._ready: tuple[Any, int] | None = None
        self._fault = ""

    @property
    def engine(self) -> str:
        """Return the engine's name if its features agreed, ``torch`` if not, or ``not yet chosen`` before the check."""
        return "torch" if self._fault else self.label if self._ready is not None else "not yet chosen"

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without lock and compiled network, which cannot be pickled; the receiver compiles again."""
        return {key: value for key, value in self.__dict__.items() if key not in ("_lock", "_ready", "_fault")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the state with the engine unchecked."""
        self.__dict__.update(state)
        self._reset()

    def __call__(self, batch: NDArray[np.uint8], by_torch: Embed) -> NDArray[np.float32]:
        """Compute the features of a batch; `by_torch` checks the first features, and replaces the engine if it fails."""
        ready = self._checked(batch, by_torch) if len(batch) else None
        if ready is not None:
            try:
                return self._compute(ready, batch)
            # The engines' errors share no class but Exception; too little memory is one of them.
            except Exception as error:
                with self._lock:
                    self._refuse(one_line(error, 200))
        return by_torch(batch)

    def _checked(self, batch: NDArray[np.uint8], by_torch: Embed) -> tuple[Any, int] | None:
        """Return what computes features, once its first features agree with torch's; None if it cannot be used."""
        with self._lock:
            if self._fault or (self._ready is not None and self._serves(self._ready[1], batch)):
                return self._ready
            first, fault = batch[:CHECKED], ""
            expected = by_torch(first)
            for make in self._attempts(batch):
                try:
                    ready = make()
                    fault = disagreement(self.label, self._compute(ready, first), expected, *TOLERANCES[self._dtype])
                # Exporter, compiler, protobuf, disk, GPU and onnxruntime each fail in their own ways.
                except Exception as error:
                    fault = one_line(error, 200)
                if not fault:
                    # Set only after the check, so that an interrupt leaves nothing unchecked behind.
                    self._ready = ready
                    return ready
            self._refuse(fault)
            return None

    def _serves(self, made_for: int, batch: NDArray[np.uint8]) -> bool:
        """Return whether what was made for a number of threads, or of images, serves a batch."""
        raise NotImplementedError

    def _attempts(self, batch: NDArray[np.uint8]) -> Sequence[Callable[[], tuple[Any, int]]]:
        """List ways, tried in turn, to make what computes features, with the number that it is made for."""
        raise NotImplementedError

    def _compute(self, ready: tuple[Any, int], batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        raise NotImplementedError

    def _refuse(self, fault: str) -> None:
        if not self._fault:
            _LOG.warning("%s is run by torch %s: %s", self._name, self.fallback, fault)
        self._fault, self._ready = fault, None


def disagreement(
    engine: str, features: NDArray[np.float32], expected: NDArray[np.float32], tolerance: float, largest: float
) -> str:
    """Describe how features (b, q) differ from torch's; empty within the tolerances.

    `tolerance` is a share of a feature's Euclidean length, `largest` of its largest value, for a single value.
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


TOLERANCES: Final[Mapping[torch.dtype, tuple[float, float]]] = {
    torch.float32: (1e-4, 1e-3),
    torch.float16: (5e-3, 5e-2),
    torch.bfloat16: (4e-2, 4e-1),
}
"""How far a feature may be from torch's, by precision: as a share of its length, and a single value as a share of the largest.
Fused kernels round less often, by half a unit of the type each time."""


class OnnxruntimeEngine(CheckedEngine):
    """Run a network that turns one image, uint8 (1, height, width, 3), into its feature (1, q), by onnxruntime.

    It is exported for single images of a fixed size, the fastest on a CPU, so no feature depends on its neighbours. Where
    export, run or check fails, torch goes on alone, and the log says why. The hash of `identity` names the exported file.
    """

    label = "onnxruntime"
    fallback = "alone, which is slower"

    def __init__(self, name: str, network: nn.Module, size: tuple[int, int], identity: Mapping[str, Any]) -> None:
        super().__init__(name, network, torch.float32)
        described = json.dumps([_FORMAT, torch.__version__, list(size), dict(identity)], sort_keys=True)
        self._file = f"{hashlib.sha256(described.encode()).hexdigest()[:32]}.onnx"

    def _serves(self, made_for: int, batch: NDArray[np.uint8]) -> bool:
        # A session keeps its number of threads, so another number needs another session.
        return made_for == torch.get_num_threads()

    def _attempts(self, batch: NDArray[np.uint8]) -> Sequence[Callable[[], tuple[Any, int]]]:
        path = local_root() / FOLDER / self._file
        # A file that is there may be damaged, or of another version of the network's library: then it is made anew.
        return [partial(self._session, batch[:1], path, export) for export in ((False, True) if path.is_file() else (True,))]

    def _session(self, picture: NDArray[np.uint8], path: Path, export: bool) -> tuple[Any, int]:
        if export:
            self._export(picture, path)
        threads = torch.get_num_threads()
        return open_session("the engine onnxruntime", path, ["CPUExecutionProvider"], threads), threads

    def _compute(self, ready: tuple[Any, int], batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        rows = [ready[0].run(None, {_INPUT: batch[i : i + 1]})[0] for i in range(len(batch))]
        return np.ascontiguousarray(np.concatenate(rows), dtype=np.float32)

    def _export(self, picture: NDArray[np.uint8], path: Path) -> None:
        """Export the network by tracing one image."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
            # Beyond 2 GiB, protobuf's limit, tensors are written beside the file.
            with _EXPORTING, torch.no_grad(), _silenced_exporter():
                given: dict[str, Any] = {"input_names": [_INPUT], "output_names": ["features"], "dynamo": False}
                torch.onnx.export(self._network, (torch.tensor(picture),), Path(scratch) / path.name, **given)
            if len(list(Path(scratch).iterdir())) > 1:
                raise OSError("it is too large for one ONNX file")
            (Path(scratch) / path.name).replace(path)


class PixelsToFeatures(nn.Module):
    """Wrap a network with its normalisation and the joining of its maps: (b, height, width, 3) of 0-255 in, (b, q) out."""

    def __init__(self, network: nn.Module, maps: Callable[..., Sequence[Tensor]], normalise: Normalise) -> None:
        super().__init__()
        self.network, self.maps, self.normalise = network, maps, normalise

    def layers(self, pixels: Tensor) -> Sequence[Tensor]:
        """Turn images into one tensor (b, ...) for each layer of the feature."""
        # Permuted, the pixels are channels last, which is the faster layout for convolutions on a CPU.
        return self.maps(self.network, self.normalise(pixels.permute(0, 3, 1, 2).to(torch.float32).div_(255)))

    def forward(self, pixels: Tensor) -> Tensor:
        """Turn images into features (b, q) float32: each layer flattened in C order, and all concatenated."""
        flat = [layer.flatten(1) for layer in self.layers(pixels)]
        return (flat[0] if len(flat) == 1 else torch.cat(flat, dim=1)).float()


@contextmanager
def _silenced_exporter() -> Iterator[None]:
    """Silence the exporter's warnings about constant sizes and its printing of whole networks to stdout, where JSON goes.

    `warnings.catch_warnings` would not do among threads: on leaving, each restores the list of filters that it found.
    """
    before = list(warnings.filters)
    warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)  # type: ignore[attr-defined]  # public, but not listed
    for module in (r"torch\.", re.escape(__name__)):
        warnings.filterwarnings("ignore", module=module)
    added = [entry for entry in warnings.filters if entry not in before]
    library: Any = torch._C
    printing = getattr(library, "_jit_onnx_log", None)
    if printing is not None:
        library._jit_onnx_log = lambda *_: None
    try:
        yield
    finally:
        if printing is not None:
            library._jit_onnx_log = printing
        filters = cast("list[object]", warnings.filters)
        for entry in added:
            if entry in filters:
                filters.remove(entry)


Forward = Callable[[NDArray[np.uint8], nn.Module], NDArray[np.float32]]


class TorchCompileEngine(CheckedEngine):
    """Run a network that turns images, uint8 (b, height, width, 3), into features (b, q), compiled for one batch size b.

    It is compiled again when a batch of at least twice as many comes; a shorter one is padded. On failure torch goes on
    uncompiled. `forward` runs a module on the device.
    """

    label = "torch.compile"
    fallback = "without compiling, which may be slower"

    def __init__(self, name: str, network: nn.Module, dtype: torch.dtype, forward: Forward) -> None:
        super().__init__(name, network, dtype)
        self._forward = forward

    def _serves(self, made_for: int, batch: NDArray[np.uint8]) -> bool:
        # A small first batch would split every later one into many small pieces.
        return len(batch) < 2 * made_for

    def _attempts(self, batch: NDArray[np.uint8]) -> Sequence[Callable[[], tuple[Any, int]]]:
        return [lambda: (torch.compile(self._network, dynamic=False), len(batch))]

    def _compute(self, ready: tuple[Any, int], batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run a batch in chunks of the compiled batch size, padding the last chunk."""
        compiled, size = ready
        pieces = []
        for start in range(0, len(batch), size):
            piece = batch[start : start + size]
            blank = np.zeros((size - len(piece), *piece.shape[1:]), np.uint8)
            pieces.append(self._forward(np.concatenate([piece, blank]) if len(blank) else piece, compiled)[: len(piece)])
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
