"""Define the SAM-Adapter network: SAM's frozen encoder with an adapter, and SAM's trained mask decoder."""

from __future__ import annotations

import json
from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from howfar.errors import InputError
from howfar.segmenters.normalisation import Normalise
from howfar.segmenters.sam_adapter.adapter import Adapter, high_frequencies
from howfar.weights.hub import IMAGENET_MEAN, IMAGENET_STD


class SamAdapter(nn.Module):
    """Segment by SAM-Adapter: prompts computed from the image are added to the tokens before each of SAM's blocks.

    Chen et al., "SAM fails to segment anything? SAM-Adapter: adapting SAM in underperformed scenes" (2023, arXiv:2304.09148),
    over Kirillov et al., "Segment anything" (2023). The decoder receives SAM's own positions of the patches and its own
    embedding of "no mask", no point or box, and decodes one mask. Encoder, positions and that embedding are frozen, and so are
    the decoder's heads of the other masks and of their quality; the rest is trained.

    The parts of `sam`, a ``transformers.SamModel``, become this module's; `config` is its configuration as JSON values, and
    `base_weights` the hash of its weights, None where they are random. The adapter has `r` values for each patch between its
    layers. `multiple` is the side of SAM's images, 1024 for the published ones: its positions are of that size and are not
    interpolated, so images must be squares of exactly that side.
    """

    name = "adsam"

    def __init__(self, sam: Any, r: int, base_weights: str | None = None) -> None:
        super().__init__()
        vision = sam.config.vision_config
        self.config: dict[str, Any] = json.loads(sam.config.to_json_string(use_diff=False))
        # The path of the base model is kept among the options.
        self.config.pop("_name_or_path", None)
        self.base_weights = base_weights
        self.multiple: int = vision.image_size
        self.normalise = Normalise(IMAGENET_MEAN, IMAGENET_STD)
        self.encoder = sam.vision_encoder.requires_grad_(False)
        self.positions = sam.shared_image_embedding.requires_grad_(False)
        self.no_mask = sam.prompt_encoder.no_mask_embed.requires_grad_(False)
        self.decoder = sam.mask_decoder.requires_grad_(True)
        self.decoder.iou_prediction_head.requires_grad_(False)
        self.decoder.output_hypernetworks_mlps[1:].requires_grad_(False)
        self.adapter = Adapter(vision.hidden_size, vision.patch_size, vision.num_hidden_layers, r)

    def forward(self, pictures: Tensor) -> Tensor:
        """Compute logits (b, 1, h, w) of images (b, 3, h, w) of 0-1: SAM's mask at a quarter of the side, bilinearly enlarged.

        Images of another size than the base model's raise `InputError`.
        """
        embedding = self._embedded(pictures)
        masks, _ = self.decoder(
            image_embeddings=embedding,
            image_positional_embeddings=self._position_code(embedding).repeat(len(embedding), 1, 1, 1),
            sparse_prompt_embeddings=None,
            dense_prompt_embeddings=self.no_mask.weight.view(1, -1, 1, 1),
            multimask_output=False,
        )
        return functional.interpolate(masks[:, 0], pictures.shape[2:], mode="bilinear", align_corners=False)

    def logits(self, pictures: Tensor) -> tuple[Tensor, ...]:
        """Return the one map that the loss is computed on."""
        return (self(pictures),)

    def encode(self, pictures: Tensor) -> tuple[Tensor, ...]:
        """Compute the image embedding, (b, 256, h / 16, w / 16) with the published base models.

        Images of another size than the base model's raise `InputError`.
        """
        return (self._embedded(pictures),)

    def _embedded(self, pictures: Tensor) -> Tensor:
        shape, side = tuple(pictures.shape), self.multiple
        if len(shape) != 4 or shape[0] == 0 or shape[1:] != (3, side, side):
            remedy = "resize them, or name a base with another image_size in its config.json"
            raise InputError.of("adsam's pictures", f"must be (b, 3, {side}, {side}), the size of its base", shape, remedy)
        x = self.normalise(pictures)
        tokens = self.encoder.patch_embed(x)
        prompts = self.adapter(tokens, high_frequencies(x))
        if self.encoder.pos_embed is not None:
            tokens = tokens + self.encoder.pos_embed
        for block, prompt in zip(self.encoder.layers, prompts, strict=True):
            tokens = block(tokens + prompt)
        embedding: Tensor = self.encoder.neck(tokens)
        return embedding

    def _position_code(self, embedding: Tensor) -> Tensor:
        """Encode the middle of every patch as SAM does, (1, c, h, w), from x and y as shares of the sides."""
        height, width = embedding.shape[2:]
        options: dict[str, Any] = {"device": embedding.device, "dtype": embedding.dtype}
        y, x = ((torch.arange(side, **options) + 0.5) / side for side in (height, width))
        grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)
        code: Tensor = self.positions(grid).permute(2, 0, 1)[None]
        return code
