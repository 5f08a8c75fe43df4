"""Run a torch backbone through onnxruntime, which is faster on a CPU, after checking that its features match."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from howfar.backbones.engine_check import CHECKED, CheckedEngine, Embed, disagreement
from howfar.errors import one_line
from howfar.store import local_root
from howfar.weights.onnxruntime_sessions import open_session

FOLDER: Final = "compiled"
"""Exported networks lie in it, beside the stored features, named by a hash of what they compute."""
TOLERANCE: Final = 1e-4
"""How far a feature may be from torch's, as a share of its Euclidean length."""
LARGEST: Final = 1e-3
"""How far a single value may be from torch's, as a share of the feature's largest."""
_FORMAT: Final = 1
_INPUT: Final = "pictures"
# torch's exporter changes the process's own state while it runs, so exports take turns.
_EXPORTING: Final = threading.Lock()


class OnnxruntimeEngine(CheckedEngine):
    """Run a network that turns one image, uint8 (1, height, width, 3), into its feature (1, q), by onnxruntime.

    It is exported for images one by one, every size fixed: then all buffers are planned beforehand, which is faster on a CPU
    than any batch, and no feature depends on its neighbours. The first batch is computed by torch too. Where the two differ,
    where the export fails or onnxruntime is absent, torch goes on alone, and a line in the log says why. The hash of
    `identity`, on which the feature depends, names the exported file.
    """

    label = "onnxruntime"
    fallback = "alone, which is slower"

    def __init__(self, name: str, network: nn.Module, size: tuple[int, int], identity: Mapping[str, Any]) -> None:
        super().__init__(name, network)
        described = json.dumps([_FORMAT, torch.__version__, list(size), dict(identity)], sort_keys=True)
        self._file = f"{hashlib.sha256(described.encode()).hexdigest()[:32]}.onnx"
        self._threads = 0

    def __call__(self, batch: NDArray[np.uint8], by_torch: Embed) -> NDArray[np.float32]:
        """Compute the features of a batch; `by_torch` checks the first ones, and computes all where onnxruntime cannot."""
        session = self._session(batch, by_torch)
        if session is not None:
            try:
                return _run(session, batch)
            # onnxruntime's errors share no class but Exception; too little memory is one of them.
            except Exception as error:
                with self._lock:
                    self._refuse(one_line(error, 200))
        return by_torch(batch)

    def _session(self, batch: NDArray[np.uint8], by_torch: Embed) -> Any:
        threads = torch.get_num_threads()
        with self._lock:
            if self._fault or not len(batch):
                return None
            # A session keeps its number of threads, so another number needs another session.
            if self._ready is None or self._threads != threads:
                self._ready = self._checked(batch[:CHECKED], by_torch, threads)
            self._threads = threads
            return self._ready

    def _checked(self, batch: NDArray[np.uint8], by_torch: Embed, threads: int) -> Any:
        expected = by_torch(batch)
        try:
            exported_now = self._export(batch[:1])
            session, fault = self._compared(batch, expected, threads)
            if fault and not exported_now:
                # The file may be of another version of the network's library.
                self._export(batch[:1], again=True)
                session, fault = self._compared(batch, expected, threads)
        # The exporter, protobuf, the disk and onnxruntime each fail in their own ways.
        except Exception as error:
            session, fault = None, one_line(error, 200)
        if fault:
            self._refuse(fault)
        return session

    def _compared(self, batch: NDArray[np.uint8], expected: NDArray[np.float32], threads: int) -> tuple[Any, str]:
        try:
            session = _open(self._path(), threads)
            features = _run(session, batch)
        # A damaged file counts as one that disagrees.
        except Exception as error:
            return None, one_line(error, 200)
        fault = disagreement(self.label, features, expected, TOLERANCE, LARGEST)
        return (None if fault else session), fault

    def _export(self, picture: NDArray[np.uint8], again: bool = False) -> bool:
        """Export the network unless its file is there, by tracing it with one image; tell whether it was exported now."""
        path = self._path()
        if path.is_file() and not again:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
            # Beyond 2 GiB, protobuf's limit, tensors are written beside the file.
            _export(self._network, picture, Path(scratch) / path.name)
            if len(list(Path(scratch).iterdir())) > 1:
                raise OSError("it is too large for one ONNX file")
            (Path(scratch) / path.name).replace(path)
        return True

    def _path(self) -> Path:
        return local_root() / FOLDER / self._file


class PixelsToFeatures(nn.Module):
    """Wrap a network with its normalisation and the joining of its maps: (b, height, width, 3) of 0-255 in, (b, q) out."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, maps: Callable[..., Any], mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.network = network
        self.maps = maps
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("std", std, persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """Turn images into features."""
        scaled = (pixels.permute(0, 3, 1, 2).to(torch.float32) / 255 - self.mean) / self.std
        return joined_maps(self.maps(self.network, scaled))


def joined_maps(maps: Sequence[Tensor]) -> Tensor:
    """Flatten each layer's map in C order and concatenate them: (b, q) float32."""
    flat = [layer.flatten(1) for layer in maps]
    return (flat[0] if len(flat) == 1 else torch.cat(flat, dim=1)).float()


def _export(network: nn.Module, picture: NDArray[np.uint8], path: Path) -> None:
    with _EXPORTING, torch.no_grad(), _silenced_exporter():
        torch.onnx.export(
            network, (torch.tensor(picture),), path, dynamo=False, input_names=[_INPUT], output_names=["features"]
        )


@contextmanager
def _silenced_exporter() -> Iterator[None]:
    """Silence the exporter's warnings that sizes become constants (which is wanted) and that it is deprecated.

    Where it fails it prints the whole network to stdout, which is where JSON goes; that is silenced too.
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


def _open(path: Path, threads: int) -> Any:
    return open_session("the engine onnxruntime", path, ["CPUExecutionProvider"], threads)


def _run(session: Any, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
    rows = [session.run(None, {_INPUT: batch[i : i + 1]})[0] for i in range(len(batch))]
    return np.ascontiguousarray(np.concatenate(rows), dtype=np.float32)
