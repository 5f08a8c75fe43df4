"""A torch network run by onnxruntime, which is faster on a CPU: exported once, checked before it is believed."""

from __future__ import annotations

import hashlib
import json
import logging
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

from howfar.store import local_root

FOLDER: Final = "compiled"
"""Beside the stored features: exported networks, by what they compute."""
TOLERANCE: Final = 1e-4
"""How far a feature may be from torch's, in parts of its length (Euclidean)."""
LARGEST: Final = 1e-3
"""How far a single value may be, in parts of the feature's largest."""
CHECKED: Final = 4
"""Pictures of the first batch that torch sees too."""
_FORMAT: Final = 1
_INPUT: Final = "pictures"
_LOG: Final = logging.getLogger("howfar")
# torch's exporter puts the process's own state aside while it runs, so one export at a time.
_ONE_BY_ONE: Final = threading.Lock()

Embed = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


class Compiled:
    """A network that turns one picture, uint8 (1, height, width, 3), into its feature (1, q), by onnxruntime.

    It is exported for pictures that come one by one, with nothing left open: then every buffer is planned beforehand, which
    is faster on a CPU than any batch, and no feature depends on its neighbours. The first batch is computed by torch too. Where
    the two differ, where the export fails or onnxruntime is absent, torch goes on alone, and a line in the log says why.

    Parameters
    ----------
    name
        Of the backbone, for the log.
    whole
        The network with its normalisation: pictures in, features out.
    size
        (height, width) of a picture.
    identity
        What the feature depends on: the name of the exported file is made of it.
    """

    def __init__(self, name: str, whole: nn.Module, size: tuple[int, int], identity: Mapping[str, Any]) -> None:
        self._name, self._whole = name, whole
        said = json.dumps([_FORMAT, torch.__version__, list(size), dict(identity)], sort_keys=True)
        self._file = f"{hashlib.sha256(said.encode()).hexdigest()[:32]}.onnx"
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._session: Any = None
        self._threads = 0
        self._refused = ""

    @property
    def engine(self) -> str:
        """What computes: ``onnxruntime`` once it is trusted, ``torch`` where it is not, else ``not yet chosen``."""
        return "torch" if self._refused else "onnxruntime" if self._session is not None else "not yet chosen"

    def __call__(self, batch: NDArray[np.uint8], by_torch: Embed) -> NDArray[np.float32]:
        """Features of a batch; `by_torch` computes what this is checked against, and all where this cannot be had."""
        session = self._trusted(batch, by_torch)
        if session is not None:
            try:
                return _run(session, batch)
            # onnxruntime's errors share no class but Exception; too little memory is one of them.
            except Exception as error:
                with self._lock:
                    self._refuse(one_line(error))
        return by_torch(batch)

    def __getstate__(self) -> dict[str, Any]:
        """All but the session and the lock, which cannot be pickled: elsewhere it is checked again."""
        return {key: self.__dict__[key] for key in ("_name", "_whole", "_file")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Begin unchecked."""
        self.__dict__.update(state)
        self._reset()

    def _trusted(self, batch: NDArray[np.uint8], by_torch: Embed) -> Any:
        threads = torch.get_num_threads()
        with self._lock:
            if self._refused or not len(batch):
                return None
            # With other threads it is opened, and checked, anew.
            if self._session is None or self._threads != threads:
                self._session = self._checked(batch[:CHECKED], by_torch, threads)
            self._threads = threads
            return self._session

    def _checked(self, batch: NDArray[np.uint8], by_torch: Embed, threads: int) -> Any:
        expected = by_torch(batch)
        try:
            fresh = self._kept(batch[:1])
            session, fault = self._compared(batch, expected, threads)
            if fault and not fresh:
                # A file of another version of the network's library, say.
                self._kept(batch[:1], anew=True)
                session, fault = self._compared(batch, expected, threads)
        # The exporter, protobuf, the disk and onnxruntime each fail in their own ways.
        except Exception as error:
            session, fault = None, one_line(error)
        if fault:
            self._refuse(fault)
        return session

    def _refuse(self, fault: str) -> None:
        if not self._refused:
            _LOG.warning("%s is run by torch alone, which is slower: %s", self._name, fault)
        self._refused, self._session = fault, None

    def _compared(self, batch: NDArray[np.uint8], expected: NDArray[np.float32], threads: int) -> tuple[Any, str]:
        try:
            session = _session(self._path(), threads)
            found = _run(session, batch)
        # A damaged file is one more that does not agree.
        except Exception as error:
            return None, one_line(error)
        fault = difference("onnxruntime", found, expected, TOLERANCE, LARGEST)
        return (None if fault else session), fault

    def _kept(self, picture: NDArray[np.uint8], anew: bool = False) -> bool:
        """Whether the network had to be exported; it is followed through one picture."""
        path = self._path()
        if path.is_file() and not anew:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
            # Of more than 2 GiB, which is protobuf's limit, tensors are put beside the file.
            _export(self._whole, picture, Path(scratch) / path.name)
            if len(list(Path(scratch).iterdir())) > 1:
                raise OSError("it is too large for one ONNX file")
            (Path(scratch) / path.name).replace(path)
        return True

    def _path(self) -> Path:
        return local_root() / FOLDER / self._file


class Whole(nn.Module):
    """A network between its normalisation and the joining of its maps: (b, height, width, 3) of 0-255 in, (b, q) out."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, maps: Callable[..., Any], mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.network = network
        self.maps = maps
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("std", std, persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """Turn pictures into features."""
        scaled = (pixels.permute(0, 3, 1, 2).to(torch.float32) / 255 - self.mean) / self.std
        return joined_maps(self.maps(self.network, scaled))


def joined_maps(maps: Sequence[Tensor]) -> Tensor:
    """Each layer's maps flattened in C order and set one after the other: (b, q) float32.

    Examples
    --------
    >>> joined_maps([torch.zeros(2, 3, 4), torch.ones(2, 5)]).shape
    torch.Size([2, 17])
    """
    flat = [part.flatten(1) for part in maps]
    return (flat[0] if len(flat) == 1 else torch.cat(flat, dim=1)).float()


def one_line(error: Exception) -> str:
    """What an exception says, for the log.

    Examples
    --------
    >>> one_line(ValueError("no  such thing")), one_line(KeyError())
    ('no such thing', 'KeyError')
    """
    return " ".join(str(error).split())[:200] or type(error).__name__


def _export(whole: nn.Module, picture: NDArray[np.uint8], path: Path) -> None:
    with _ONE_BY_ONE, torch.no_grad(), _unremarked():
        torch.onnx.export(whole, (torch.tensor(picture),), path, dynamo=False, input_names=[_INPUT], output_names=["features"])


@contextmanager
def _unremarked() -> Iterator[None]:
    """Ignore what the exporter remarks on: every size that becomes a constant, as it is to, and its own age.

    Where it fails it prints the whole network to stdout, whatever it is told, which is where JSON goes: that too is left out.
    `warnings.catch_warnings` is no use among threads: on leaving, each puts back the list of filters that it found.
    """
    before = list(warnings.filters)
    warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)  # type: ignore[attr-defined]  # public, but not listed
    for module in (r"torch\.", re.escape(__name__)):
        warnings.filterwarnings("ignore", module=module)
    added = [one for one in warnings.filters if one not in before]
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
        for one in added:
            if one in filters:
                filters.remove(one)


def _session(path: Path, threads: int) -> Any:
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    # Errors are raised; what is merely remarked upon would be printed.
    settings.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])


def _run(session: Any, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
    rows = [session.run(None, {_INPUT: batch[i : i + 1]})[0] for i in range(len(batch))]
    return np.ascontiguousarray(np.concatenate(rows), dtype=np.float32)


def difference(engine: str, found: NDArray[np.float32], expected: NDArray[np.float32], tolerance: float, largest: float) -> str:
    """What is wrong with the features that an engine has found; nothing where they are those expected, but for rounding.

    Parameters
    ----------
    engine
        Its name.
    found, expected
        (b, q) features.
    tolerance, largest
        How far a feature may be off, in parts of its length, and a single value, in parts of the feature's largest.

    Examples
    --------
    >>> one = np.ones((1, 4), np.float32)
    >>> difference("it", one, one, 1e-4, 1e-3), difference("it", one, 2 * one, 1e-4, 1e-3)
    ('', "it's features differ from torch's by up to 1; the largest value is 2")
    """
    if found.shape != expected.shape:
        return f"{engine} gives features of shape {found.shape}, torch of {expected.shape}"
    gap = np.abs(found.astype(np.float64) - expected)
    length, most = np.linalg.norm(expected, axis=1), np.abs(expected).max(axis=1, initial=0)
    # Not-a-number is no agreement, hence the comparisons this way round.
    agree = (np.linalg.norm(gap, axis=1) <= tolerance * length) & (gap.max(axis=1, initial=0) <= largest * most)
    if agree.all():
        return ""
    return f"{engine}'s features differ from torch's by up to {gap.max():.2g}; the largest value is {most.max():.2g}"
