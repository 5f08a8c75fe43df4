"""Anything that gives probabilities of foreground: our segmenters, any torch module, an ONNX file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from howfar.errors import InputError, MissingExtraError, MissingPathError
from howfar.segmenters.normalisation import IMAGENET_MEAN, IMAGENET_STD
from howfar.weights.precision import Precision, computing_in, dtype_of

Output: TypeAlias = Literal["logits", "probabilities"]
Probabilities: TypeAlias = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""RGB pictures of 0-1, (b, 3, h, w) float32, become probabilities of foreground, (b, h, w) float32."""


@dataclass(frozen=True)
class Reading:
    """How a network of unknown make is fed and read.

    Attributes
    ----------
    mean, std
        What is taken from each channel of a 0-1 picture, and what it is divided by.
    output
        ``logits``, or ``probabilities`` where the network ends in a sigmoid or softmax itself.
    channel
        Which channel is foreground where it gives several; by default the second of two.
    """

    mean: Sequence[float] = IMAGENET_MEAN
    std: Sequence[float] = IMAGENET_STD
    output: Output = "logits"
    channel: int | None = None

    def __post_init__(self) -> None:
        if self.output not in ("logits", "probabilities"):
            raise InputError.of("output", "must be logits or probabilities", self.output)
        for name in ("mean", "std"):
            if len(getattr(self, name)) != 3:
                raise InputError.of(name, "must be three numbers, for red, green and blue", getattr(self, name))
        if min(self.std) <= 0:
            raise InputError.of("std", "must be above 0", list(self.std))

    def normalised(self, pictures: NDArray[np.float32]) -> NDArray[np.float32]:
        """(x − mean) / std of each channel."""
        mean, std = (np.asarray(one, np.float32).reshape(1, 3, 1, 1) for one in (self.mean, self.std))
        found: NDArray[np.float32] = (pictures - mean) / std
        return found

    def foreground(self, found: Any) -> NDArray[np.float32]:
        """Probabilities of foreground (b, h, w) from what the network gave, (b, h, w) or (b, c, h, w).

        Examples
        --------
        >>> Reading().foreground(torch.zeros(1, 1, 1, 2)).tolist()
        [[[0.5, 0.5]]]
        >>> Reading().foreground(torch.tensor([[[[0.0]], [[100.0]]]])).tolist()
        [[[1.0]]]

        Raises
        ------
        InputError
            Another shape, several channels of which none is named, or probabilities outside 0-1.
        """
        if not isinstance(found, Tensor):
            raise InputError.of("the network's output", "must be one tensor", type(found).__name__, "wrap it in a module")
        maps = found.detach().float().cpu()
        maps = maps[:, None] if maps.ndim == 3 else maps
        if maps.ndim != 4:
            raise InputError.of("the network's output", "must be (batch, channels, height, width)", tuple(found.shape))
        channel = self._channel(maps.shape[1])
        if self.output == "logits":
            maps = maps.sigmoid() if maps.shape[1] == 1 else maps.softmax(1)
        p: NDArray[np.float32] = maps[:, channel].numpy()
        low, high = float(p.min()), float(p.max())
        if not (low >= -1e-6 and high <= 1 + 1e-6):
            remedy = "pass output='logits'" if self.output == "probabilities" else "it gave NaN: look at its weights"
            raise InputError.of("the network's output", "must lie within 0-1", f"{low:.4g} to {high:.4g}", remedy)
        return np.clip(p, 0.0, 1.0)

    def _channel(self, count: int) -> int:
        if self.channel is not None:
            if not -count <= self.channel < count:
                raise InputError.of("channel", f"must be one of the network's {count}", self.channel)
            return self.channel
        if count > 2:
            raise InputError(f"the network gives {count} channels: name the foreground's, as channel")
        return count - 1


def of_segmenter(network: Any, device: torch.device, precision: Precision = "32") -> Probabilities:
    """Our own segmenters: they normalise their input themselves, and give logits.

    Raises
    ------
    InputError
        As `howfar.weights.precision.dtype_of`.
    """
    placed = network.eval().to(device).to(memory_format=torch.channels_last)
    return _torch(placed, device, Reading((0.0,) * 3, (1.0,) * 3), precision)


def of_module(network: nn.Module, device: torch.device, reading: Reading, precision: Precision = "32") -> Probabilities:
    """Any torch module that takes (b, 3, h, w) and gives maps of the same sides.

    Raises
    ------
    InputError
        As `howfar.weights.precision.dtype_of`.
    """
    return _torch(network.eval().to(device), device, reading, precision)


def of_onnx(file: str | Path, reading: Reading) -> Probabilities:
    """Read a network from an ONNX file, run by onnxruntime on the CPU.

    Raises
    ------
    MissingPathError
        There is no such file.
    MissingExtraError
        onnxruntime is absent.
    InputError
        The file is no ONNX network of one picture input.
    """
    path = Path(file)
    if not path.is_file():
        raise MissingPathError(f"no network at {path}: pass an .onnx file")
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError(f"{path.name} needs onnxruntime: pip install onnxruntime ({error})") from error
    try:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    # Its errors are of many classes of its own, none of them public.
    except Exception as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError.of("network", f"must be an ONNX file that onnxruntime can run ({reason})", str(path)) from error
    inputs = session.get_inputs()
    if len(inputs) != 1 or len(inputs[0].shape) != 4:
        raise InputError.of("network", "must take one input (batch, 3, height, width)", [one.shape for one in inputs])

    fixed = inputs[0].shape[0] if isinstance(inputs[0].shape[0], int) else None

    def run(pictures: NDArray[np.float32]) -> NDArray[np.float32]:
        try:
            found = session.run(None, {inputs[0].name: reading.normalised(pictures)})
        except Exception as error:
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise InputError(f"{path.name} cannot be run on pictures of shape {pictures.shape}: {reason}") from error
        return reading.foreground(torch.from_numpy(np.asarray(found[0])))

    def probabilities(pictures: NDArray[np.float32]) -> NDArray[np.float32]:
        if fixed is None:
            return run(pictures)
        # Exported for so many pictures at a time: the last ones are filled up with the very last.
        count = len(pictures)
        filled = np.concatenate([pictures, np.repeat(pictures[-1:], -count % fixed, axis=0)])
        return np.concatenate([run(filled[start : start + fixed]) for start in range(0, len(filled), fixed)])[:count]

    return probabilities


def _torch(network: nn.Module, device: torch.device, reading: Reading, precision: Precision) -> Probabilities:
    dtype = dtype_of(precision, device)

    def probabilities(pictures: NDArray[np.float32]) -> NDArray[np.float32]:
        batch = torch.from_numpy(reading.normalised(pictures)).to(device).contiguous(memory_format=torch.channels_last)
        with torch.inference_mode(), computing_in(dtype, device):
            found = network(batch)
        return reading.foreground(found)

    return probabilities
