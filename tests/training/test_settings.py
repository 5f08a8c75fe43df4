"""Settings, losses and schedules of a training, its depthwise layers, threads, and the estimate of its time."""

from collections.abc import Callable, Iterator
from dataclasses import make_dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock, Mock

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from howfar import registry
from howfar.errors import HowfarError, InputError
from howfar.segmenters import segmenter_family
from howfar.training import lightning_module, losses_and_schedules, train
from howfar.training.lightning_module import Progress, depthwise_in_float32
from howfar.training.train import threads_of
from howfar.training.training_settings import THREADS, settings_for
from worlds.hub import go_offline, put_into_cache


@pytest.mark.parametrize("name", ["unetplusplus", "deepcrack", "adsam", "frozen"])
def test_what_is_not_given_is_the_segmenters_own(name: str) -> None:
    family = segmenter_family(name)
    further = make_dataclass("Further", [("warmup", int, 3)], bases=(type(family.training),), frozen=True)  # another package's
    found = settings_for(replace(family, training=further(**vars(family.training))), rate=None, seed=None)
    for field in ("size", "epochs", "batch", "loss", "schedule", "rate", "decay"):
        assert getattr(found, field) == getattr(family.training, field), field
    assert (found.augment, found.holdout, found.patience, found.keep, found.precision, found.seed) == (
        True, 0.1, None, "best", "32", 0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"size": 100}, "size must be a multiple of 32 for deepcrack, got 100: pass 96 or 128"),
        ({"rate": float("inf")}, "rate must"),
        ({"epoch": None}, "did you mean epochs?"),
        ({"patience": 3, "holdout": 0}, "patience needs held-out photographs to judge by, and holdout is 0, got 3: hold"),
        ({"loss": "dicee"}, "no losses named 'dicee'"),
        ({"steps": 2, "epochs": 3}, "steps must be at least 1 in each of the 3 epochs, got 2: pass 3, or fewer epochs"),
        ({"balance": 0.5, "batch": 1}, "balance needs a batch of at least two images, got 1: pass batch=2 or more"),
        ({"rescale": 0.4, "augment": False}, "rescale is a kind of augmentation, and augment is off, got 0.4"),
    ],
)
def test_what_breaks_a_rule_is_one_line(given: dict[str, Any], words: str) -> None:
    with pytest.raises(HowfarError) as caught:
        settings_for(segmenter_family("deepcrack"), **given)
    assert "\n" not in str(caught.value)
    assert words in str(caught.value)


def base(folder: Path, config: str) -> dict[str, Any]:
    (folder / "config.json").write_text(config)
    return {"base": str(folder)}


def test_the_options_tell_the_size(tmp_path: Path) -> None:
    adsam = segmenter_family("adsam")
    options = base(tmp_path, '{"model_type": "sam", "vision_config": {"image_size": 64}}')
    assert settings_for(adsam, options).size == settings_for(adsam, options, size=64).size == 64
    assert settings_for(adsam, {}).size == 1024
    line = r"size must be 64, the one side that adsam takes with its options, got 128: pass 64, or options of another side"
    with pytest.raises(InputError, match=line):
        settings_for(adsam, options, size=128)
    for given in ({}, {"base": "facebook/sam-vit-huge"}):
        with pytest.raises(InputError, match="size must be 1024, the one side"):
            settings_for(adsam, given, size=512)
    # UNet++ and DeepCrack take any.
    assert settings_for(segmenter_family("deepcrack"), {"width": 4}, size=64).size == 64


def test_a_base_in_the_hubs_cache_tells_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.json").write_text('{"vision_config": {"image_size": 96}}')
    put_into_cache(go_offline(monkeypatch, tmp_path / "cache"), "owner/sam", tmp_path)
    assert settings_for(segmenter_family("adsam"), {"base": "owner/sam"}).size == 96
    with pytest.raises(InputError, match="size must be 96"):
        settings_for(segmenter_family("adsam"), {"base": "owner/sam"}, size=64)


def drawn(count: int = 1, seed: int = 0) -> tuple[list[Tensor], Tensor]:
    generator = torch.Generator().manual_seed(seed)
    maps = [3 * torch.randn(4, 1, 6, 5, generator=generator, dtype=torch.float64) for _ in range(count)]
    masks = (torch.rand(4, 1, 6, 5, generator=generator) < 0.3).double()
    masks[0] = 0
    return maps, masks


def values(maps: list[Tensor], masks: Tensor) -> tuple[np.ndarray, np.ndarray]:
    return 1 / (1 + np.exp(-maps[-1].numpy())), masks.numpy()


def bce(maps: list[Tensor], masks: Tensor) -> float:
    p, y = values(maps, masks)
    return float(-(y * np.log(p) + (1 - y) * np.log(1 - p)).mean())


def dice(maps: list[Tensor], masks: Tensor) -> float:
    p, y = values(maps, masks)
    return float(1 - (2 * (p * y).sum() + 1) / (p.sum() + y.sum() + 1))


def soft_iou(maps: list[Tensor], masks: Tensor) -> float:
    found = []
    for p, y in zip(*values(maps, masks), strict=True):
        both = (p * y).sum()
        found.append(1 - (both + 1) / ((p + y - p * y).sum() + 1))
    return float(np.mean(found))


FORMULAS: dict[str, Callable[[list[Tensor], Tensor], float]] = {
    "bce": bce,
    "dice": dice,
    "bce_dice": lambda maps, masks: bce(maps, masks) + dice(maps, masks),
    "soft_iou": soft_iou,
    "bce_iou": lambda maps, masks: bce(maps, masks) + soft_iou(maps, masks),
    "deepcrack": lambda maps, masks: sum(bce([one], masks) for one in maps),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_the_formula(name: str) -> None:
    maps, masks = drawn(6)
    assert float(registry.load("losses", name)(maps, masks)) == pytest.approx(FORMULAS[name](maps, masks), rel=1e-12)


def test_a_picture_without_foreground_has_no_dice_of_its_own() -> None:
    maps, masks = drawn()
    maps[0][0] = -2.0
    # Alone, its loss would be near 1 however little is found in it.
    assert float(losses_and_schedules.dice([maps[0][:1]], masks[:1])) > 0.7
    kept = float(losses_and_schedules.dice([maps[0][1:]], masks[1:]))
    assert abs(float(losses_and_schedules.dice(maps, masks)) - kept) < 0.1


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, groups=8), nn.Conv2d(8, 8, 3, groups=4))


def dtypes(layers: nn.Sequential) -> list[torch.dtype]:
    seen: list[torch.dtype] = []
    handles = [layer.register_forward_hook(lambda _, __, out: seen.append(out.dtype)) for layer in layers]
    with torch.autocast("cpu", torch.bfloat16):
        layers(torch.ones(1, 3, 12, 12))
    for handle in handles:
        handle.remove()
    return seen


def test_depthwise_layers_alone_compute_in_float32_and_only_inside() -> None:
    layers = network()
    with depthwise_in_float32(layers):
        assert dtypes(layers) == [torch.bfloat16, torch.float32, torch.bfloat16]
    assert dtypes(layers) == [torch.bfloat16] * 3
    with pytest.raises(KeyError), depthwise_in_float32(layers):
        raise KeyError
    assert "forward" not in vars(layers[1])


def test_gradients_are_those_of_float32() -> None:
    layer = nn.Conv2d(8, 8, 3, groups=8)

    def gradient() -> Tensor:
        layer.zero_grad()
        layer(torch.arange(512.0).reshape(1, 8, 8, 8) / 512).square().sum().backward()
        assert layer.weight.grad is not None
        return layer.weight.grad.clone()

    exact = gradient()
    with torch.autocast("cpu", torch.bfloat16):
        rounded = gradient()
        with depthwise_in_float32(layer):
            torch.testing.assert_close(gradient(), exact, rtol=0, atol=0)
    assert not torch.equal(rounded, exact)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Make time pass by steps of the test's, without a bar."""
    now = [0.0]
    monkeypatch.setattr(lightning_module, "bar", MagicMock())
    monkeypatch.setattr(lightning_module.time, "monotonic", lambda: now[0])
    return now


def told(clock: list[float], capsys: pytest.CaptureFixture[str], models: int, seconds: float, steps: int = 20) -> list[str]:
    shown, trainer = Progress(models), Mock(estimated_stepping_batches=600, global_step=0)
    shown.on_train_start(trainer, None)
    for _ in range(steps):
        clock[0] += seconds
        shown.on_train_batch_end(trainer)
    return capsys.readouterr().err.splitlines()


def test_it_is_said_once_after_some_seconds(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    count = torch.get_num_threads()
    line = f"training takes at least 5 min 0 s: 600 steps of 0.50 s with {count} thread{'' if count == 1 else 's'}"
    assert told(clock, capsys, 1, 0.5) == [line]
    assert told(clock, capsys, 4, 0.5) == [f"{line}; 4 models like this at least 20 min 0 s"]
    assert told(clock, capsys, 0, 0.5) == told(clock, capsys, 1, 0.5, steps=4) == told(clock, capsys, 1, 3, steps=3) == []
    assert len(told(clock, capsys, 1, 3, steps=4)) == 1


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give torch the two threads of a machine of two cores, as by default."""
    before = torch.get_num_threads()
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(train, "available_cores", lambda: 2)
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def inside(state: Path) -> int:
    with threads_of(state):
        found = torch.get_num_threads()
    assert torch.get_num_threads() in (2, 3)
    return found


@pytest.mark.usefixtures("two")
def test_a_state_brings_its_threads_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = tmp_path / "a.state"
    assert inside(state) == 2
    torch.save({THREADS: 1, "history": []}, state)
    assert inside(state) == 1
    torch.set_num_threads(3)
    assert inside(state) == 3
    torch.set_num_threads(2)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert inside(state) == 2
