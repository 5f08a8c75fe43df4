"""Segment images by SAM with point and box prompts (Kirillov et al., "Segment Anything", ICCV 2023)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate, pad

from howfar.backbones.hub_models import random_model, read_model
from howfar.backbones.published_transformers import SAM_MODEL, source_folder
from howfar.backbones.torch_backbone import resolve_device
from howfar.studies.prompts.prompt import Prompt
from howfar.weights.hub import IMAGENET_MEAN, IMAGENET_STD, transformers_for
from howfar.weights.state_dicts import hash_state_dict


@dataclass(frozen=True)
class EncodedImage:
    """Hold the embedding of an image by SAM, (1, channels, g, g).

    `size` is (height, width) of the image, `inner` that of its copy in the encoder's square input, whose rest is padding.
    """

    embedding: Tensor
    size: tuple[int, int]
    inner: tuple[int, int]

    @property
    def scale(self) -> tuple[float, float]:
        """Give the factors of x and of y from the image to the encoder's input."""
        return self.inner[1] / self.size[1], self.inner[0] / self.size[0]


@dataclass(frozen=True)
class Masks:
    """Hold SAM's three proposals for one prompt: (3, s, s) logits over the encoder's input, and their predicted quality."""

    logits: Tensor
    quality: Tensor

    @property
    def best(self) -> Tensor:
        """Select the proposal of the highest predicted quality, (s, s)."""
        return self.logits[int(self.quality.argmax())]


class Sam:
    """Load a frozen SAM by transformers; an image's longer side is resized to the encoder's, the rest padded, as in the paper.

    `base` is a folder in the hub's format, by default the hub's cache or the hub; weights that are not `pretrained` are random,
    of one seed and of the folder's configuration. Raises `HowfarError` where there are no weights, transformers is absent, or
    there is no such device.
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
        """Encode an image, once for all prompts."""
        longest = max(picture.size)
        width, height = (max(1, round(side * self.side / longest)) for side in picture.size)
        pixels = np.asarray(picture.convert("RGB").resize((width, height), Image.Resampling.BILINEAR), dtype=np.float32) / 255
        scaled = (pixels - np.array(IMAGENET_MEAN, dtype=np.float32)) / np.array(IMAGENET_STD, dtype=np.float32)
        square = pad(torch.from_numpy(scaled.transpose(2, 0, 1).copy()), (0, self.side - width, 0, self.side - height))
        embedding = self.model.get_image_embeddings(square[None].to(self.device))
        return EncodedImage(embedding, (picture.height, picture.width), (height, width))

    @torch.inference_mode()
    def masks(self, encoded: EncodedImage, prompt: Prompt, before: Tensor | None = None) -> Masks:
        """Compute three proposals for a prompt of points, a box or both; `before` are an earlier proposal's (s, s) logits."""
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
        return Masks(output.pred_masks[0, 0].float(), output.iou_scores[0, 0].float())

    @torch.inference_mode()
    def probabilities(self, encoded: EncodedImage, logits: Tensor) -> NDArray[np.float32]:
        """Compute the (height, width) probabilities of (s, s) logits, enlarged bilinearly to the image's size."""
        return self.enlarged(encoded, logits).sigmoid().cpu().numpy()

    def enlarged(self, encoded: EncodedImage, logits: Tensor) -> Tensor:
        """Enlarge (s, s) logits to the image's size, differentiably."""
        square = interpolate(logits[None, None], (self.side, self.side), mode="bilinear", align_corners=False)
        inner = square[..., : encoded.inner[0], : encoded.inner[1]]
        return interpolate(inner, encoded.size, mode="bilinear", align_corners=False)[0, 0]
