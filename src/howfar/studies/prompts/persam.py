"""Prompt SAM by one reference image and its mask, as PerSAM-F does.

Zhang et al., "Personalize Segment Anything Model with One Shot" (ICLR 2024, https://arxiv.org/abs/2305.03048). The target's
feature is half the mean and half the maximum of the encoder's features over the mask. In another image SAM is prompted with
the points that are most and least similar to it, by cosine. SAM's three proposals are mixed with three weights that sum to 1,
of which two are fitted to the reference; SAM itself does not change. Two more passes refine the result: with the mask's
logits, then with the logits and the box of that mask.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, interpolate

from howfar.data.masks import resize_mask
from howfar.errors import InputError
from howfar.studies.prompts.prompt import Prompt, box_of
from howfar.studies.prompts.sam import EncodedImage, Sam

RATE = 1e-3
VERSION = 2
"""Version of how a reference is learnt from and images are segmented; another number makes the maps again."""
_FOCUS, _BALANCE = 2.0, 0.25


@dataclass(frozen=True)
class Personal:
    """Hold what was learnt from the reference: its unit feature (channels,), and the weights of SAM's first two proposals."""

    target: Tensor
    weights: tuple[float, float]

    def weigh(self, logits: Tensor) -> Tensor:
        """Mix the proposals (3, s, s) into one (s, s)."""
        first, second = self.weights
        return first * logits[0] + second * logits[1] + (1 - first - second) * logits[2]


def personalise(sam: Sam, picture: Image.Image, mask: NDArray[np.bool_], steps: int, rate: float = RATE) -> Personal:
    """Learn from one image and its mask: fit two weights by AdamW on Dice and focal loss, beginning at a third each.

    The rate falls from `rate` to 0 along half a cosine over the steps, so that a weight moves by about `rate` · `steps` / 2 at
    most. A mask of another size than its image, or without foreground, raises `InputError`.
    """
    if mask.shape != (picture.height, picture.width):
        shape = f"{mask.shape[0]}×{mask.shape[1]}"
        raise InputError.of("the reference's mask", f"must be {picture.height}×{picture.width}, as its picture", shape)
    if not mask.any():
        raise InputError.of("the reference's mask", "must have foreground", "none")
    encoded = sam.encode(picture)
    # Clones, since tensors made in inference mode cannot take part in gradients.
    target = _target(sam, encoded, mask).clone()
    logits = sam.masks(encoded, locate(sam, encoded, target)).logits.clone()
    proposals = torch.stack([sam.enlarged(encoded, proposal) for proposal in logits])
    truth = torch.from_numpy(mask.astype(np.float32)).to(sam.device)
    weights = torch.full((2,), 1 / 3, device=sam.device, requires_grad=True)
    optimiser = torch.optim.AdamW([weights], lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=steps)
    for _ in range(steps):
        mixed = weights[0] * proposals[0] + weights[1] * proposals[1] + (1 - weights.sum()) * proposals[2]
        loss = _dice(mixed, truth) + _focal(mixed, truth)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch's own is not annotated
        optimiser.step()
        schedule.step()
    first, second = weights.detach().tolist()
    return Personal(target, (first, second))


def locate(sam: Sam, encoded: EncodedImage, target: Tensor) -> Prompt:
    """Choose the point most similar to the target as foreground, and the least similar as background."""
    cosines = interpolate(_cosines(encoded, target)[None, None], (sam.side, sam.side), mode="bilinear", align_corners=False)
    inner = cosines[0, 0, : encoded.inner[0], : encoded.inner[1]]
    points = []
    for index in (int(inner.argmax()), int(inner.argmin())):
        row, column = divmod(index, inner.shape[1])
        points.append(((column + 0.5) / encoded.scale[0], (row + 0.5) / encoded.scale[1]))
    return Prompt(points=tuple(points), labels=(1, 0))


def by_example(sam: Sam, personal: Personal, encoded: EncodedImage) -> tuple[NDArray[np.float32], Prompt]:
    """Predict probabilities of another image, and return the points that were chosen by similarity to the target."""
    prompt = locate(sam, encoded, personal.target)
    logits = personal.weigh(sam.masks(encoded, prompt).logits)
    logits = sam.masks(encoded, prompt, logits).best
    mask = sam.probabilities(encoded, logits) > 0.5
    if mask.any():
        boxed = Prompt(prompt.points, prompt.labels, box_of(mask).box)
        logits = sam.masks(encoded, boxed, logits).best
    return sam.probabilities(encoded, logits), prompt


def _target(sam: Sam, encoded: EncodedImage, mask: NDArray[np.bool_]) -> Tensor:
    """Halve the sum of each channel's mean and maximum over the grid cells that the mask touches, and scale it to length 1."""
    grid = int(encoded.embedding.shape[-1])
    inner = [max(1, min(grid, round(side * grid / sam.side))) for side in encoded.inner]
    # `resize_mask` keeps lines one pixel wide.
    touched = torch.zeros((grid, grid), dtype=torch.bool)
    touched[: inner[0], : inner[1]] = torch.from_numpy(resize_mask(mask, inner[0], inner[1]))
    cells = encoded.embedding[0][:, touched.to(encoded.embedding.device)]
    typical = (cells.mean(dim=1) + cells.amax(dim=1)) / 2
    target: Tensor = typical / typical.norm().clamp_min(1e-12)
    return target


def _cosines(encoded: EncodedImage, target: Tensor) -> Tensor:
    features = encoded.embedding[0]
    cosines: Tensor = torch.einsum("chw,c->hw", features / features.norm(dim=0, keepdim=True).clamp_min(1e-12), target)
    return cosines


def _dice(logits: Tensor, truth: Tensor) -> Tensor:
    p = logits.sigmoid()
    return 1 - (2 * (p * truth).sum() + 1) / (p.sum() + truth.sum() + 1)


def _focal(logits: Tensor, truth: Tensor) -> Tensor:
    """Compute the focal loss (Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017) with its γ = 2 and α = 0.25."""
    entropy = binary_cross_entropy_with_logits(logits, truth, reduction="none")
    p = logits.sigmoid()
    wrong = p * (1 - truth) + (1 - p) * truth
    balance = _BALANCE * truth + (1 - _BALANCE) * (1 - truth)
    loss: Tensor = (balance * wrong**_FOCUS * entropy).mean()
    return loss
