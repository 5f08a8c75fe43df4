"""Read state dicts safely (without running code), load and hash them, and choose the precision to compute with."""

import hashlib
import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from howfar.errors import InputError, check_choice, one_line
from howfar.weights.hub_downloads import first_three


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read named tensors from a ``.safetensors`` file or one of ``torch.save``, without executing code.

    A training checkpoint may hold its tensors under ``state_dict`` or ``model``. Anything else raises `InputError`.
    """
    remedy = "pass a .safetensors file, or a .pth file that torch.save(model.state_dict(), path) wrote"
    try:
        state = load_file(path) if path.suffix == ".safetensors" else torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # torch's own message would advise to run whatever the file holds.
        raise InputError.of("weights", "must hold tensors by name and nothing else", str(path), remedy) from error
    except Exception as error:  # over a damaged file torch may raise anything: IndexError for one of a byte
        raise InputError.of("weights", f"must be readable ({one_line(error)})", str(path), remedy) from error
    for key in ("state_dict", "model"):
        if isinstance(state, Mapping) and isinstance(state.get(key), Mapping):
            state = state[key]
    if not isinstance(state, Mapping) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError.of("weights", "must hold tensors by name and nothing else", str(path), remedy)
    return dict(state)


def fit_state_dict(network: nn.Module, state: Mapping[str, Tensor], beside: tuple[str, ...], source: str) -> None:
    """Load the tensors `state` of the file `source` into `network`, whose names and shapes they must match.

    `beside` names modules that `state` may hold and the network not: the classifier that the weights were trained with.
    """
    wanted = network.state_dict()
    missing = [name for name in wanted if name not in state]
    misshapen = [name for name in wanted if name in state and state[name].shape != wanted[name].shape]
    surplus = [name for name in state if name not in wanted and not name.startswith(tuple(f"{part}." for part in beside))]
    for problem, names in (("lacks", missing), ("has another shape for", misshapen), ("has no place for", surplus)):
        if names:
            raise InputError(f"weights do not fit the network: {source} {problem} {first_three(names)}")
    network.load_state_dict({name: state[name] for name in wanted}, strict=True)


def hash_state_dict(state: Mapping[str, Tensor]) -> str:
    """Hash every tensor's name, type, shape and bytes, in the order of names, as ``sha256:…``."""
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        # As bytes: numpy has no bfloat16.
        digest.update(tensor.flatten().contiguous().view(torch.uint8).numpy().data)
    return f"sha256:{digest.hexdigest()}"


_TYPES: Final = {"32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def dtype_of(precision: str, device: torch.device) -> torch.dtype:
    """Return the torch type for `precision`; a CPU computes in float32 and bfloat16 only."""
    check_choice("precision", precision, _TYPES)
    if precision == "fp16" and device.type == "cpu":
        raise InputError.of("precision", "must be 32 or bf16 on a CPU", precision)
    return _TYPES[precision]


@contextmanager
def computing_in(dtype: torch.dtype, device: torch.device) -> Iterator[None]:
    """Let torch compute in `dtype` where autocast considers it safe, and elsewhere in float32."""
    mixed = dtype is not torch.float32
    with torch.autocast(device.type, dtype if mixed else None, enabled=mixed):
        yield
