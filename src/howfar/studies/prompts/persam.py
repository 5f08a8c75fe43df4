"""PerSAM-F (Zhang et al., "Personalize Segment Anything Model with One Shot", ICLR 2024): SAM, told by one image and mask.

The target's feature is the mean of the encoder's over the mask. In another picture the places most and least like it, by
cosine, are the points that SAM is prompted with. SAM's three proposals are weighed by two numbers, the third being what is
left of 1, which are fitted to the one image; nothing of SAM changes. Two more passes refine: with the mask, then with its box.
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
from howfar.studies.prompts.sam import Sam, Seen

RATE = 1e-3
_FOCUS, _BALANCE = 2.0, 0.25


@dataclass(frozen=True)
class Personal:
    """What was learnt of one image: the target's unit feature (channels,), and the weights of SAM's first two proposals."""

    target: Tensor
    weights: tuple[float, float]

    def weigh(self, logits: Tensor) -> Tensor:
        """The proposals (3, s, s) as one (s, s)."""
        first, second = self.weights
        return first * logits[0] + second * logits[1] + (1 - first - second) * logits[2]


def personalise(sam: Sam, picture: Image.Image, mask: NDArray[np.bool_], steps: int, rate: float = RATE) -> Personal:
    """Learn a target of one picture and its mask: two numbers, by AdamW on Dice and focal loss, beginning at a third each.

    Raises
    ------
    InputError
        The mask is of another size than the picture, or has no foreground.
    """
    if mask.shape != (picture.height, picture.width):
        shape = f"{mask.shape[0]}×{mask.shape[1]}"
        raise InputError.of("the reference's mask", f"must be {picture.height}×{picture.width}, as its picture", shape)
    if not mask.any():
        raise InputError.of("the reference's mask", "must have foreground", "none")
    seen = sam.see(picture)
    # Clones, as what inference mode made takes part in no gradient.
    target = _target(sam, seen, mask).clone()
    logits = sam.masks(seen, locate(sam, seen, target)).logits.clone()
    whole = torch.stack([sam.enlarged(seen, one) for one in logits])
    truth = torch.from_numpy(mask.astype(np.float32)).to(sam.device)
    weights = torch.full((2,), 1 / 3, device=sam.device, requires_grad=True)
    optimiser = torch.optim.AdamW([weights], lr=rate)
    for _ in range(steps):
        mixed = weights[0] * whole[0] + weights[1] * whole[1] + (1 - weights.sum()) * whole[2]
        loss = _dice(mixed, truth) + _focal(mixed, truth)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch's own is not annotated
        optimiser.step()
    first, second = weights.detach().tolist()
    return Personal(target, (first, second))


def locate(sam: Sam, seen: Seen, target: Tensor) -> Prompt:
    """The place most like the target as foreground, the place least like it as background."""
    alike = interpolate(_cosines(seen, target)[None, None], (sam.side, sam.side), mode="bilinear", align_corners=False)
    inner = alike[0, 0, : seen.inner[0], : seen.inner[1]]
    places = []
    for at in (int(inner.argmax()), int(inner.argmin())):
        row, column = divmod(at, inner.shape[1])
        places.append(((column + 0.5) / seen.scale[0], (row + 0.5) / seen.scale[1]))
    return Prompt(points=tuple(places), labels=(1, 0))


def by_example(sam: Sam, personal: Personal, seen: Seen) -> tuple[NDArray[np.float32], Prompt]:
    """Probabilities of another picture, and the points that its own likeness to the target gave."""
    prompt = locate(sam, seen, personal.target)
    logits = personal.weigh(sam.masks(seen, prompt).logits)
    logits = sam.masks(seen, prompt, logits).best
    found = sam.probabilities(seen, logits) > 0.5
    if found.any():
        boxed = Prompt(prompt.points, prompt.labels, box_of(found).box)
        logits = sam.masks(seen, boxed, logits).best
    return sam.probabilities(seen, logits), prompt


def _target(sam: Sam, seen: Seen, mask: NDArray[np.bool_]) -> Tensor:
    """Mean of the embedding over the cells that the mask reaches, of length 1."""
    grid = int(seen.embedding.shape[-1])
    inner = [max(1, min(grid, round(side * grid / sam.side))) for side in seen.inner]
    # So that a line one pixel wide is not lost between the cells.
    reached = torch.zeros((grid, grid), dtype=torch.bool)
    reached[: inner[0], : inner[1]] = torch.from_numpy(resize_mask(mask, inner[0], inner[1]))
    cells = seen.embedding[0][:, reached.to(seen.embedding.device)]
    mean = cells.mean(dim=1)
    found: Tensor = mean / mean.norm().clamp_min(1e-12)
    return found


def _cosines(seen: Seen, target: Tensor) -> Tensor:
    features = seen.embedding[0]
    found: Tensor = torch.einsum("chw,c->hw", features / features.norm(dim=0, keepdim=True).clamp_min(1e-12), target)
    return found


def _dice(logits: Tensor, truth: Tensor) -> Tensor:
    p = logits.sigmoid()
    return 1 - (2 * (p * truth).sum() + 1) / (p.sum() + truth.sum() + 1)


def _focal(logits: Tensor, truth: Tensor) -> Tensor:
    """Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, with its own γ = 2 and α = 0.25."""
    each = binary_cross_entropy_with_logits(logits, truth, reduction="none")
    p = logits.sigmoid()
    wrong = p * (1 - truth) + (1 - p) * truth
    balance = _BALANCE * truth + (1 - _BALANCE) * (1 - truth)
    found: Tensor = (balance * wrong**_FOCUS * each).mean()
    return found
