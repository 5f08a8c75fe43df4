"""Define `BackboneTests`, a pytest class that a plug-in inherits to test its backbone."""

import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar
from unittest import SkipTest

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from howfar.errors import InputError
from howfar.protocols import Backbone

TOLERANCE = 1e-5


class BackboneTests(ABC):
    """Check what every backbone must keep; inherit it in a class whose name starts with ``Test``, and define `make`.

    `length` is the length q of the feature, where the subclass knows it.

    Examples
    --------
    >>> from howfar.backbones import load_backbone
    >>> class TestMoments(BackboneTests):
    ...     length = 6
    ...     def make(self, **options):
    ...         return load_backbone("colour_moments", **options)
    >>> TestMoments().test_shape_and_dtype()
    """

    length: ClassVar[int | None] = None

    @abstractmethod
    def make(self, **options: Any) -> Backbone:
        """Build the backbone with these options and the subclass's own."""

    def changes(self) -> Iterable[Mapping[str, Any]]:
        """List options for `make` that each change the feature: weights, pooling, preprocessing."""
        return ()

    def test_protocol(self) -> None:
        """Check that a backbone has a name, layers of whole positive lengths, and a JSON identity that names no device."""
        backbone = self.make(device="cpu")
        assert backbone.name
        assert isinstance(backbone.layers, tuple)
        assert backbone.layers
        assert all(isinstance(part, int) and part > 0 for part in backbone.layers)
        text = json.dumps(dict(backbone.identity), allow_nan=False)
        assert json.loads(text) == dict(backbone.identity)
        assert backbone.identity["dtype"] == "float32"
        assert "device" not in text

    def test_shape_and_dtype(self) -> None:
        """Check that `embed` gives contiguous, finite float32 of (b, q), where layers sum to q, and tells images apart."""
        backbone = self.make()
        features = backbone.embed(_batch(backbone, 4))
        assert features.dtype == np.float32
        assert features.shape == (4, sum(backbone.layers))
        assert features.flags.c_contiguous
        assert np.isfinite(features).all()
        assert self.length is None or features.shape[1] == self.length
        assert len(np.unique(features, axis=0)) == 4

    def test_deterministic(self) -> None:
        """Check that identity and feature are the same, bit for bit, also built again, and a read-only batch is accepted."""
        first, second = self.make(), self.make()
        assert dict(first.identity) == dict(second.identity)
        batch = _batch(first, 2)
        batch.flags.writeable = False
        features = first.embed(batch)
        np.testing.assert_array_equal(features, first.embed(batch.copy()))
        np.testing.assert_array_equal(features, second.embed(_batch(second, 2)))

    def test_batch_size_does_not_matter(self) -> None:
        """Check that six images at once and one by one give the same features, within 1e-5 of the largest value."""
        backbone = self.make()
        batch = _batch(backbone, 6)
        before = batch.copy()
        singly = np.concatenate([backbone.embed(batch[i : i + 1]) for i in range(6)])
        _assert_close(backbone.embed(batch), singly)
        np.testing.assert_array_equal(batch, before)

    def test_threads(self) -> None:
        """Check that several threads at once get the features that one thread gets."""
        backbone = self.make()
        batches = [_batch(backbone, 2, seed) for seed in range(4)]
        expected = [backbone.embed(batch) for batch in batches]
        with ThreadPoolExecutor(4) as pool:
            computed = list(pool.map(backbone.embed, batches))
        for features, alone in zip(computed, expected, strict=True):
            _assert_close(features, alone)

    def test_no_gradients(self) -> None:
        """Check that `embed` records no gradients, even where the caller enables them, and keeps the caller's setting."""
        backbone = self.make()
        batch = _batch(backbone, 1)
        if "torch" not in sys.modules:
            return
        import torch

        with torch.enable_grad(), _recorder() as recording:
            backbone.embed(batch)
            assert torch.is_grad_enabled()
        assert not recording.tracked, f"gradients recorded in {recording.tracked}"

    def test_device_move(self) -> None:
        """Check that features on a GPU, where there is one, are those of the CPU, within 1e-3 of the largest value."""
        device = _gpu()
        if device is None:
            raise SkipTest("no GPU to move to")
        on_cpu = self.make(device="cpu")
        batch = _batch(on_cpu, 3)
        try:
            on_gpu = self.make(device=device)
        except InputError as error:
            raise SkipTest(f"{on_cpu.name} runs on the CPU alone") from error
        assert dict(on_gpu.identity) == dict(on_cpu.identity)
        _assert_close(on_gpu.embed(batch), on_cpu.embed(batch), 1e-3)

    def test_identity_follows_the_feature(self) -> None:
        """Check that each of `changes` has an identity of its own, and a feature of its own."""
        backbones = [self.make(), *(self.make(**options) for options in self.changes())]
        identities = {json.dumps(dict(backbone.identity), sort_keys=True) for backbone in backbones}
        assert len(identities) == len(backbones), "two kinds of feature share an identity"
        picture = _picture(40, 100, seed=0)
        features = {backbone.embed(backbone.prepare(picture)[None]).tobytes() for backbone in backbones}
        assert len(features) == len(backbones), "an option changes the identity and not the feature"

    def test_odd_images(self) -> None:
        """Check that grey, opaque, palette, tiny and very long images are prepared like their RGB conversion, unchanged."""
        backbone = self.make()
        normal, picture = backbone.prepare(_picture(64, 48, seed=0)), _picture(30, 20, seed=1)
        for image in (picture.convert("L"), picture.convert("RGBA"), picture.quantize(16)):
            before = image.tobytes()
            np.testing.assert_array_equal(backbone.prepare(image), backbone.prepare(image.convert("RGB")))
            assert image.tobytes() == before
        prepared = [backbone.prepare(_picture(*size, seed=2)) for size in ((1, 1), (4, 4), (1000, 5), (5, 1000))]
        assert all(array.shape == normal.shape and array.dtype == normal.dtype for array in prepared)
        assert np.isfinite(backbone.embed(np.stack(prepared))).all()


def _picture(width: int, height: int, seed: int) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


def _batch(backbone: Backbone, count: int, seed: int = 0) -> NDArray[Any]:
    return np.stack([backbone.prepare(_picture(50 + i, 40, seed=100 * seed + i)) for i in range(count)])


def _gpu() -> str | None:
    """Give torch's name of the GPU, if there is one."""
    import torch

    return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else None


def _assert_close(features: NDArray[np.float32], expected: NDArray[np.float32], tolerance: float = TOLERANCE) -> None:
    # Relative to the row's largest value, since many values are 0 or nearly so after a rectifier.
    scale = np.abs(expected).max(axis=1, keepdims=True)
    assert (np.abs(features - expected) <= tolerance * scale).all(), f"features differ by more than {tolerance:g}"


def _recorder() -> Any:
    """Collect the torch functions whose result records gradients."""
    import torch
    from torch.overrides import TorchFunctionMode

    class Recorder(TorchFunctionMode):
        def __init__(self) -> None:
            super().__init__()
            self.tracked: list[str] = []

        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = func(*args, **(kwargs or {}))
            if isinstance(result, torch.Tensor) and result.requires_grad:
                self.tracked.append(getattr(func, "__name__", str(func)))
            return result

    return Recorder()
