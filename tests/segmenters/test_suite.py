"""The shipped suite finds each fault that it is there for."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from howfar.errors import InputError
from howfar.segmenters.segmenter_family import ArchitectureOptions, SegmenterFamily, TrainingDefaults
from howfar.testing import SegmenterTests

TESTS = sorted(name for name in dir(SegmenterTests) if name.startswith("test_"))


class SoundOptions(ArchitectureOptions):
    width: int = 4


class Sound(nn.Module):
    """One trained convolution each for maps and logits, behind a frozen one; to be broken in one way a time."""

    name = "sound"
    multiple: Any = 4

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fixed = nn.Conv2d(3, 3, 1).requires_grad_(False)
        self.features = nn.Conv2d(3, width, 4, stride=4)
        self.foreground = nn.Conv2d(width, 1, 1)

    def check(self, pictures: Tensor) -> None:
        if pictures.shape[2] % 4 or pictures.shape[3] % 4:
            raise InputError("sides")

    def encode(self, pictures: Tensor) -> Any:
        self.check(pictures)
        return (self.features(self.fixed(pictures)),)

    def forward(self, pictures: Tensor) -> Tensor:
        return nn.functional.interpolate(self.foreground(Sound.encode(self, pictures)[0]), scale_factor=4)

    def logits(self, pictures: Tensor) -> Any:
        return (self(pictures),)


def failures(network: type[Sound] = Sound, kind: type[ArchitectureOptions] = SoundOptions, **claims: Any) -> set[str]:
    def build(checked: Any, pretrained: object) -> Sound:
        return network(checked.width)

    family = SegmenterFamily("sound", kind, build, TrainingDefaults(), "", multiple=4)
    suite: Any = type("Suite", (SegmenterTests,), {"family": family, **claims})
    failed = set()
    for name in TESTS:
        try:
            getattr(suite(), name)()
        except (AssertionError, pytest.fail.Exception, RuntimeError, TypeError, ValueError, IndexError):
            failed.add(name)
    return failed


def broken(**parts: Any) -> type[Sound]:
    return type("Broken", (Sound,), parts)


def each(change: Any) -> type[Sound]:
    """Maps changed, the logits sound."""
    return broken(encode=lambda self, x: tuple(change(one) for one in Sound.encode(self, x)))


def whole(change: Any) -> type[Sound]:
    """Logits changed, the maps sound."""
    return broken(forward=lambda self, x: change(Sound.forward(self, x)))


class Shrinks(Sound):
    def encode(self, pictures: Tensor) -> Any:
        (found,) = Sound.encode(self, pictures)
        return (found if pictures.any() else found[..., 1:],)


def by_memory(self: Any, pictures: Tensor) -> Tensor:
    flat = torch.as_strided(pictures, (pictures.numel(),), (1,))
    return Sound.forward(self, flat.view(pictures.shape))


class Forgets(Sound):
    """What it draws is no part of its state."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.drawn = torch.rand(())

    def forward(self, pictures: Tensor) -> Tensor:
        return Sound.forward(self, pictures) + self.drawn


class Idle(Sound):
    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.head = nn.Linear(2, 2)


class Thaws(Sound):
    """Frozen until it is used."""

    def logits(self, pictures: Tensor) -> Any:
        self.fixed.requires_grad_(True)
        return Sound.logits(self, pictures)


@pytest.mark.parametrize(
    ("network", "found"),
    [
        (broken(name="other"), "test_protocol"),
        (whole(lambda one: one[:, 0]), "test_shape_and_dtype"),
        (whole(lambda one: one / 0), "test_shape_and_dtype"),
        (broken(logits=lambda self, x: (self(x), self(x) + 1)), "test_shape_and_dtype"),
        (broken(encode=lambda self, x: list(Sound.encode(self, x))), "test_maps"),
        (Shrinks, "test_maps"),
        (each(lambda one: 0 * one), "test_tells_pictures_apart"),
        (whole(lambda one: 0 * one), "test_tells_pictures_apart"),
        (broken(forward=lambda self, x: Sound.forward(self, x.mul_(0.5))), "test_deterministic"),
        (whole(lambda one: one - one.mean()), "test_pictures_do_not_affect_each_other"),
        (broken(check=lambda self, x: None), "test_sides_are_checked"),
        (broken(forward=by_memory), "test_layout_in_memory"),
        (Forgets, "test_weights_travel"),
        (Idle, "test_gradients"),
        (Thaws, "test_gradients"),
    ],
)
def test_faults_are_found(network: type[Sound], found: str) -> None:
    assert found in failures(network)


def test_claims_are_held_to() -> None:
    assert failures(length=4 * 16 * 16) == set()
    assert failures(length=4 * 16 * 16 + 1) == {"test_maps"}
    assert failures(refusal=KeyError) != set()
    assert failures(Idle, idle=("head.",)) == set()
