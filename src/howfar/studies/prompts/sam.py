"""SAM (Kirillov et al., "Segment Anything", ICCV 2023) with point and box prompts, by transformers' `SamModel`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate, pad

from howfar.backbones.hub_models import random_model, read_model, transformers_for
from howfar.backbones.published_transformers import SAM_MODEL, source_folder
from howfar.backbones.torch_backbone import resolve_device
from howfar.studies.prompts.prompt import Prompt
from howfar.weights.state_dicts import hash_state_dict

MEAN: Final = (0.485, 0.456, 0.406)
STD: Final = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Seen:
    """What SAM's encoder made of a picture.

    Attributes
    ----------
    embedding
        (1, channels, g, g).
    size, inner
        (height, width) of the picture, and of it within the square that the encoder saw, whose rest is padding.
    """

    embedding: Tensor
    size: tuple[int, int]
    inner: tuple[int, int]

    @property
    def scale(self) -> tuple[float, float]:
        """Of x and of y, from the picture to the square."""
        return self.inner[1] / self.size[1], self.inner[0] / self.size[0]


@dataclass(frozen=True)
class Masks:
    """SAM's three proposals for one prompt: (3, s, s) logits over the square, and the quality that it expects of each."""

    logits: Tensor
    quality: Tensor

    @property
    def best(self) -> Tensor:
        """The one of the highest expected quality, (s, s)."""
        return self.logits[int(self.quality.argmax())]


class Sam:
    """A frozen SAM. The picture's longer side becomes the encoder's, the rest is padding, as its authors do.

    Parameters
    ----------
    base
        A folder in the hub's format; by default the hub's cache, or the hub.
    pretrained
        False for random weights, of one seed, of the folder's configuration.
    device
        As `howfar.load_backbone` takes it.

    Raises
    ------
    HowfarError
        The weights are neither here nor within reach, transformers is absent, or there is no such device.
    """

    def __init__(self, base: str | Path | None = None, *, pretrained: bool = True, device: str = "auto") -> None:
        self.device = resolve_device(device)
        library = transformers_for("sam")
        given = None if base is None else Path(base).expanduser()
        model: Any
        if pretrained:
            model = read_model("sam", source_folder(SAM_MODEL, given, option="sam"), library.SamModel.from_pretrained)
        else:
            config = library.SamConfig() if given is None else library.SamConfig.from_pretrained(given, local_files_only=True)
            model = random_model(lambda: library.SamModel(config))
        self.model = model.float().eval().requires_grad_(False).to(self.device)
        self.side = int(self.model.config.vision_config.image_size)
        self.weights = hash_state_dict(self.model.state_dict())

    @torch.inference_mode()
    def see(self, picture: Image.Image) -> Seen:
        """Encode a picture, once for all prompts."""
        longest = max(picture.size)
        width, height = (max(1, round(side * self.side / longest)) for side in picture.size)
        pixels = np.asarray(picture.convert("RGB").resize((width, height), Image.Resampling.BILINEAR), dtype=np.float32) / 255
        scaled = (pixels - np.array(MEAN, dtype=np.float32)) / np.array(STD, dtype=np.float32)
        square = pad(torch.from_numpy(scaled.transpose(2, 0, 1).copy()), (0, self.side - width, 0, self.side - height))
        embedding = self.model.get_image_embeddings(square[None].to(self.device))
        return Seen(embedding, (picture.height, picture.width), (height, width))

    @torch.inference_mode()
    def masks(self, seen: Seen, prompt: Prompt, before: Tensor | None = None) -> Masks:
        """Three proposals for a prompt of points, a box or both; `before` are the (s, s) logits of an earlier proposal."""
        x, y = seen.scale
        given: dict[str, Any] = {}
        if prompt.points:
            places = [[one[0] * x, one[1] * y] for one in prompt.points]
            given["input_points"] = torch.tensor([[places]], device=self.device, dtype=torch.float32)
            given["input_labels"] = torch.tensor([[list(prompt.labels)]], device=self.device)
        if prompt.box is not None:
            corners = [value * by for value, by in zip(prompt.box, (x, y, x, y), strict=True)]
            given["input_boxes"] = torch.tensor([[corners]], device=self.device, dtype=torch.float32)
        if before is not None:
            given["input_masks"] = before[None, None]
        found = self.model(image_embeddings=seen.embedding, multimask_output=True, **given)
        return Masks(found.pred_masks[0, 0].float(), found.iou_scores[0, 0].float())

    @torch.inference_mode()
    def probabilities(self, seen: Seen, logits: Tensor) -> NDArray[np.float32]:
        """The (height, width) probabilities of (s, s) logits: enlarged bilinearly, cut to the picture, made 0-1."""
        return self.enlarged(seen, logits).sigmoid().cpu().numpy()

    def enlarged(self, seen: Seen, logits: Tensor) -> Tensor:
        """(s, s) logits at the picture's size; gradients pass."""
        whole = interpolate(logits[None, None], (self.side, self.side), mode="bilinear", align_corners=False)
        inner = whole[..., : seen.inner[0], : seen.inner[1]]
        return interpolate(inner, seen.size, mode="bilinear", align_corners=False)[0, 0]
