"""Losses by name: of logits (b, 1, h, w) and masks of 0 and 1, a mean over the batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from howfar import registry

Loss: TypeAlias = Callable[[Sequence[Tensor], Tensor], Tensor]

_SMOOTH = 1.0


def named(name: str) -> Loss:
    """Return the loss that is registered as `name`: (maps of logits, masks) -> scalar.

    Raises
    ------
    UnknownNameError
        No such loss; the line lists the known ones.

    Examples
    --------
    >>> round(float(named("bce")([torch.zeros(1, 1, 2, 2)], torch.ones(1, 1, 2, 2))), 3)
    0.693
    """
    loss: Loss = registry.load("losses", name)
    return loss


def bce(maps: Sequence[Tensor], masks: Tensor) -> Tensor:
    """Binary cross-entropy of the last map, −[y ln p + (1 − y) ln(1 − p)], mean over the pixels.

    Parameters
    ----------
    maps
        Logits (b, 1, h, w), one or several maps.
    masks
        (b, 1, h, w) of 0 and 1.

    Examples
    --------
    >>> round(float(bce([torch.tensor([[[[0.0, 100.0]]]])], torch.ones(1, 1, 1, 2))), 3)
    0.347
    """
    return functional.binary_cross_entropy_with_logits(maps[-1], masks)


def dice(maps: Sequence[Tensor], masks: Tensor) -> Tensor:
    """1 − Dice of the last map, over the whole batch: 1 − (2 Σ p y + 1) / (Σ p + Σ y + 1).

    Milletari, Navab & Ahmadi, "V-Net" (3DV 2016). Sums run over the batch, so that a picture without foreground has no
    loss of its own that the slightest p would set to 1.

    Examples
    --------
    >>> float(dice([torch.full((1, 1, 2, 2), 100.0)], torch.ones(1, 1, 2, 2)))
    0.0
    """
    p = torch.sigmoid(maps[-1])
    return 1.0 - (2.0 * (p * masks).sum() + _SMOOTH) / (p.sum() + masks.sum() + _SMOOTH)


def bce_dice(maps: Sequence[Tensor], masks: Tensor) -> Tensor:
    """Sum of `bce` and `dice`.

    Examples
    --------
    >>> maps, masks = [torch.zeros(1, 1, 2, 2)], torch.ones(1, 1, 2, 2)
    >>> bool(torch.isclose(bce_dice(maps, masks), bce(maps, masks) + dice(maps, masks)))
    True
    """
    return bce(maps, masks) + dice(maps, masks)


def soft_iou(maps: Sequence[Tensor], masks: Tensor) -> Tensor:
    """1 − soft intersection over union of the last map, 1 − (Σ p y + 1) / (Σ p + Σ y − Σ p y + 1), mean over the pictures.

    Examples
    --------
    >>> float(soft_iou([torch.full((1, 1, 2, 2), 100.0)], torch.ones(1, 1, 2, 2)))
    0.0
    """
    p = torch.sigmoid(maps[-1]).flatten(1)
    y = masks.flatten(1)
    both = (p * y).sum(1)
    return (1.0 - (both + _SMOOTH) / (p.sum(1) + y.sum(1) - both + _SMOOTH)).mean()


def bce_iou(maps: Sequence[Tensor], masks: Tensor) -> Tensor:
    """Sum of `bce` and `soft_iou`, as the SAM-Adapter is trained.

    Examples
    --------
    >>> maps, masks = [torch.zeros(1, 1, 2, 2)], torch.ones(1, 1, 2, 2)
    >>> bool(torch.isclose(bce_iou(maps, masks), bce(maps, masks) + soft_iou(maps, masks)))
    True
    """
    return bce(maps, masks) + soft_iou(maps, masks)


def deepcrack(maps: Sequence[Tensor], masks: Tensor) -> Tensor:
    """Sum of the binary cross-entropies of all maps: the fused one and those of the five scales (Zou et al., TIP 2019, eq. 4).

    Examples
    --------
    >>> one = torch.zeros(1, 1, 2, 2)
    >>> bool(torch.isclose(deepcrack([one] * 6, torch.ones(1, 1, 2, 2)), 6 * bce([one], torch.ones(1, 1, 2, 2))))
    True
    """
    return torch.stack([bce([one], masks) for one in maps]).sum()
