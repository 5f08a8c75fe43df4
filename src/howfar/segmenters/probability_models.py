"""Wrap howfar's segmenters, other torch modules and ONNX files as functions that give foreground probabilities."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from howfar.errors import InputError, MissingExtraError, MissingPathError, one_line
from howfar.options import Floats
from howfar.weights.hub import IMAGENET_MEAN, IMAGENET_STD
from howfar.weights.mixed_precision import computing_in, dtype_of
from howfar.weights.onnxruntime_sessions import open_session

Output: TypeAlias = Literal["logits", "probabilities"]
Probabilities: TypeAlias = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""A function from RGB images of 0-1, (b, 3, h, w) float32, to probabilities of foreground, (b, h, w) float32."""


@dataclass(frozen=True)
class Reading:
    """Say how a network that howfar did not train is given images, and how its output is read.

    `mean` is subtracted from each channel of a 0-1 image, and the difference divided by `std`. `output` is ``logits``, or
    ``probabilities`` where the network ends in a sigmoid or softmax itself. `channel` is the foreground's where the output has
    several; by default the second of two.
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
        """Normalise each channel: (x − mean) / std."""
        mean, std = (np.asarray(values, np.float32).reshape(1, 3, 1, 1) for values in (self.mean, self.std))
        return (pictures - mean) / std

    def foreground(self, output: Any) -> NDArray[np.float32]:
        """Read probabilities of foreground (b, h, w) from a network's output, (b, h, w) or (b, c, h, w).

        Another shape, more than two channels without a choice, or probabilities outside 0-1 raise `InputError`.

        Examples
        --------
        >>> Reading().foreground(torch.zeros(1, 1, 1, 2)).tolist()
        [[[0.5, 0.5]]]
        >>> Reading().foreground(torch.tensor([[[[0.0]], [[100.0]]]])).tolist()
        [[[1.0]]]
        """
        if not isinstance(output, Tensor):
            raise InputError.of("the network's output", "must be one tensor", type(output).__name__, "wrap it in a module")
        maps = output.detach().float().cpu()
        maps = maps[:, None] if maps.ndim == 3 else maps
        if maps.ndim != 4:
            raise InputError.of("the network's output", "must be (batch, channels, height, width)", tuple(output.shape))
        channel = self._channel(maps.shape[1])
        if self.output == "logits":
            maps = maps.sigmoid() if maps.shape[1] == 1 else maps.softmax(1)
        p: NDArray[np.float32] = maps[:, channel].numpy()
        low, high = float(p.min()), float(p.max())
        if not (low >= -1e-6 and high <= 1 + 1e-6):
            logits = self.output == "probabilities" and not np.isnan(p).any()
            remedy = "pass output='logits'" if logits else "it gave NaN: look at its weights"
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


def of_segmenter(network: Any, device: torch.device, precision: Floats = "32") -> Probabilities:
    """Wrap one of howfar's segmenters, which normalise their input themselves and give logits.

    A precision that is unknown, or not available on the device, raises `InputError`.
    """
    placed = network.eval().to(device).to(memory_format=torch.channels_last)
    return _torch(placed, device, Reading((0.0,) * 3, (1.0,) * 3), precision)


def of_module(network: nn.Module, device: torch.device, reading: Reading, precision: Floats = "32") -> Probabilities:
    """Wrap a torch module that takes (b, 3, h, w) and gives maps of the same sides; it is moved to the device.

    It computes in evaluation mode, and is in its own again afterwards, so that a training may go on. A precision that is
    unknown, or not available on the device, raises `InputError`.
    """
    compute = _torch(network.to(device), device, reading, precision)

    def probabilities(pictures: NDArray[np.float32]) -> NDArray[np.float32]:
        with _evaluating(network):
            return compute(pictures)

    return probabilities


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    """Set a network to evaluation mode, and each of its modules back to its own at the end."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def of_onnx(file: str | Path, reading: Reading) -> Probabilities:
    """Wrap a network in an ONNX file, which onnxruntime runs on the CPU.

    A missing file raises `MissingPathError`, an absent onnxruntime `MissingExtraError`, and a file that is no ONNX network of
    one image input `InputError`.
    """
    path = Path(file)
    if not path.is_file():
        raise MissingPathError(f"no network at {path}: pass an .onnx file")
    try:
        session = open_session(path.name, path, ["CPUExecutionProvider"])
    except MissingExtraError:
        raise
    # onnxruntime raises many classes of errors, none of them public.
    except Exception as error:
        rule = f"must be an ONNX file that onnxruntime can run ({one_line(error)})"
        raise InputError.of("network", rule, str(path)) from error
    inputs = session.get_inputs()
    if len(inputs) != 1 or len(inputs[0].shape) != 4:
        raise InputError.of("network", "must take one input (batch, 3, height, width)", [entry.shape for entry in inputs])

    fixed = inputs[0].shape[0] if isinstance(inputs[0].shape[0], int) else None

    def run(pictures: NDArray[np.float32]) -> NDArray[np.float32]:
        try:
            outputs = session.run(None, {inputs[0].name: reading.normalised(pictures)})
        except Exception as error:
            raise InputError(f"{path.name} cannot be run on pictures of shape {pictures.shape}: {one_line(error)}") from error
        return reading.foreground(torch.from_numpy(np.asarray(outputs[0])))

    def probabilities(pictures: NDArray[np.float32]) -> NDArray[np.float32]:
        if fixed is None:
            return run(pictures)
        # The file was exported for a fixed batch size: the last batch is padded with its last image.
        count = len(pictures)
        filled = np.concatenate([pictures, np.repeat(pictures[-1:], -count % fixed, axis=0)])
        return np.concatenate([run(filled[start : start + fixed]) for start in range(0, len(filled), fixed)])[:count]

    return probabilities


def _torch(network: nn.Module, device: torch.device, reading: Reading, precision: Floats) -> Probabilities:
    dtype = dtype_of(precision, device)

    def probabilities(pictures: NDArray[np.float32]) -> NDArray[np.float32]:
        batch = torch.from_numpy(reading.normalised(pictures)).to(device).contiguous(memory_format=torch.channels_last)
        with torch.inference_mode(), computing_in(dtype, device):
            output = network(batch)
        return reading.foreground(output)

    return probabilities
