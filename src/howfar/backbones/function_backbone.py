"""Turn any function of a batch of pictures into a backbone."""

from __future__ import annotations

import secrets
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from howfar.backbones.preprocessing import Preprocess
from howfar.data.pixel_values import as_array, named
from howfar.errors import HowfarError, InputError, one_line
from howfar.options import Fits

SIDE = 224
"""Side in pixels of the pictures that a function is given, where the caller says nothing else."""


class FunctionBackbone:
    """Compute features by a function of the caller's; `function` makes it, and says what the function is given and returns.

    `stored` is False where the function has no name that stands for it: then its features are kept for this run alone.
    """

    def __init__(self, call: Callable[[NDArray[np.uint8]], Any], name: str | None, preprocess: Preprocess) -> None:
        self._call, self._preprocess, self._lock = call, preprocess, threading.Lock()
        self.name = name or _name(call)
        self.stored = name is not None
        token = {} if self.stored else {"unnamed": secrets.token_hex(8)}
        self._identity = {
            "kind": "function",
            "name": self.name,
            **token,
            "preprocessing": preprocess.describe(),
            "dtype": "float32",
        }
        self.layers = (self.embed(np.zeros((1, *preprocess.size, 3), np.uint8)).shape[1],)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the lock out, which does not go to another process."""
        return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Make a new lock."""
        self.__dict__.update(state, _lock=threading.Lock())

    @property
    def identity(self) -> Mapping[str, Any]:
        """Give the name that stands for the function, and the preprocessing, as JSON values."""
        return self._identity

    def prepare(self, image: Image) -> NDArray[np.uint8]:
        """Resize an image as `Preprocess` does."""
        return self._preprocess(image)

    def embed(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        """Call the function with (b, height, width, 3) uint8, and return what it gives as (b, q) float32.

        Raises `InputError` where it gives something else, and `HowfarError` where it fails.
        """
        self._preprocess.check_batch(batch)
        try:
            with self._lock, _without_gradients():
                returned = self._call(batch)
        except HowfarError:
            raise
        except Exception as error:  # code of the caller's, which may raise anything
            raise HowfarError(f"the function {self.name} failed on uint8 {batch.shape} ({_why(error)})") from error
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
) -> FunctionBackbone:
    """Make a backbone of a function from a batch of pictures to their features.

    Parameters
    ----------
    call
        Takes a NumPy array (b, height, width, 3) of uint8, RGB, and returns an array or tensor of (b, q) numbers; (b, ...) is
        flattened in C order. It is called for one batch at a time, first with one black picture, and must give an image the
        same features whatever else is in the batch.
    name
        What stands for the function in the store and in results, with the size and the fit. Features are kept under it, so give
        a function that has changed another name. Without it, features are kept for one run alone, since nothing tells one
        function from another.
    size
        Side of the pictures, or (height, width), in pixels.
    fit, via
        How images are brought to that size, as `howfar.load_backbone` takes them.

    Raises
    ------
    HowfarError
        The function fails or returns no features of a black picture, or an option is wrong.

    Examples
    --------
    >>> means = function(lambda batch: batch.mean(axis=(1, 2)), "mean-colour", size=32)
    >>> means.layers, means.identity["name"]
    ((3,), 'mean-colour')
    """
    from howfar.backbones.family import Options

    if name is not None and not name.strip():
        raise InputError.of("name", "must be text", name, "leave it out for a function without an identity")
    options = Options(size=size, fit=fit, via=via)
    height, width = options.sides
    return FunctionBackbone(call, name, Preprocess((height, width), options.fit, options.via))


def _without_gradients() -> Any:
    """Have torch, where the caller has loaded it, record nothing."""
    torch = sys.modules.get("torch")
    return nullcontext() if torch is None else torch.no_grad()


def _name(call: Any) -> str:
    return str(getattr(call, "__name__", None) or type(call).__name__)


def _why(error: Exception) -> str:
    return f"{type(error).__name__}: {one_line(error)}"
