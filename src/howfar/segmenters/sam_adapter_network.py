"""Define the SAM-Adapter network: Segment Anything's frozen encoder, a trained adapter, and SAM's mask decoder."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from howfar.errors import InputError, MissingPathError
from howfar.segmenters.input_normalisation import Normalise, OneMapNetwork
from howfar.weights import hub_downloads
from howfar.weights.hub_downloads import SAM_BASE, SAM_SIDE, SAM_SIZES
from howfar.weights.hub_models import REQUIRED_FILES, checked_folder, model_of, read_json, read_model
from howfar.weights.state_dicts import hash_state_dict, read_state_dict

STD = 0.02


class Adapter(nn.Module):
    """Compute the adapter's prompt for each block i: up(GELU(blockᵢ(patches(F_patch) + frequencies(F_high)))).

    Chen et al., "SAM fails to segment anything? SAM-Adapter: adapting SAM in underperformed scenes" (2023, arXiv:2304.09148).
    `up` is shared by the blocks; each of the others is a linear map with a bias, `frequencies` one of a patch's pixels.
    """

    def __init__(self, tokens: int, patch: int, blocks: int, r: int) -> None:
        super().__init__()
        self.patches = nn.Linear(tokens, r)
        self.frequencies = nn.Conv2d(3, r, patch, stride=patch)
        self.blocks = nn.ModuleList(nn.Linear(r, r) for _ in range(blocks))
        self.up = nn.Linear(r, tokens)
        self.apply(_begin)

    def forward(self, patches: Tensor, high: Tensor) -> Iterator[Tensor]:
        """Yield each block's prompt (b, h, w, C) when needed, from embeddings (b, h, w, C) and the high-frequency image."""
        mixed = self.patches(patches) + self.frequencies(high).permute(0, 2, 3, 1)
        for block in self.blocks:
            yield self.up(functional.gelu(block(mixed)))


def high_frequencies(pictures: Tensor, share: float = 0.25) -> Tensor:
    """Extract high frequencies of (b, c, h, w) images: |F⁻¹(M · F(x))|, where M is 0 in the middle `share` of the spectrum."""
    spectrum = torch.fft.fftshift(torch.fft.fft2(pictures), dim=(-2, -1))
    # Plain numbers where the network is traced, too.
    height, width = map(int, pictures.shape[-2:])
    tall, wide = round(height * share**0.5 / 2), round(width * share**0.5 / 2)
    passed = torch.ones((height, width), dtype=pictures.dtype, device=pictures.device)
    passed[height // 2 - tall : height // 2 + tall, width // 2 - wide : width // 2 + wide] = 0
    high: Tensor = torch.fft.ifft2(torch.fft.ifftshift(spectrum * passed, dim=(-2, -1))).abs()
    return high


def _begin(module: nn.Module) -> None:
    # The usual initialisation of vision transformers.
    if isinstance(module, (nn.Linear, nn.Conv2d)):
        nn.init.trunc_normal_(module.weight, std=STD)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


_BASE = "adsam's base"


def side_of(options: Any) -> int | None:
    """Return the image side of a base model that is a folder, published or in the hub's cache; None otherwise."""
    base: str = options.base
    folder = Path(base).expanduser()
    if not folder.is_dir() and base in SAM_SIZES:
        return SAM_SIDE
    try:
        if not folder.is_dir():
            folder = hub_downloads.cached_folder(base, REQUIRED_FILES[:1]) or folder
        side = read_json(folder / hub_downloads.CONFIG_FILE)["vision_config"].get("image_size", SAM_SIDE)
    # Errors are raised later, when the base model is built.
    except (InputError, KeyError, TypeError, AttributeError):
        return None
    return side if isinstance(side, int) else None


def _folder(base: str, wanted: Sequence[tuple[str, ...]]) -> Path:
    """Return the folder named by `base`, or that of a hub id in the hub's cache, downloading if needed."""
    folder = Path(base).expanduser()
    if not folder.is_dir():
        if hub_downloads.HUB_ID.fullmatch(base) is None:
            rule = f"must be a folder, or a hub id such as {SAM_BASE}"
            raise MissingPathError(f"{_BASE} {rule}, and {base!r} is neither")
        folder = hub_downloads.hub_folder(_BASE, base, wanted, size=SAM_SIZES.get(base, ""), option="base")
    return checked_folder(_BASE, folder, tuple(wanted), ("sam",))


class SamAdapter(OneMapNetwork):
    """Segment by SAM-Adapter, which adds prompts computed from the image to the tokens before each of SAM's blocks.

    Over Kirillov et al., "Segment anything" (2023). The decoder receives SAM's own positions of the patches and its embedding
    of "no mask", and decodes one mask. Encoder, positions, that embedding and the decoder's other heads are frozen. SAM's
    positions are not interpolated, so images must be squares of exactly `multiple` pixels, 1024 for the published ones.
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
        self.normalise = Normalise(hub_downloads.IMAGENET_MEAN, hub_downloads.IMAGENET_STD)
        self.encoder = sam.vision_encoder.requires_grad_(False)
        self.positions = sam.shared_image_embedding.requires_grad_(False)
        self.no_mask = sam.prompt_encoder.no_mask_embed.requires_grad_(False)
        self.decoder = sam.mask_decoder.requires_grad_(True)
        self.decoder.iou_prediction_head.requires_grad_(False)
        self.decoder.output_hypernetworks_mlps[1:].requires_grad_(False)
        self.adapter = Adapter(vision.hidden_size, vision.patch_size, vision.num_hidden_layers, r)

    def forward(self, pictures: Tensor) -> Tensor:
        """Compute logits (b, 1, h, w) of images (b, 3, h, w) of 0-1: SAM's mask at 1/4 of the side, bilinearly upsampled."""
        (embedding,) = self.encode(pictures)
        # SAM's positional encoding of patch centres, (1, c, h, w), from relative x and y.
        height, width = embedding.shape[2:]
        options: dict[str, Any] = {"device": embedding.device, "dtype": embedding.dtype}
        y, x = ((torch.arange(side, **options) + 0.5) / side for side in (height, width))
        grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)
        code: Tensor = self.positions(grid).permute(2, 0, 1)[None]
        masks, _ = self.decoder(
            image_embeddings=embedding,
            image_positional_embeddings=code.repeat(len(embedding), 1, 1, 1),
            sparse_prompt_embeddings=None,
            dense_prompt_embeddings=self.no_mask.weight.view(1, -1, 1, 1),
            multimask_output=False,
        )
        return functional.interpolate(masks[:, 0], pictures.shape[2:], mode="bilinear", align_corners=False)

    def encode(self, pictures: Tensor) -> tuple[Tensor, ...]:
        """Compute the image embedding, (b, 256, h / 16, w / 16) with the published base models."""
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
        return (self.encoder.neck(tokens),)


def build(options: Any, pretrained: bool | Path) -> SamAdapter:
    """Build the network over the base model, float32, on the CPU, that the options name: a local folder or a hub id.

    `pretrained` is True for the base model's weights, a file for those of a state dict, False for random ones: then only the
    configuration is read, and not even that for ``facebook/sam-vit-base``, which is transformers' default.
    """
    base: str = options.base
    library = hub_downloads.transformers_for("adsam")
    read = library.SamModel.from_pretrained
    if pretrained is True:
        sam: Any = read_model(_BASE, _folder(base, REQUIRED_FILES), read)
    else:
        known = base == SAM_BASE and not Path(base).is_dir()
        config = {} if known else read_json(_folder(base, REQUIRED_FILES[:1]) / hub_downloads.CONFIG_FILE)
        if isinstance(pretrained, Path):
            state = read_state_dict(pretrained)
            sam = read_model(_BASE, pretrained, read, config=library.SamConfig.from_dict(config), state_dict=state)
        else:
            sam = model_of("adsam", "SamModel", config, base)
    return SamAdapter(sam, options.r, None if pretrained is False else hash_state_dict(sam.state_dict()))


def restore(options: Any, architecture: Mapping[str, Any]) -> SamAdapter:
    """Build the network from its description, without the base model on disk."""
    config = architecture.get("config")
    known = isinstance(config, Mapping) and config.get("model_type") == "sam"
    sam = model_of("adsam", "SamModel", config if known else None, "the checkpoint")
    return SamAdapter(sam, options.r, architecture.get("base_weights"))
