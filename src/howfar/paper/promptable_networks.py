"""Segment images by promptable networks: SAM by points and boxes, CLIPSeg by text, PerSAM-F by a reference image.

Zhang et al., "Personalize Segment Anything Model with One Shot" (ICLR 2024, https://arxiv.org/abs/2305.03048). The target's
feature is half the mean and half the maximum of the encoder's features over the mask. In another image SAM is prompted with
the points that are most and least similar to it, by cosine. SAM's three proposals are mixed with three weights that sum to 1,
of which two are fitted to the reference; SAM itself does not change. Two more passes refine the result: with the mask's
logits, then with the logits and the box of that mask.

Lüddecke & Ecker, "Image segmentation using text and image prompts" (CVPR 2022).
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, interpolate, pad

from howfar.backbones.backbone_family import Options
from howfar.backbones.published_vision_models import CLIPSEG_SIDE, SAM_MODEL, promptable, source_folder
from howfar.backbones.torch_backbone import resolve_device
from howfar.data.binary_masks import resize_mask
from howfar.errors import InputError
from howfar.training.losses_and_schedules import dice
from howfar.weights.hub_downloads import IMAGENET_MEAN, IMAGENET_STD, transformers_for
from howfar.weights.hub_models import random_model, read_model
from howfar.weights.state_dicts import hash_state_dict

TEXTS = ("road pavement surface", "a crack or multiple cracks", "cracks on a road")
"""The texts of the paper's fig. 12."""
VERSION = 2
"""Version of how a reference is learnt from and images are segmented; another number makes the maps again."""


@dataclass(frozen=True)
class Prompt:
    """Hold an image's prompt in pixel coordinates; the centre of the first pixel is (0.5, 0.5).

    `points` are (x, y), with `labels` of 1 for foreground or 0 for background; `box` is x and y of the upper left and of the
    lower right corner.
    """

    points: tuple[tuple[float, float], ...] = ()
    labels: tuple[int, ...] = ()
    box: tuple[float, float, float, float] | None = None
    text: str = ""


def points_of(mask: NDArray[np.bool_], foreground: int, background: int, rng: np.random.Generator) -> Prompt:
    """Draw points without replacement from the foreground and background of a mask (h, w), as an annotator would click.

    Where there are fewer pixels than points, there are fewer points.
    """
    if not mask.any():
        raise InputError.of("mask", "must have foreground to point at", "none")
    points: list[tuple[float, float]] = []
    labels: list[int] = []
    for label, count in ((1, foreground), (0, background)):
        rows, columns = np.nonzero(mask == bool(label))
        pixels = rng.choice(len(rows), min(count, len(rows)), replace=False)
        points += [(float(columns[pixel]) + 0.5, float(rows[pixel]) + 0.5) for pixel in pixels]
        labels += [label] * len(pixels)
    return Prompt(points=tuple(points), labels=tuple(labels))


def box_of(mask: NDArray[np.bool_]) -> Prompt:
    """Find the smallest box that contains a mask's foreground; a mask without any raises `InputError`."""
    rows, columns = np.nonzero(mask)
    if not len(rows):
        raise InputError.of("mask", "must have foreground for a box", "none")
    return Prompt(box=(float(columns.min()), float(rows.min()), float(columns.max()) + 1, float(rows.max()) + 1))


def box_and_point_of(mask: NDArray[np.bool_], rng: np.random.Generator) -> Prompt:
    """Find the box of a mask's foreground, and draw a background point outside it, if the box leaves room (fig. 11)."""
    box = box_of(mask).box
    left, top, right, bottom = (int(side) for side in box or ())
    boxed = np.zeros_like(mask)
    boxed[top:bottom, left:right] = True
    return replace(points_of(boxed, 0, 1, rng), box=box)


@dataclass(frozen=True)
class EncodedImage:
    """Hold SAM's embedding (1, channels, g, g), and (height, width) of the image and of its copy within the padded input."""

    embedding: Tensor
    size: tuple[int, int]
    inner: tuple[int, int]

    @property
    def scale(self) -> tuple[float, float]:
        """Return the scale factors of x and y from the image to the encoder's input."""
        return self.inner[1] / self.size[1], self.inner[0] / self.size[0]


def normalised(picture: Image.Image, size: tuple[int, int]) -> Tensor:
    """Resize an image to (width, height), and scale its colours as for ImageNet; return (3, height, width) float32."""
    pixels = np.asarray(picture.convert("RGB").resize(size, Image.Resampling.BILINEAR), dtype=np.float32) / 255
    scaled = (pixels - np.array(IMAGENET_MEAN, dtype=np.float32)) / np.array(IMAGENET_STD, dtype=np.float32)
    return torch.from_numpy(scaled.transpose(2, 0, 1).copy())


class Sam:
    """Load a frozen SAM with transformers; images are resized by their longer side and padded, as in the paper.

    `base` is a folder in the hub's format, by default the hub's cache or the hub; weights that are not `pretrained` are random,
    of one seed and of the folder's configuration.
    """

    def __init__(self, base: str | Path | None = None, *, pretrained: bool = True, device: str = "auto") -> None:
        self.device = resolve_device(device)
        library = transformers_for("sam")
        folder = None if base is None else Path(base).expanduser()
        model: Any
        if pretrained:
            model = read_model("sam", source_folder(SAM_MODEL, folder, option="sam"), library.SamModel.from_pretrained)
        else:
            config = library.SamConfig() if folder is None else library.SamConfig.from_pretrained(folder, local_files_only=True)
            model = random_model(lambda: library.SamModel(config))
        self.model = model.float().eval().requires_grad_(False).to(self.device)
        self.side = int(self.model.config.vision_config.image_size)
        self.weights = hash_state_dict(self.model.state_dict())

    @torch.inference_mode()
    def encode(self, picture: Image.Image) -> EncodedImage:
        """Encode an image once for all prompts."""
        longest = max(picture.size)
        width, height = (max(1, round(side * self.side / longest)) for side in picture.size)
        square = pad(normalised(picture, (width, height)), (0, self.side - width, 0, self.side - height))
        embedding = self.model.get_image_embeddings(square[None].to(self.device))
        return EncodedImage(embedding, (picture.height, picture.width), (height, width))

    @torch.inference_mode()
    def masks(self, encoded: EncodedImage, prompt: Prompt, before: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Compute three proposals for a prompt of points, a box or both; `before` are an earlier proposal's (s, s) logits.

        Returns (3, s, s) logits over the encoder's input, and their predicted quality.
        """
        x, y = encoded.scale
        inputs: dict[str, Any] = {}
        if prompt.points:
            points = [[point[0] * x, point[1] * y] for point in prompt.points]
            inputs["input_points"] = torch.tensor([[points]], device=self.device, dtype=torch.float32)
            inputs["input_labels"] = torch.tensor([[list(prompt.labels)]], device=self.device)
        if prompt.box is not None:
            corners = [value * factor for value, factor in zip(prompt.box, (x, y, x, y), strict=True)]
            inputs["input_boxes"] = torch.tensor([[corners]], device=self.device, dtype=torch.float32)
        if before is not None:
            inputs["input_masks"] = before[None, None]
        output = self.model(image_embeddings=encoded.embedding, multimask_output=True, **inputs)
        return output.pred_masks[0, 0].float(), output.iou_scores[0, 0].float()

    def best(self, encoded: EncodedImage, prompt: Prompt, before: Tensor | None = None) -> Tensor:
        """Compute the proposal with the highest predicted quality, (s, s), as `masks` does."""
        logits, quality = self.masks(encoded, prompt, before)
        return logits[int(quality.argmax())]

    @torch.inference_mode()
    def probabilities(self, encoded: EncodedImage, logits: Tensor) -> NDArray[np.float32]:
        """Compute the (height, width) probabilities of (s, s) logits, enlarged bilinearly to the image's size."""
        return self.enlarged(encoded, logits).sigmoid().cpu().numpy()

    def enlarged(self, encoded: EncodedImage, logits: Tensor) -> Tensor:
        """Enlarge (s, s) logits to the image's size, differentiably."""
        square = interpolate(logits[None, None], (self.side, self.side), mode="bilinear", align_corners=False)
        inner = square[..., : encoded.inner[0], : encoded.inner[1]]
        return interpolate(inner, encoded.size, mode="bilinear", align_corners=False)[0, 0]


@dataclass(frozen=True)
class Personal:
    """Hold the reference's unit feature (channels,), and the fitted weights of SAM's first two proposals."""

    target: Tensor
    weights: tuple[float, float]

    def weigh(self, logits: Tensor) -> Tensor:
        """Mix the proposals (3, s, s) into one (s, s)."""
        first, second = self.weights
        return first * logits[0] + second * logits[1] + (1 - first - second) * logits[2]


def personalise(sam: Sam, picture: Image.Image, mask: NDArray[np.bool_], steps: int, rate: float = 1e-3) -> Personal:
    """Learn from one image and its mask: fit two weights, starting at 1/3, with AdamW on Dice and focal loss.

    The rate falls to 0 along half a cosine, so that a weight moves by about `rate` · `steps` / 2 at most.
    """
    if mask.shape != (picture.height, picture.width):
        shape = f"{mask.shape[0]}×{mask.shape[1]}"
        raise InputError.of("the reference's mask", f"must be {picture.height}×{picture.width}, as its picture", shape)
    if not mask.any():
        raise InputError.of("the reference's mask", "must have foreground", "none")
    encoded = sam.encode(picture)
    # The target: each channel's mean and maximum, averaged, over the grid cells that the mask touches, scaled to length 1.
    grid = int(encoded.embedding.shape[-1])
    inner = [max(1, min(grid, round(side * grid / sam.side))) for side in encoded.inner]
    # `resize_mask` keeps lines one pixel wide.
    touched = torch.zeros((grid, grid), dtype=torch.bool)
    touched[: inner[0], : inner[1]] = torch.from_numpy(resize_mask(mask, inner[0], inner[1]))
    cells = encoded.embedding[0][:, touched.to(encoded.embedding.device)]
    typical = (cells.mean(dim=1) + cells.amax(dim=1)) / 2

    # Clones, since tensors made in inference mode cannot take part in gradients.
    target = (typical / typical.norm().clamp_min(1e-12)).clone()
    logits = sam.masks(encoded, locate(sam, encoded, target))[0].clone()
    proposals = torch.stack([sam.enlarged(encoded, proposal) for proposal in logits])
    truth = torch.from_numpy(mask.astype(np.float32)).to(sam.device)
    weights = torch.full((2,), 1 / 3, device=sam.device, requires_grad=True)
    optimiser = torch.optim.AdamW([weights], lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=steps)
    for _ in range(steps):
        mixed = weights[0] * proposals[0] + weights[1] * proposals[1] + (1 - weights.sum()) * proposals[2]
        loss = dice([mixed], truth) + _focal(mixed, truth)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch's own is not annotated
        optimiser.step()
        schedule.step()
    first, second = weights.detach().tolist()
    return Personal(target, (first, second))


def locate(sam: Sam, encoded: EncodedImage, target: Tensor) -> Prompt:
    """Choose the point most similar to the target as foreground, and the least similar as background."""
    features = encoded.embedding[0]
    cosines = torch.einsum("chw,c->hw", features / features.norm(dim=0, keepdim=True).clamp_min(1e-12), target)
    cosines = interpolate(cosines[None, None], (sam.side, sam.side), mode="bilinear", align_corners=False)
    inner = cosines[0, 0, : encoded.inner[0], : encoded.inner[1]]
    points = []
    for index in (int(inner.argmax()), int(inner.argmin())):
        row, column = divmod(index, inner.shape[1])
        points.append(((column + 0.5) / encoded.scale[0], (row + 0.5) / encoded.scale[1]))
    return Prompt(points=tuple(points), labels=(1, 0))


def by_example(sam: Sam, personal: Personal, encoded: EncodedImage) -> tuple[NDArray[np.float32], Prompt]:
    """Predict probabilities of another image; return them and the points chosen by similarity to the target."""
    prompt = locate(sam, encoded, personal.target)
    logits = personal.weigh(sam.masks(encoded, prompt)[0])
    logits = sam.best(encoded, prompt, logits)
    mask = sam.probabilities(encoded, logits) > 0.5
    if mask.any():
        boxed = Prompt(prompt.points, prompt.labels, box_of(mask).box)
        logits = sam.best(encoded, boxed, logits)
    return sam.probabilities(encoded, logits), prompt


def _focal(logits: Tensor, truth: Tensor) -> Tensor:
    """Compute the focal loss (Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017) with its γ = 2 and α = 0.25."""
    entropy = binary_cross_entropy_with_logits(logits, truth, reduction="none")
    p = logits.sigmoid()
    wrong = p * (1 - truth) + (1 - p) * truth
    loss: Tensor = ((0.25 * truth + 0.75 * (1 - truth)) * wrong**2 * entropy).mean()
    return loss


class ClipSeg:
    """Load a frozen CLIPSeg, which segments images by a text with an embedding computed once; `weights` as `base` of `Sam`."""

    def __init__(self, weights: str | Path | None = None, *, pretrained: bool = True, device: str = "auto") -> None:
        options = Options(weights=None if weights is None else Path(weights).expanduser(), pretrained=pretrained, device=device)
        self.device = resolve_device(device)
        self.model, self._embed = promptable(options, "clipseg")
        self.weights = hash_state_dict(self.model.state_dict())
        self._embeddings: dict[str, Tensor] = {}
        self.model.requires_grad_(False)

    @torch.inference_mode()
    def probabilities(self, picture: Image.Image, text: str) -> NDArray[np.float32]:
        """Compute the (height, width) probabilities that pixels match the text."""
        if text not in self._embeddings:
            # The tokens are created on the CPU.
            self.model.cpu()
            self._embeddings[text] = self._embed(text).to(self.device)
            self.model.to(self.device)
        batch = normalised(picture, (CLIPSEG_SIDE, CLIPSEG_SIDE))[None].to(self.device)
        logits = self.model(pixel_values=batch, conditional_embeddings=self._embeddings[text]).logits
        logits = logits.reshape(1, 1, *batch.shape[2:])
        enlarged = interpolate(logits.float(), (picture.height, picture.width), mode="bilinear", align_corners=False)
        return enlarged[0, 0].sigmoid().cpu().numpy()
