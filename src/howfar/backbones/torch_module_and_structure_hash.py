"""Make a backbone of any torch module, with named layers' outputs as features, and hash the module's structure and code."""

from __future__ import annotations

import copy
import hashlib
import io
import threading
import types
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from howfar.backbones.backbone_family import Options
from howfar.backbones.preprocessing import Preprocess
from howfar.data.image_encoding import named
from howfar.errors import InputError, needing
from howfar.options import Engines, Floats

if TYPE_CHECKING:
    from torch import Tensor, nn

    from howfar.backbones.torch_backbone import TorchBackbone


_LIBRARIES: Final = ("torch", "torchvision", "timm", "transformers", "numpy", "builtins")
"""Packages whose classes are told by their names, since their code is not the user's."""
_DEEPEST: Final = 6


def hash_structure(network: nn.Module) -> str:
    """Hash a network's structure, so that networks with equal weights but different computations have different hashes.

    It covers each submodule's class and ``repr``, the byte code of the methods of classes that are no library's, with the
    functions and constants that these name, and attributes that are numbers, texts, arrays, functions or collections of these.
    Python's byte code changes with its version, and so does the hash. What other objects hold is not seen.
    """
    from torch import nn

    internal = {*vars(nn.Module()), "training"}
    digest, seen = hashlib.sha256(repr(network).encode()), set[int]()
    for name, module in network.named_modules():
        # A TorchScript module's source replaces its Python methods; one without a forward of its own has none.
        script = ""
        if type(module).__module__.startswith("torch.jit"):
            with suppress(AttributeError, RuntimeError):
                script = str(module.code)
        digest.update(f"\n{name} {type(module).__module__}.{type(module).__qualname__} {script}".encode())
        for kind in [kind for kind in type(module).__mro__ if not _is_library(kind)]:
            for attribute, member in sorted(vars(kind).items()):
                inner = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
                if isinstance(inner, types.FunctionType):
                    digest.update(f"{attribute}:{_function(inner, seen)};".encode())
                if isinstance(member, (bool, int, float, str, tuple)) and not attribute.startswith("__"):
                    digest.update(f"{attribute}={_text(member, seen)};".encode())
        for attribute, value in sorted(vars(module).items()):
            if attribute not in internal:
                digest.update(f"{attribute}={_text(value, seen)};".encode())
    return digest.hexdigest()


def _is_library(kind: Any) -> bool:
    return str(getattr(kind, "__module__", "")).partition(".")[0] in _LIBRARIES


def _function(function: types.FunctionType, seen: set[int]) -> str:
    """Describe a function by code, defaults and the outer values it uses; if described before, by its name only."""
    if id(function) in seen or _is_library(function):
        return f"{function.__module__}.{function.__qualname__}"
    seen.add(id(function))
    code = function.__code__
    cells = []
    for cell in function.__closure__ or ():
        try:
            content = cell.cell_contents
        except ValueError:  # not filled yet
            content = None
        cells.append(_text(content, seen))
    named = [f"{name}={_text(function.__globals__[name], seen)}" for name in _names(code) if name in function.__globals__]
    defaults = _text((function.__defaults__, function.__kwdefaults__), seen)
    return f"{_code(code)}({defaults}{cells}{named})"


def _names(code: types.CodeType) -> list[str]:
    inner = (name for constant in code.co_consts if isinstance(constant, types.CodeType) for name in _names(constant))
    return sorted({*code.co_names, *inner})


def _code(code: types.CodeType) -> str:
    constants = [_code(each) if isinstance(each, types.CodeType) else _text(each, set()) for each in code.co_consts]
    return f"{code.co_code.hex()}{constants}{code.co_names}{code.co_varnames}"


def _text(value: Any, seen: set[int], depth: int = 0) -> str:
    """Convert a value to text that is equal for equal values in every process; other objects are named by class only."""
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
        return repr(value)
    if isinstance(value, (tuple, list)) and depth < _DEEPEST:
        return f"[{','.join(_text(each, seen, depth + 1) for each in value)}]"
    if isinstance(value, (set, frozenset)):
        return f"{{{','.join(sorted(_text(each, seen, depth + 1) for each in value))}}}"
    if isinstance(value, Mapping) and depth < _DEEPEST:
        return f"{{{','.join(f'{key!r}:{_text(each, seen, depth + 1)}' for key, each in value.items())}}}"
    if isinstance(value, types.MethodType):
        value = value.__func__
    if isinstance(value, types.FunctionType):
        return _function(value, seen)
    if isinstance(value, types.ModuleType):
        return value.__name__
    if hasattr(value, "detach") and hasattr(value, "numpy"):
        value = value.detach().cpu().float().numpy()
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{value.shape}{hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()}"
    kind = value if isinstance(value, type) else type(value)
    own = getattr(value, "__qualname__", "")
    return f"{kind.__module__}.{kind.__qualname__} {own}"


# Each thread's outputs of the layers that it asked for, by their modules.
_OUTPUTS = threading.local()
REMEDY: Final = "name a layer by howfar.backbones.module, or pass a function of a batch that picks the tensor"


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
    precision: Floats = "32",
) -> TorchBackbone:
    """Make a backbone of a torch module: named layers' outputs are flattened in C order and concatenated.

    The identity has a hash of the weights and one of the structure: classes, the code of their methods, plain attributes. What
    a network reads from elsewhere does not change it, so give one that changed so another `name`. An unknown layer, one without
    tensors, or an input that does not fit raises `InputError`.

    Parameters
    ----------
    network
        Takes (b, 3, height, width) float32. It is copied, so that it is not changed.
    layer
        A name of ``network.named_modules()``, or several; "" is the output of the network itself. A layer that runs more than
        once counts with its last output; one that returns several tensors counts with all of them.
    preprocess
        How an image becomes the input; a side, or (height, width), for one bicubic resize.
    mean, std
        Of each channel on the scale 0-1. By default the network receives values of 0-1.
    pool
        Take each layer's mean over rows and columns of (b, c, h, w), or over tokens of (b, t, c), in place of its map.
    name, device
        For tables and the identity; ``auto``, ``cpu`` or ``cuda``.
    engine
        ``auto`` runs it by onnxruntime on a CPU, which is faster, once its first features agree with torch's. Not the default
        here: of a `forward` that branches on values (``if x.mean() > 0``) only the first branch would be exported.
    precision
        ``32``, or ``bf16`` or ``fp16`` for torch's mixed precision, which is quicker on a GPU and changes features slightly.

    Examples
    --------
    >>> from torch import nn
    >>> net = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
    >>> module(net, "1", 32).layers, module(net, ["0", "1"], 32, pool=True).layers
    ((1800,), (8, 8))
    """
    with needing(f"{name} needs torch: pip install torch"):
        from torch import jit

        from howfar.backbones.torch_backbone import Feature, TorchBackbone

    layers = (layer,) if isinstance(layer, str) else tuple(layer)
    names = [entry for entry, _ in network.named_modules()]
    for entry in layers:
        if entry not in names:
            inner = list(filter(None, names))
            some = f"it has {', '.join(inner[:8])}{' …' if len(inner) > 8 else ''}"
            raise InputError.of("layer", "must be one of network.named_modules()", entry, some)
    if not layers:
        raise InputError.of("layer", "must name at least one layer", layers)
    if not isinstance(preprocess, Preprocess):
        preprocess = Preprocess((preprocess, preprocess) if isinstance(preprocess, int) else preprocess)
    if isinstance(network, jit.ScriptModule):
        # A deep copy of TorchScript's has parameters that cannot be frozen.
        buffer = io.BytesIO()
        jit.save(network, buffer)
        buffer.seek(0)
        copied: nn.Module = jit.load(buffer)  # type: ignore[no-untyped-call]  # torch's own
    else:
        copied = copy.deepcopy(network)
    for entry in filter(None, layers):
        copied.get_submodule(entry).register_forward_hook(_record)
    return TorchBackbone(
        name=name,
        model=f"{type(network).__name__} {hash_structure(network)[:16]}",
        network=copied,
        feature=Feature(partial(_outputs, layers, pool), ", ".join(layers), "mean" if pool else "none"),
        preprocess=preprocess,
        mean=mean,
        std=std,
        options=Options(device=device, engine=engine, precision=precision),
    )


def _record(layer: nn.Module, inputs: Any, output: Any) -> None:
    # A module-level function, so that the network can be pickled; each thread has outputs of its own.
    outputs = getattr(_OUTPUTS, "by_module", None)
    if outputs is not None:
        outputs[id(layer)] = output


def _outputs(layers: tuple[str, ...], pool: bool, network: nn.Module, batch: Tensor) -> list[Tensor]:
    from torch import Tensor

    # A module of TorchScript gives no submodules, but its own output is no submodule's.
    modules = [network.get_submodule(layer) if layer else network for layer in layers]
    outputs: dict[int, Any] = {id(module): None for module in modules}
    _OUTPUTS.by_module = outputs
    try:
        outputs[id(network)] = network(batch)
    finally:
        _OUTPUTS.by_module = None
    maps: list[Tensor] = []
    for module, layer in zip(modules, layers, strict=True):
        output = outputs[id(module)]
        tensors = [output] if isinstance(output, Tensor) else list(output) if isinstance(output, (list, tuple)) else []
        if not tensors or not all(isinstance(tensor, Tensor) and tensor.ndim > 1 for tensor in tensors):
            received = "nothing: it was not run" if output is None else named(output)
            what, remedy = (f"layer {layer}", "name a layer below or above it") if layer else ("the network", REMEDY)
            raise InputError.of(what, "must give tensors of (b, ...)", received, remedy)
        maps += tensors
    return [_mean(map_) for map_ in maps] if pool else maps


def _mean(tensor: Tensor) -> Tensor:
    if tensor.ndim == 3:
        return tensor.mean(dim=1)
    return tensor.flatten(2).mean(dim=2) if tensor.ndim > 3 else tensor
