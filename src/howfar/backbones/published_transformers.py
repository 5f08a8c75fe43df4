"""Published vision models that transformers has: those of the paper's tables 1 and 8, and two of a later kind.

Each is a row below: which class, its published configuration, the paper's input size and normalisation, and which part
is the feature. A feature is flattened in C order of what transformers returns: (channel, row, column) for `sam` and
`convnextv2`; (token, channel) for `swinv2`, patches row by row, and for `dinov2` and `dinov3`, where the class token
comes before them, and after it `dinov3`'s registers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from howfar.backbones.family import BackboneFamily, Card, Options
from howfar.backbones.hub_models import WANTED, checked_folder, model_word, random_model, read_model, transformers_for
from howfar.backbones.preprocessing import Preprocess
from howfar.weights.hub import hub_folder

# torch is imported when a network is built, so that listing the cards stays cheap.
if TYPE_CHECKING:
    from torch import Tensor, nn

    from howfar.backbones.torch_backbone import Network

    LayerMaps = Callable[[nn.Module, Tensor], tuple[Tensor, ...]]

IMAGENET: Final = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CLIP_COLOURS: Final = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))


@dataclass(frozen=True)
class Published:
    """One model of the hub as a backbone.

    Attributes
    ----------
    card
        What is listed.
    repository, download
        Hub id, and how much there is to download.
    architecture, kinds
        transformers' class, and the model types whose folders it reads.
    config
        The published configuration, as arguments of the class's own.
    side
        Of the square input in pixels; None for the size that the model's configuration says.
    colours, interpolation
        Mean and standard deviation of the channels, and Pillow's filter.
    maps, layer
        The feature as it is in the paper, and what it takes, in words.
    pooled, pooling
        The pooled vector and what pools it; None where the feature itself is a vector.
    """

    card: Card
    repository: str
    download: str
    architecture: str
    kinds: tuple[str, ...]
    side: int | None
    maps: LayerMaps
    layer: str
    pooled: LayerMaps | None = None
    pooling: str = "own"
    config: Mapping[str, Any] = field(default_factory=dict)
    colours: tuple[tuple[float, ...], tuple[float, ...]] = IMAGENET
    interpolation: str = "bicubic"


def build_published(row: Published, options: Options) -> Network:
    """Build one of the published models.

    Its weights come from `options.weights` (a folder in the hub's format, or a state dict of the published configuration),
    or else from the hub's cache or the hub; they are random, of one seed, where `options.pretrained` is False.

    Raises
    ------
    MissingExtraError
        transformers or torch is absent.
    MissingPathError
        The folder lacks a file, or the hub's files are neither cached nor within reach.
    InputError
        The weights are another model's, or damaged.
    """
    name = row.card.name
    library = transformers_for(name)
    from howfar.backbones.torch_backbone import Feature, Network

    network: Any = _loaded(row, getattr(library, row.architecture), options)
    side = row.side or int(network.config.image_size)
    pool = row.pooled if options.pool else None
    mean, std = row.colours
    red, green, blue = (round(255 * part) for part in mean)
    return Network(
        name=name,
        model=model_word(network),
        network=network,
        feature=Feature(pool or row.maps, row.layer, row.pooling if pool else "none"),
        preprocess=Preprocess((side, side), options.fit, options.via, row.interpolation, (red, green, blue)),
        mean=mean,
        std=std,
        device=options.device,
        engine=options.engine,
        precision=options.precision,
    )


def source_folder(
    row: Published, given: Path | None, wanted: tuple[tuple[str, ...], ...] = WANTED, option: str = "weights"
) -> Path:
    """The folder to read a published model from: the one given by `option`, or the cache's, or what the hub sends."""
    name = row.card.name
    found = given or hub_folder(name, row.repository, wanted, size=row.download, option=option)
    return checked_folder(name, found, wanted, row.kinds)


def _loaded(row: Published, model: Any, options: Options) -> nn.Module:
    name, weights = row.card.name, options.weights
    if weights is None and not options.pretrained:
        return random_model(lambda: model(model.config_class(**row.config)))
    if weights is not None and weights.is_file():
        from howfar.weights.state_dicts import read_state_dict

        config = model.config_class(**row.config)
        return read_model(name, weights, model.from_pretrained, config=config, state_dict=read_state_dict(weights))
    return read_model(name, source_folder(row, weights), model.from_pretrained)


def _last_hidden(network: Any, batch: Tensor) -> tuple[Tensor, ...]:
    return (network(pixel_values=batch).last_hidden_state,)


def _own_pooled(network: Any, batch: Tensor) -> tuple[Tensor, ...]:
    return (network(pixel_values=batch).pooler_output,)


def _projected(network: Any, batch: Tensor) -> tuple[Tensor, ...]:
    return (network(pixel_values=batch).image_embeds,)


def _mean_of_map(network: Any, batch: Tensor) -> tuple[Tensor, ...]:
    return (network(pixel_values=batch).last_hidden_state.mean(dim=(2, 3)),)


def recipe_of(row: Published, build: Callable[[Published, Options], Network], *beside: str) -> BackboneFamily:
    """What is registered of a row; `beside` are options that this model takes and not every one."""
    pools = ("pool",) if row.pooled else ()
    takes = ("device", "weights", "pretrained", *pools, "fit", "via", "engine", "precision", *beside)
    # As the paper's: the whole map where there is one.
    return BackboneFamily(row.card, partial(build, row), takes, {"pool": False} if pools else {}, folder=True)


def _weights(repository: str, download: str) -> str:
    return f"the hub's {repository} ({download}), or weights=FOLDER"


def _row(
    name: str, length: int, seen: str, licence: str, summary: str, repository: str, download: str, **rest: Any
) -> Published:
    card = Card(name, length, seen, _weights(repository, download), licence, summary)
    return Published(card=card, repository=repository, download=download, **rest)


SAM_ROW: Final = _row(
    "sam",
    1_048_576,
    "1024×1024 RGB",
    "Apache-2.0",
    "SAM ViT-B's image embedding, 256×64×64 (table 1)",
    "facebook/sam-vit-base",
    "375 MB",
    architecture="SamVisionModel",
    kinds=("sam", "sam_vision_model"),
    # transformers' default deviation of random weights, 1e-10, leaves nothing of the picture.
    config={"initializer_range": 0.02},
    side=None,
    interpolation="bilinear",
    maps=_last_hidden,
    layer="image embedding",
    pooled=_mean_of_map,
    pooling="mean",
)
_CLIP = _row(
    "clip",
    512,
    "224×224 RGB",
    "MIT",
    "CLIP ViT-B/16's projected image embedding (table 8)",
    "openai/clip-vit-base-patch16",
    "599 MB",
    architecture="CLIPVisionModelWithProjection",
    kinds=("clip", "clip_vision_model"),
    config={"patch_size": 16},
    side=None,
    colours=CLIP_COLOURS,
    maps=_projected,
    layer="projected image embedding",
)
_DINOV2 = _row(
    "dinov2",
    197_376,
    "224×224 RGB",
    "Apache-2.0",
    "DINOv2 ViT-B/14's last hidden state, 257×768 (table 8)",
    "facebook/dinov2-base",
    "346 MB",
    architecture="Dinov2Model",
    kinds=("dinov2",),
    config={"image_size": 518},
    side=224,
    maps=_last_hidden,
    layer="last hidden state",
    pooled=_own_pooled,
)
_CONVNEXTV2 = _row(
    "convnextv2",
    50_176,
    "224×224 RGB",
    "Apache-2.0",
    "ConvNeXt V2 base's last hidden state, 1024×7×7 (table 8)",
    "facebook/convnextv2-base-22k-224",
    "355 MB",
    architecture="ConvNextV2Model",
    kinds=("convnextv2",),
    config={"depths": [3, 3, 27, 3], "hidden_sizes": [128, 256, 512, 1024]},
    side=224,
    maps=_last_hidden,
    layer="last hidden state",
    pooled=_own_pooled,
)
_SWINV2 = _row(
    "swinv2",
    36_864,
    "192×192 RGB",
    "Apache-2.0",
    "Swin V2 base's last hidden state, 36×1024 (table 8)",
    "microsoft/swinv2-base-patch4-window12-192-22k",
    "440 MB",
    architecture="Swinv2Model",
    kinds=("swinv2",),
    config={"image_size": 192, "embed_dim": 128, "depths": [2, 2, 18, 2], "num_heads": [4, 8, 16, 32], "window_size": 12},
    side=192,
    maps=_last_hidden,
    layer="last hidden state",
    pooled=_own_pooled,
)
_DINOV3 = _row(
    "dinov3",
    154_368,
    "224×224 RGB",
    "DINOv3 License (accept it on the hub)",
    "DINOv3 ViT-B/16's last hidden state, 201×768",
    "facebook/dinov3-vitb16-pretrain-lvd1689m",
    "343 MB",
    architecture="DINOv3ViTModel",
    kinds=("dinov3_vit",),
    config={"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12, "num_register_tokens": 4},
    side=224,
    interpolation="bilinear",
    maps=_last_hidden,
    layer="last hidden state",
    pooled=_own_pooled,
)
_SIGLIP2 = _row(
    "siglip2",
    768,
    "224×224 RGB",
    "Apache-2.0",
    "SigLIP 2 ViT-B/16's image embedding",
    "google/siglip2-base-patch16-224",
    "1.5 GB",
    architecture="SiglipVisionModel",
    kinds=("siglip", "siglip_vision_model"),
    side=None,
    colours=((0.5,) * 3, (0.5,) * 3),
    interpolation="bilinear",
    maps=_own_pooled,
    layer="image embedding",
)

SAM: Final = recipe_of(SAM_ROW, build_published)
CLIP: Final = recipe_of(_CLIP, build_published)
DINOV2: Final = recipe_of(_DINOV2, build_published)
CONVNEXTV2: Final = recipe_of(_CONVNEXTV2, build_published)
SWINV2: Final = recipe_of(_SWINV2, build_published)
DINOV3: Final = recipe_of(_DINOV3, build_published)
SIGLIP2: Final = recipe_of(_SIGLIP2, build_published)
