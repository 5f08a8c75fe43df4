"""Turn a backbone argument into a backbone: a registered name, a torch module, or a function of a batch."""

from __future__ import annotations

import secrets
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from howfar.backbones.backbone_family import Options
from howfar.backbones.backbone_loading import known_backbone, with_channels
from howfar.backbones.preprocessing import Preprocess, ResizingBackbone, for_channels
from howfar.backbones.torch_module_and_structure_hash import module
from howfar.data.image_encoding import as_array, named
from howfar.errors import HowfarError, InputError, one_line
from howfar.option_checks_and_signatures import picked
from howfar.options import Fits
from howfar.options_by_function import BackboneOptions
from howfar.protocols import Backbone
from howfar.results.display_and_shared_records import plain

if TYPE_CHECKING:
    from torch import nn


SIDE = 224  # side in pixels of the pictures that a function is given, where the caller says nothing else


class FunctionBackbone(ResizingBackbone):
    """Wrap a caller's function as a backbone; without a name (`stored` is False) its features are kept for this run alone."""

    def __init__(self, call: Callable[[NDArray[np.uint8]], Any], name: str | None, preprocess: Preprocess) -> None:
        self._call, self._preprocess, self._lock = call, preprocess, threading.Lock()
        self.name = name or str(getattr(call, "__name__", None) or type(call).__name__)
        self.stored = name is not None
        token = {} if self.stored else {"unnamed": secrets.token_hex(8)}
        described = {"preprocessing": preprocess.describe(), "dtype": "float32"}
        self.identity: Mapping[str, Any] = {"kind": "function", "name": self.name, **token, **described}
        self.layers = (self.embed(np.zeros((1, *preprocess.size, preprocess.channels), np.uint8)).shape[1],)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without the lock, which cannot be pickled."""
        return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the state with a new lock."""
        self.__dict__.update(state, _lock=threading.Lock())

    def embed(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        """Call the function with (b, height, width, 3) uint8, and return its features as (b, q) float32."""
        self._preprocess.check_batch(batch)
        torch = sys.modules.get("torch")
        try:
            with self._lock, nullcontext() if torch is None else torch.no_grad():
                returned = self._call(batch)
        except HowfarError:
            raise
        except Exception as error:  # code of the caller's, which may raise anything
            raise HowfarError(
                f"the function {self.name} failed on uint8 {batch.shape} ({type(error).__name__}: {one_line(error)})"
            ) from error
        features = as_array(returned)
        if features is None or features.dtype.kind not in "fiub" or features.ndim < 2 or len(features) != len(batch):
            rule = f"must return an array or tensor of (b, q) numbers, here ({len(batch)}, q)"
            raise InputError(f"the function {self.name} {rule}, got {named(returned)}")
        rows = np.ascontiguousarray(features.reshape(len(batch), -1), dtype=np.float32)
        if not rows.shape[1] or not np.isfinite(rows).all():
            received = "NaN or infinity" if rows.shape[1] else "none"
            raise InputError(f"the function {self.name} must return finite numbers, got {received}")
        return rows


def function(
    call: Callable[[NDArray[np.uint8]], Any],
    name: str | None = None,
    *,
    size: int | Sequence[int] = SIDE,
    fit: Fits = "stretch",
    via: int | None = None,
    channels: int = 3,
) -> FunctionBackbone:
    """Make a backbone from a function that maps a batch of images to features.

    `call` takes a NumPy array (b, height, width, 3) of uint8, RGB, and returns an array or tensor of (b, q) numbers; (b, ...)
    is flattened in C order. It is called for one batch at a time, first with one black picture, and must give an image the same
    features whatever else is in the batch. Features are stored under `name`, the size and the fit, so give a function that has
    changed another name; without a name they are kept for one run. `size` is a side or (height, width) in pixels; `fit` and
    `via` are those of `howfar.load_backbone`; `channels` is the number of bands where pictures are no RGB. A function that
    fails or returns no features, or a wrong option, raises `HowfarError`.

    Examples
    --------
    >>> means = function(lambda batch: batch.mean(axis=(1, 2)), "mean-colour", size=32)
    >>> means.layers, means.identity["name"]
    ((3,), 'mean-colour')
    """
    if name is not None and not name.strip():
        raise InputError.of("name", "must be text", name, "leave it out for a function without an identity")
    options = Options(size=size, fit=fit, via=via, channels=channels)
    height, width = options.sides
    return FunctionBackbone(call, name, Preprocess.of(options, (height, width), (0.5,) * options.channels))


BackboneArgument: TypeAlias = "str | Backbone | nn.Module | Callable[[NDArray[np.uint8]], Any]"
"""One backbone: `as_backbone` says what serves."""
OF_MODULES: Final = ("device", "size", "mean", "std", "fit", "via", "pool", "engine", "precision", "channels")
OF_FUNCTIONS: Final = ("size", "fit", "via", "channels")  # the options of `howfar.load_backbone` that a function takes
MUST_BE: Final = "backbone must be a registered name, a torch module, a function of a batch, or a loaded backbone"
_MEMBERS: Final = ("name", "layers", "identity", "prepare", "embed")


def as_backbone(backbone: BackboneArgument, options: BackboneOptions | None = None) -> Backbone:
    """Convert an argument (name, torch module, function or loaded backbone) to a backbone.

    A registered name's network (see ``howfar backbones``) is built when it first embeds an image. A loaded backbone is returned
    as it is.

    A torch module is copied, put in evaluation mode, and given (b, 3, 224, 224) float32 RGB of 0-1; the options `size`, `mean`
    and `std` say otherwise, and a network of timm's tells its own. Its output, a tensor of (b, ...) or several, is the feature,
    flattened; `pool` takes the mean over positions. Its identity is a hash of its weights and of its structure. Use
    `howfar.backbones.module` for the outputs of inner layers.

    A function maps (b, 224, 224, 3) uint8, RGB, to (b, q); its features are not stored unless `howfar.backbones.function` names
    it.

    Anything else, and an option that the kind does not take, raises `HowfarError`.

    Examples
    --------
    >>> as_backbone(lambda batch: batch.mean(axis=(1, 2)), {"size": 32}).layers
    (3,)
    """
    given = picked(BackboneOptions, cast("Mapping[str, Any]", options or {}))
    if isinstance(backbone, str):
        return known_backbone(backbone, **given)
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(backbone, torch.nn.Module):
        taken = _taken("a torch module", with_channels(given), OF_MODULES)
        whole: Any = getattr(backbone, "_orig_mod", backbone)  # torch.compile's and DataParallel's own modules hold the network
        whole = getattr(whole, "module", whole) if "DataParallel" in type(whole).__name__ else whole
        for key, weight in whole.named_parameters():
            # On the meta device, or in a lazy layer that has not run, a parameter has no values yet.
            if weight.is_meta or type(weight).__name__ == "UninitializedParameter":
                remedy = "load them, or run it once"
                raise InputError.of("backbone", "must be a module with weights", f"{key} without values", remedy)
        own: Mapping[str, Any] = getattr(whole, "pretrained_cfg", None) or {}
        height, width = taken.sides or tuple(own.get("input_size", ())[1:]) or (SIDE, SIDE)
        mean = for_channels(taken.mean or own.get("mean") or (0.0, 0.0, 0.0), taken.channels)
        return module(
            whole,
            "",
            Preprocess.of(taken, (int(height), int(width)), mean),
            mean=mean,
            std=for_channels(taken.std or own.get("std") or (1.0, 1.0, 1.0), taken.channels),
            pool=given.get("pool") is True,
            name=type(whole).__name__,
            device=taken.device,
            engine="torch" if taken.engine == "auto" else taken.engine,
            precision=taken.precision,
        )
    if not isinstance(backbone, type) and all(hasattr(backbone, member) for member in _MEMBERS):
        _taken("a backbone that is loaded already", given, ())
        return cast(Backbone, backbone)
    if isinstance(backbone, type) or not callable(backbone):
        what = f"the class {backbone.__name__}: pass an instance" if isinstance(backbone, type) else type(backbone).__name__
        raise InputError(f"{MUST_BE}, got {what}")
    taken = _taken("a function", with_channels(given), OF_FUNCTIONS)
    side = SIDE if taken.size is None else taken.size
    return function(backbone, size=side, fit=taken.fit, via=taken.via, channels=taken.channels)


def as_loaded(backbone: BackboneArgument, options: Mapping[str, Any]) -> dict[str, Any]:
    """Describe a call of `load_backbone` as JSON values with absolute paths; empty for a backbone that was loaded elsewhere."""
    if not isinstance(backbone, str):
        return {}
    family, colon, model = backbone.partition(":")
    # A timm model's name is never a path, whatever lies in this folder.
    if colon and family != "timm" and Path(model).expanduser().exists():
        model = str(Path(model).expanduser().absolute())
    chosen = {name: value for name, value in options.items() if value is not None}
    if "weights" in chosen:
        chosen["weights"] = str(Path(chosen["weights"]).expanduser().absolute())
    return {"name": f"{family}{colon}{model}", **plain(chosen)}


def is_stored(backbone: Backbone) -> bool:
    """Return whether a backbone's features may be stored for reuse; only features of an unnamed function may not."""
    return not isinstance(backbone, FunctionBackbone) or backbone.stored


def _taken(kind: str, given: BackboneOptions, known: tuple[str, ...]) -> Options:
    idle = [name for name in given if name not in known]
    if idle:
        remedy = f"it takes {', '.join(known)}" if known else "leave them out"
        raise InputError.of("options", f"are of no use to {kind}", ", ".join(idle), remedy)
    return Options(**given)  # type: ignore[arg-type]  # the same names, checked there
