"""Hash how a torch module computes: its classes, the code of their methods, and its plain attributes, but not its weights."""

from __future__ import annotations

import hashlib
import types
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from torch import nn

_LIBRARIES: Final = ("torch", "torchvision", "timm", "transformers", "numpy", "builtins")
"""Packages whose classes are told by their names, since their code is not the user's."""
_DEEPEST: Final = 6


def hash_structure(network: nn.Module) -> str:
    """Hash the structure of a network, so that two of equal weights that compute differently have different hashes.

    It covers each submodule's class and ``repr``, the byte code of the methods of classes that are no library's, with the
    functions and constants that these name, and attributes that are numbers, texts, arrays, functions or collections of these.
    Python's byte code changes with its version, and so does the hash. What other objects hold is not seen.

    Examples
    --------
    >>> from torch import nn
    >>> class Net(nn.Module):
    ...     def forward(self, x): return 2 * x
    >>> class Other(nn.Module):
    ...     def forward(self, x): return 3 * x
    >>> Other.__qualname__ = "Net"
    >>> hash_structure(Net()) == hash_structure(Net()), hash_structure(Net()) == hash_structure(Other())
    (True, False)
    """
    from torch import nn

    internal = {*vars(nn.Module()), "training"}
    digest, seen = hashlib.sha256(repr(network).encode()), set[int]()
    for name, module in network.named_modules():
        digest.update(f"\n{name} {type(module).__module__}.{type(module).__qualname__} {_script(module)}".encode())
        for kind in type(module).__mro__:
            if not _is_library(kind):
                for line in _class_lines(kind, seen):
                    digest.update(line.encode())
        for attribute, value in sorted(vars(module).items()):
            if attribute not in internal:
                digest.update(f"{attribute}={_text(value, seen)};".encode())
    return digest.hexdigest()


def _is_library(kind: Any) -> bool:
    return str(getattr(kind, "__module__", "")).partition(".")[0] in _LIBRARIES


def _script(module: Any) -> str:
    """Return TorchScript's own source, which stands in place of Python's methods; "" of any other module."""
    try:
        return str(module.code) if type(module).__module__.startswith("torch.jit") else ""
    except (AttributeError, RuntimeError):  # one without a forward of its own
        return ""


def _class_lines(kind: type, seen: set[int]) -> Iterator[str]:
    for name, member in sorted(vars(kind).items()):
        for function in _functions(member):
            yield f"{name}:{_function(function, seen)};"
        if isinstance(member, (bool, int, float, str, tuple)) and not name.startswith("__"):
            yield f"{name}={_text(member, seen)};"


def _functions(member: Any) -> Iterator[types.FunctionType]:
    if isinstance(member, property):
        yield from (each for each in (member.fget,) if isinstance(each, types.FunctionType))
    inner = getattr(member, "__func__", member)
    if isinstance(inner, types.FunctionType):
        yield inner


def _function(function: types.FunctionType, seen: set[int]) -> str:
    """Describe a function by its code, defaults, and what it names around it; one that was described before by its name."""
    if id(function) in seen or _is_library(function):
        return f"{function.__module__}.{function.__qualname__}"
    seen.add(id(function))
    code = function.__code__
    cells = [_text(_content(cell), seen) for cell in function.__closure__ or ()]
    named = [f"{name}={_text(function.__globals__[name], seen)}" for name in _names(code) if name in function.__globals__]
    defaults = _text((function.__defaults__, function.__kwdefaults__), seen)
    return f"{_code(code)}({defaults}{cells}{named})"


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return None


def _names(code: types.CodeType) -> list[str]:
    inner = (name for constant in code.co_consts if isinstance(constant, types.CodeType) for name in _names(constant))
    return sorted({*code.co_names, *inner})


def _code(code: types.CodeType) -> str:
    constants = [_code(each) if isinstance(each, types.CodeType) else _text(each, set()) for each in code.co_consts]
    return f"{code.co_code.hex()}{constants}{code.co_names}{code.co_varnames}"


def _text(value: Any, seen: set[int], depth: int = 0) -> str:
    """Write a value so that equal ones give equal texts in every process; of objects of other kinds the class alone."""
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
