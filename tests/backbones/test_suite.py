"""The shipped suite finds each fault that it is there for."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any
from unittest import SkipTest

import numpy as np
import pytest
import torch

from howfar.backbones import load_backbone
from howfar.protocols import Backbone
from howfar.testing.backbone_suite import BackboneTests

TESTS = sorted(name for name in dir(BackboneTests) if name.startswith("test_"))


class Sound:
    """Colour moments, to be broken in one way a time."""

    name = "sound"
    layers: Any = (3, 3)

    def __init__(self, **options: Any) -> None:
        self.identity: Mapping[str, Any] = {"name": "sound", "dtype": "float32", **options}
        self._scale = np.float32(options.get("scale", 1))
        self._moments = load_backbone("colour_moments")

    def prepare(self, image: Any) -> Any:
        return self._moments.prepare(image)

    def embed(self, batch: Any) -> Any:
        return self._moments.embed(batch) * self._scale


def failures(make: Callable[..., Backbone], changes: tuple[Mapping[str, Any], ...] = ()) -> set[str]:
    class Suite(BackboneTests):
        length = 6

        def make(self, **options: Any) -> Backbone:
            options.pop("device", None)
            return make(**options)

        def changes(self) -> tuple[Mapping[str, Any], ...]:
            return changes

    failed = set()
    for name in TESTS:
        try:
            getattr(Suite(), name)()
        except SkipTest:
            continue
        except (AssertionError, ValueError, TypeError, IndexError):
            failed.add(name)
    return failed


def broken(**parts: Any) -> Callable[..., Backbone]:
    return type("Broken", (Sound,), parts)


def times(factor: Callable[[Any], float]) -> Callable[..., Backbone]:
    """Features that are multiplied by a number."""
    return broken(embed=lambda self, batch: Sound.embed(self, batch) * np.float32(factor(batch)))


def writes(self: Any, batch: Any) -> Any:
    batch[:] = batch * 1.0
    features = Sound.embed(self, batch)
    batch[:] = 0
    return features


def records(self: Any, batch: Any) -> Any:
    weight = torch.ones(1, requires_grad=True)
    return Sound.embed(self, batch) * (weight * 1).detach().numpy()


COUNTER = itertools.count()


def one_buffer(self: Any, batch: Any) -> Any:
    # Threads overwrite each other's features: the sleep hands over in between.
    import time

    self.shared = batch
    time.sleep(0.002)
    return Sound.embed(self, self.shared)


def only_rgb(self: Any, image: Any) -> Any:
    values = np.atleast_3d(np.asarray(image)).astype(float)[..., :1]
    return np.full((2, 3), values.mean() / 255) + np.arange(6).reshape(2, 3)


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (broken(name=""), "test_protocol"),
        (broken(layers=(3, 4)), "test_shape_and_dtype"),
        (broken(embed=lambda self, batch: Sound.embed(self, batch).astype(np.float64)), "test_shape_and_dtype"),
        (times(lambda batch: 0), "test_tells_pictures_apart"),
        (times(lambda batch: 1 + 1e-3 * next(COUNTER)), "test_deterministic"),
        (broken(embed=writes), "test_read_only_batch"),
        (times(lambda batch: 1 + 1e-4 * len(batch)), "test_batch_size_does_not_matter"),
        (broken(embed=one_buffer), "test_threads"),
        (broken(embed=records), "test_no_gradients"),
        (broken(identity={"dtype": "float16"}), "test_identity_is_json"),
        (broken(identity={"dtype": "float32", "device": "cpu"}), "test_identity_has_no_device"),
        (broken(prepare=only_rgb), "test_modes"),
        (broken(prepare=lambda self, image: np.asarray(image.convert("RGB"))), "test_odd_sizes"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_faults_are_found(make: Callable[..., Backbone], found: str) -> None:
    assert found in failures(_with_class_identity(make))


def _with_class_identity(make: Any) -> Callable[..., Backbone]:
    def made(**options: Any) -> Backbone:
        backbone: Backbone = make(**options)
        if "identity" in vars(make):
            backbone.identity = vars(make)["identity"]  # type: ignore[misc]  # a plain attribute of Sound
        return backbone

    return made
