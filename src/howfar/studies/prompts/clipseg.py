"""Segment images by CLIPSeg with text prompts.

Lüddecke & Ecker, "Image segmentation using text and image prompts" (CVPR 2022).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from howfar.backbones.clipseg import SIDE, promptable
from howfar.backbones.family import Options
from howfar.backbones.torch_backbone import resolve_device
from howfar.weights.hub import IMAGENET_MEAN, IMAGENET_STD
from howfar.weights.state_dicts import hash_state_dict

TEXTS = ("road pavement surface", "a crack or multiple cracks", "cracks on a road")
"""The texts of the paper's fig. 12."""


class ClipSeg:
    """Load a frozen CLIPSeg that segments what a text describes; the text's embedding is computed once.

    `weights` is a folder in the hub's format, by default the hub's cache or the hub; weights that are not `pretrained` are
    random. Raises `HowfarError` where there are no weights, transformers is absent, or there is no such device.
    """

    def __init__(self, weights: str | Path | None = None, *, pretrained: bool = True, device: str = "auto") -> None:
        options = Options(weights=None if weights is None else Path(weights).expanduser(), pretrained=pretrained, device=device)
        self.device = resolve_device(device)
        self.model, self._embed = promptable(options, "clipseg")
        self.weights = hash_state_dict(self.model.state_dict())
        self._embeddings: dict[str, Tensor] = {}
        self.model.requires_grad_(False)

    @torch.inference_mode()
    def probabilities(self, picture: Image.Image, text: str) -> NDArray[np.float32]:
        """Compute the (height, width) probabilities of what the text describes."""
        if text not in self._embeddings:
            # The tokens are created on the CPU.
            self.model.cpu()
            self._embeddings[text] = self._embed(text).to(self.device)
            self.model.to(self.device)
        pixels = picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        mean, std = (np.array(values, dtype=np.float32) for values in (IMAGENET_MEAN, IMAGENET_STD))
        scaled = (np.asarray(pixels, dtype=np.float32) / 255 - mean) / std
        batch = torch.from_numpy(scaled.transpose(2, 0, 1).copy())[None].to(self.device)
        logits = self.model(pixel_values=batch, conditional_embeddings=self._embeddings[text]).logits.reshape(1, 1, SIDE, SIDE)
        enlarged = interpolate(logits.float(), (picture.height, picture.width), mode="bilinear", align_corners=False)
        return enlarged[0, 0].sigmoid().cpu().numpy()
