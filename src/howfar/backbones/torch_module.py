"""A torch module at hand as a backbone: what a layer of it gives, by the layer's name."""

from __future__ import annotations

import copy
import hashlib
import threading
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from howfar.backbones.preprocessing import Preprocess
from howfar.errors import InputError, MissingExtraError
from howfar.options import Engines
from howfar.weights.precision import Precision

if TYPE_CHECKING:
    from torch import Tensor, nn

    from howfar.backbones.torch_backbone import Network

# Of each thread: what the layers that it asks for have given, by their modules.
_ASKED = threading.local()


def module(
    network: nn.Module,
    layer: str | Sequence[str],
    preprocess: Preprocess | int | tuple[int, int],
    *,
    mean: Sequence[float] = (0.0, 0.0, 0.0),
    std: Sequence[float] = (1.0, 1.0, 1.0),
    pool: bool = False,
    name: str = "module",
    device: str = "auto",
    engine: Engines = "torch",
    precision: Precision = "32",
) -> Network:
    """Make a backbone of a torch module: the outputs of the layers named, each flattened in C order, one after another.

    Parameters
    ----------
    network
        Takes (b, 3, height, width) float32. It is copied, and left as it is.
    layer
        A name of ``network.named_modules()``, or several. A layer that runs more than once counts with its last output; one
        that gives several tensors counts with all of them.
    preprocess
        How a picture becomes the input; a side, or (height, width), for one bicubic resize.
    mean, std
        Of each channel on the scale 0-1. By default the network is given values of 0-1.
    pool
        Each layer's mean over positions in place of its map: over rows and columns of (b, c, h, w), tokens of (b, t, c).
    name
        For tables and the identity.
    device
        ``auto``, ``cpu``, ``cuda``.
    engine
        ``auto`` has onnxruntime run it on a CPU, which is faster, once its first features are seen to be torch's. Not the
        default here: a network whose `forward` takes another way with some pictures (``if x.mean() > 0``) would be followed
        on the first way alone.
    precision
        ``32``, or ``bf16`` or ``fp16``: as `howfar.load_backbone` takes it.

    Returns
    -------
    Backbone
        Its identity has the hash of the weights and of what ``repr(network)`` shows; code that neither tells of (the body of
        `forward`) is no part of it, so give a changed one another `name`.

    Raises
    ------
    InputError
        No such layer, a layer that gives no tensors or is not run, or a network that does not take the input.
    MissingExtraError
        torch is absent.

    Examples
    --------
    >>> from torch import nn
    >>> net = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
    >>> module(net, "1", 32).layers, module(net, ["0", "1"], 32, pool=True).layers
    ((1800,), (8, 8))
    """
    try:
        from howfar.backbones.torch_backbone import Feature, Network
    except ImportError as error:
        raise MissingExtraError(f"{name} needs torch: pip install torch ({error})") from error

    layers = (layer,) if isinstance(layer, str) else tuple(layer)
    known = dict(network.named_modules())
    for one in layers:
        if one not in known:
            raise InputError.of("layer", "must be one of network.named_modules()", one, _some(list(known)))
    if not layers:
        raise InputError.of("layer", "must name at least one layer", layers)
    copied = copy.deepcopy(network)
    for one in layers:
        copied.get_submodule(one).register_forward_hook(_keep)
    return Network(
        name=name,
        model=f"{type(network).__name__} {hashlib.sha256(repr(network).encode()).hexdigest()[:16]}",
        network=copied,
        feature=Feature(partial(_outputs, layers, pool), ", ".join(layers), "mean" if pool else "none"),
        preprocess=_as_preprocess(preprocess),
        mean=mean,
        std=std,
        device=device,
        engine=engine,
        precision=precision,
    )


def _as_preprocess(value: Preprocess | int | tuple[int, int]) -> Preprocess:
    if isinstance(value, Preprocess):
        return value
    return Preprocess((value, value) if isinstance(value, int) else value)


def _some(names: list[str]) -> str:
    named = [name for name in names if name]
    return f"it has {', '.join(named[:8])}{' …' if len(named) > 8 else ''}"


def _keep(layer: nn.Module, given: Any, output: Any) -> None:
    # A module-level function, so that the network can be pickled; each thread finds what it asked for.
    asked = getattr(_ASKED, "outputs", None)
    if asked is not None:
        asked[id(layer)] = output


def _outputs(layers: tuple[str, ...], pool: bool, network: nn.Module, batch: Tensor) -> list[Tensor]:
    modules = [network.get_submodule(layer) for layer in layers]
    asked: dict[int, Any] = {id(one): None for one in modules}
    _ASKED.outputs = asked
    try:
        network(batch)
    finally:
        _ASKED.outputs = None
    parts = [part for one, layer in zip(modules, layers, strict=True) for part in _tensors(asked[id(one)], layer)]
    return [_mean(part) for part in parts] if pool else parts


def _tensors(output: Any, layer: str) -> list[Tensor]:
    from torch import Tensor

    parts = [output] if isinstance(output, Tensor) else list(output) if isinstance(output, (list, tuple)) else []
    if not parts or not all(isinstance(part, Tensor) and part.ndim > 1 for part in parts):
        said = "nothing: it was not run" if output is None else type(output).__name__
        raise InputError.of(f"layer {layer}", "must give tensors of (b, ...)", said, "name a layer below or above it")
    return parts


def _mean(part: Tensor) -> Tensor:
    if part.ndim == 3:
        return part.mean(dim=1)
    return part.flatten(2).mean(dim=2) if part.ndim > 3 else part
