"""Define the SAM-Adapter network: Segment Anything's frozen encoder, a trained adapter, and SAM's mask decoder."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from howfar.errors import InputError, MissingPathError, one_line, option
from howfar.segmenters.normalisation import Normalise
from howfar.weights import published
from howfar.weights.published import SAM_BASE, SAM_SIDE, SAM_SIZES
from howfar.weights.state_dicts import read_state_dict

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
    height, width = pictures.shape[-2:]
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


T = TypeVar("T")


def load_sam(base: str, pretrained: bool | Path) -> Any:
    """Build a ``transformers.SamModel``, float32, on the CPU, from a local folder or a hub id.

    `pretrained` is True for the base model's weights, a file for those of a state dict, False for random ones: then only the
    configuration is read, and not even that for ``facebook/sam-vit-base``, which is transformers' default.
    """
    library = published.transformers_for("adsam")
    wanted = (published.CONFIG_FILE, published.SAFE_FILE) if pretrained is True else (published.CONFIG_FILE,)
    folder = _folder(base, wanted)
    if pretrained is not True and base == SAM_BASE and folder is None:
        config = library.SamConfig()
    else:
        config = _config(library, base, folder, wanted)
    if pretrained is False:
        return library.SamModel(config)
    options: dict[str, Any] = {"config": config, "dtype": torch.float32, "output_loading_info": True}
    if isinstance(pretrained, Path):
        state = read_state_dict(pretrained)
        return _fitting(str(pretrained), lambda: library.SamModel.from_pretrained(None, state_dict=state, **options))
    options["use_safetensors"] = True

    def read(local: bool) -> Any:
        return library.SamModel.from_pretrained(folder or base, local_files_only=local, **options)

    return _fitting(base, lambda: _of_hub(base, wanted, read) if folder is None else read(True))


def sam_of(config: Any) -> Any:
    """Build a ``transformers.SamModel`` with random weights from a checkpoint's configuration."""
    library = published.transformers_for("adsam")
    if not isinstance(config, Mapping) or config.get("model_type") != "sam":
        raise InputError("the checkpoint does not hold the configuration of a SAM: train again")
    try:
        return library.SamModel(library.SamConfig.from_dict(dict(config)))
    # transformers and the libraries that it uses each fail in their own ways.
    except Exception as error:
        raise InputError(f"the checkpoint's configuration of SAM cannot be read ({one_line(error)}): train again") from error


def side_of(base: str) -> int | None:
    """Return the image side of a base model that is a folder, published or in the hub's cache; None otherwise."""
    folder = Path(base).expanduser()
    if not folder.is_dir() and base in SAM_SIZES:
        return SAM_SIDE
    file = folder / published.CONFIG_FILE if folder.is_dir() else _cached_config(base)
    try:
        config = {} if file is None else json.loads(file.read_text(encoding="utf-8"))
        side = config["vision_config"].get("image_size", SAM_SIDE)
    # Errors are raised later, when the base model is built.
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return side if isinstance(side, int) else None


def _cached_config(base: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(base, published.CONFIG_FILE) if published.HUB_ID.fullmatch(base) else None
    return Path(path) if isinstance(path, str) else None


def _folder(base: str, wanted: tuple[str, ...]) -> Path | None:
    """Return the folder named by `base`, or None for a hub id."""
    folder = Path(base).expanduser()
    if folder.is_dir():
        absent = [name for name in wanted if not (folder / name).is_file()]
        if absent:
            raise MissingPathError(f"adsam's base must hold {' and '.join(wanted)}, and {base} lacks {' and '.join(absent)}")
        return folder
    if published.HUB_ID.fullmatch(base) is None:
        raise MissingPathError(f"adsam's base must be a folder, or a hub id such as {SAM_BASE}, and {base!r} is neither")
    return None


def _config(library: Any, base: str, folder: Path | None, wanted: tuple[str, ...]) -> Any:
    def read(local: bool) -> dict[str, Any]:
        values: dict[str, Any] = library.SamConfig.get_config_dict(folder or base, local_files_only=local)[0]
        return values

    try:
        values = read(True) if folder is not None else _of_hub(base, wanted, read)
        kind = values.get("model_type")
        config = library.SamConfig.from_dict(values) if kind == "sam" else None
    except MissingPathError:
        raise
    # Damaged text, and values that transformers' strict configurations refuse: errors of several libraries' own kinds.
    except Exception as error:
        raise InputError(f"adsam's base has no readable {published.CONFIG_FILE}: {base} ({one_line(error)})") from error
    if config is None:
        rule = "must be a SAM (model_type 'sam' in its config.json)"
        raise InputError.of("adsam's base", rule, kind, f"name {SAM_BASE}, say")
    return config


def _of_hub(base: str, wanted: tuple[str, ...], read: Callable[[bool], T]) -> T:
    """Call `read(True)`, which uses the cache only, then `read(False)`, which asks the hub, if the cache lacks a file."""
    try:
        return read(True)
    except OSError:
        reason = published.why_unreachable(base, wanted[-1:])
    if reason is None:
        try:
            return read(False)
        # The hub's client, its HTTP library and transformers each fail in their own ways.
        except Exception as error:
            reason = one_line(error)
    size = f" ({SAM_SIZES[base]})" if base in SAM_SIZES and published.SAFE_FILE in wanted else ""
    raise MissingPathError(
        f"adsam's base {base} is not on this machine and cannot be fetched ({reason}): download {' and '.join(wanted)}{size} "
        f"of {base} elsewhere into one folder and pass {option('base', 'FOLDER')}"
    )


def _fitting(source: str, read: Callable[[], Any]) -> Any:
    """Return the model if no tensor is missing, since transformers would initialise missing tensors at random."""
    try:
        model, info = read()
    except RuntimeError as error:
        raise InputError(f"weights do not fit adsam's base: {source} ({one_line(error)})") from error
    missing = sorted(info["missing_keys"])
    if missing:
        raise InputError(f"weights do not fit adsam's base: {source} lacks {published.first_three(missing)}")
    return model


class SamAdapter(nn.Module):
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
        self.normalise = Normalise(published.IMAGENET_MEAN, published.IMAGENET_STD)
        self.encoder = sam.vision_encoder.requires_grad_(False)
        self.positions = sam.shared_image_embedding.requires_grad_(False)
        self.no_mask = sam.prompt_encoder.no_mask_embed.requires_grad_(False)
        self.decoder = sam.mask_decoder.requires_grad_(True)
        self.decoder.iou_prediction_head.requires_grad_(False)
        self.decoder.output_hypernetworks_mlps[1:].requires_grad_(False)
        self.adapter = Adapter(vision.hidden_size, vision.patch_size, vision.num_hidden_layers, r)

    def forward(self, pictures: Tensor) -> Tensor:
        """Compute logits (b, 1, h, w) of images (b, 3, h, w) of 0-1: SAM's mask at 1/4 of the side, bilinearly upsampled."""
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
        """Return the single map of logits for the loss."""
        return (self(pictures),)

    def encode(self, pictures: Tensor) -> tuple[Tensor, ...]:
        """Compute the image embedding, (b, 256, h / 16, w / 16) with the published base models."""
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
        """Compute SAM's positional encoding of patch centres, (1, c, h, w), from relative x and y."""
        height, width = embedding.shape[2:]
        options: dict[str, Any] = {"device": embedding.device, "dtype": embedding.dtype}
        y, x = ((torch.arange(side, **options) + 0.5) / side for side in (height, width))
        grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)
        code: Tensor = self.positions(grid).permute(2, 0, 1)[None]
        return code
