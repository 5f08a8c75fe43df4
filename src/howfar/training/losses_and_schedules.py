"""Define the losses and learning-rate schedules of trainings: cross-entropy, Dice, IoU; constant, cosine, poly, step."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

_SMOOTH = 1.0


def bce(maps: Sequence[Tensor], masks: Tensor) -> Tensor:
    """Compute the binary cross-entropy of the last map, the mean of −[y ln p + (1 − y) ln(1 − p)] over pixels."""
    return functional.binary_cross_entropy_with_logits(maps[-1], masks)


def dice(maps: Sequence[Tensor], masks: Tensor) -> Tensor:
    """Compute the Dice loss of the last map over the whole batch: 1 − (2 Σ p y + 1) / (Σ p + Σ y + 1).

    Milletari, Navab & Ahmadi, "V-Net" (3DV 2016). Sums run over the batch, since the loss of an image without foreground would
    be near 1 for the smallest p.
    """
    p = torch.sigmoid(maps[-1])
    return 1.0 - (2.0 * (p * masks).sum() + _SMOOTH) / (p.sum() + masks.sum() + _SMOOTH)


def bce_dice(maps: Sequence[Tensor], masks: Tensor) -> Tensor:
    """Add the losses `bce` and `dice`."""
    return bce(maps, masks) + dice(maps, masks)


def soft_iou(maps: Sequence[Tensor], masks: Tensor) -> Tensor:
    """Compute the soft IoU loss of the last map, the mean over images of 1 − (Σ p y + 1) / (Σ p + Σ y − Σ p y + 1)."""
    p = torch.sigmoid(maps[-1]).flatten(1)
    y = masks.flatten(1)
    both = (p * y).sum(1)
    return (1.0 - (both + _SMOOTH) / (p.sum(1) + y.sum(1) - both + _SMOOTH)).mean()


def bce_iou(maps: Sequence[Tensor], masks: Tensor) -> Tensor:
    """Add the losses `bce` and `soft_iou`, as for SAM-Adapter."""
    return bce(maps, masks) + soft_iou(maps, masks)


def deepcrack(maps: Sequence[Tensor], masks: Tensor) -> Tensor:
    """Add the binary cross-entropies of the fused map and the five scales' maps (Zou et al., TIP 2019, eq. 4)."""
    return torch.stack([bce([logits], masks) for logits in maps]).sum()


WARM_UP = 0.05


def constant(done: float) -> float:
    """Keep the learning rate constant."""
    return 1.0


def cosine(done: float) -> float:
    """Warm up linearly over the first 5 %, then decay by half a cosine to 0 (Loshchilov & Hutter, "SGDR", ICLR 2017)."""
    if done < WARM_UP:
        return max(done / WARM_UP, 0.01)
    return 0.5 * (1.0 + math.cos(math.pi * (done - WARM_UP) / (1.0 - WARM_UP)))


def poly(done: float) -> float:
    """Decay the rate polynomially, (1 − done)^0.9, as in DeepLab (Chen et al., TPAMI 2018)."""
    return float(max(1.0 - done, 0.0) ** 0.9)


def step(done: float) -> float:
    """Lower the rate to a tenth from 60 % on, and to a hundredth from 85 %."""
    return 1.0 if done < 0.6 else 0.1 if done < 0.85 else 0.01
