"""Losses against their formulas, written out in NumPy, and the share of the learning rate over a training."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from howfar import registry
from howfar.training import optimisation


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
    assert float(optimisation.dice([maps[0][:1]], masks[:1])) > 0.7
    kept = float(optimisation.dice([maps[0][1:]], masks[1:]))
    assert abs(float(optimisation.dice(maps, masks)) - kept) < 0.1


NAMES = ("constant", "cosine", "poly", "step")
MANY = [k / 1000 for k in range(1001)]


@pytest.mark.parametrize("name", NAMES)
def test_shares_lie_within_0_and_1_and_the_first_step_learns(name: str) -> None:
    shares = list(map(registry.load("schedules", name), MANY))
    assert all(0 <= share <= 1 for share in shares)
    assert shares[0] > 0
    assert max(shares) == 1
