"""Build published models as backbones (SAM, CLIPSeg, CLIP, DINOv2 and v3, ConvNeXt V2, Swin V2, SigLIP 2), and encode texts.

Each model below has its class, published configuration, the paper's input size and normalisation, and the part that
is the feature. A feature is flattened in C order of what transformers returns: (channel, row, column) for `sam` and
`convnextv2`; (token, channel) for `swinv2`, patches row by row, and for `dinov2` and `dinov3`, where the class token
comes before them, and after it `dinov3`'s registers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from howfar.backbones.backbone_family import BackboneFamily, Card, Options
from howfar.backbones.preprocessing import Preprocess
from howfar.backbones.transformers_backbones import folder_origin, model_folder
from howfar.errors import InputError
from howfar.weights.hub_downloads import IMAGENET_MEAN, IMAGENET_STD, hub_folder, transformers_for
from howfar.weights.hub_models import (
    REQUIRED_FILES,
    checked_folder,
    describe_architecture,
    errors_as,
    load_model,
    random_model,
    read_model,
)

# torch is imported when a network is built, so that listing the cards stays cheap.
if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from howfar.backbones.torch_backbone import TorchBackbone

    LayerMaps = Callable[[nn.Module, Tensor], tuple[Tensor, ...]]

IMAGENET: Final = (IMAGENET_MEAN, IMAGENET_STD)
CLIP_COLOURS: Final = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))


def _output(attribute: str, network: Any, batch: Tensor) -> tuple[Tensor, ...]:
    return (getattr(network(pixel_values=batch), attribute),)


_last_hidden: Final = partial(_output, "last_hidden_state")
_own_pooled: Final = partial(_output, "pooler_output")


@dataclass(frozen=True)
class PublishedModel:
    """Describe one published model of the hub as a backbone.

    `architecture` is transformers' class, `kinds` the model types whose folders it reads, `config` the published configuration.
    `side` is that of the square input in pixels, None for the configuration's. `maps` gives the feature as in the paper,
    `pooled` the pooled vector, None where the feature itself is a vector.
    """

    card: Card
    repository: str
    download: str
    architecture: str
    kinds: tuple[str, ...]
    side: int | None
    maps: LayerMaps = _last_hidden
    layer: str = "last hidden state"
    pooled: LayerMaps | None = _own_pooled
    pooling: str = "own"
    config: Mapping[str, Any] = field(default_factory=dict)
    colours: tuple[tuple[float, ...], tuple[float, ...]] = IMAGENET
    interpolation: str = "bicubic"


def build_published(model: PublishedModel, options: Options) -> TorchBackbone:
    """Build a published model with published, local (`options.weights`, a folder or state dict) or seeded random weights."""
    name = model.card.name
    architecture = getattr(transformers_for(name), model.architecture)
    network = load_model(
        name,
        architecture,
        options.weights,
        options.pretrained,
        lambda: architecture.config_class(**model.config),
        lambda: source_folder(model, options.weights),
    )
    return backbone_of(model, network, options)


def backbone_of(model: PublishedModel, network: Any, options: Options, given: str = "") -> TorchBackbone:
    """Make a backbone of a published model's network; `given` names its further inputs, for the identity."""
    from howfar.backbones.torch_backbone import Feature, TorchBackbone

    side = model.side or int(network.config.image_size)
    pool = model.pooled if options.pool else None
    return TorchBackbone(
        name=model.card.name,
        model=describe_architecture(network),
        network=network,
        feature=Feature(pool or model.maps, f"{model.layer}{given}", model.pooling if pool else "none"),
        preprocess=Preprocess.of(options, (side, side), model.colours[0], model.interpolation),
        mean=model.colours[0],
        std=model.colours[1],
        options=options,
    )


def source_folder(
    model: PublishedModel,
    local: Path | None,
    required: tuple[tuple[str, ...], ...] = REQUIRED_FILES,
    option: str = "weights",
) -> Path:
    """Return a published model's folder: the local folder in `option`, or the hub's cache, downloading if needed."""
    name = model.card.name
    folder = local or hub_folder(name, model.repository, required, size=model.download, option=option)
    return checked_folder(name, folder, required, model.kinds)


def _mean_of_map(network: Any, batch: Tensor) -> tuple[Tensor, ...]:
    return (network(pixel_values=batch).last_hidden_state.mean(dim=(2, 3)),)


def published(
    about: tuple[str, int, str, str, str],
    source: tuple[str, str],
    *more_options: str,
    build: Callable[[PublishedModel, Options], TorchBackbone] = build_published,
    **rest: Any,
) -> tuple[PublishedModel, BackboneFamily]:
    """Describe a model, and make the family to register for it, with options specific to that model.

    `about` are its name, length, input, licence and summary, `source` its repository and the download's size.
    """
    (name, length, picture, licence, summary), (repository, download) = about, source
    card = Card(name, length, picture, f"the hub's {repository} ({download}), or weights=FOLDER", licence, summary)
    model = PublishedModel(card=card, repository=repository, download=download, **rest)
    pools = ("pool",) if model.pooled else ()
    takes = ("device", "weights", "pretrained", *pools, "fit", "via", "engine", "precision", *more_options)
    # The paper takes the whole map where there is one, so pooling is off by default.
    defaults = {"pool": False} if pools else {}
    # What another way of building reads besides is not known here: `clipseg` needs a tokenizer.
    origin = folder_origin if build is build_published else None
    return model, BackboneFamily(card, partial(build, model), takes, defaults, folder=True, origin=origin)


SAM_MODEL, SAM = published(
    ("sam", 1_048_576, "1024×1024 RGB", "Apache-2.0", "SAM ViT-B's image embedding, 256×64×64 (table 1)"),
    ("facebook/sam-vit-base", "375 MB"),
    architecture="SamVisionModel",
    kinds=("sam", "sam_vision_model"),
    # transformers' default deviation of random weights, 1e-10, leaves nothing of the picture.
    config={"initializer_range": 0.02},
    side=None,
    interpolation="bilinear",
    layer="image embedding",
    pooled=_mean_of_map,
    pooling="mean",
)
_CLIP, CLIP = published(
    ("clip", 512, "224×224 RGB", "MIT", "CLIP ViT-B/16's projected image embedding (table 8)"),
    ("openai/clip-vit-base-patch16", "599 MB"),
    architecture="CLIPVisionModelWithProjection",
    kinds=("clip", "clip_vision_model"),
    config={"patch_size": 16},
    side=None,
    colours=CLIP_COLOURS,
    maps=partial(_output, "image_embeds"),
    layer="projected image embedding",
    pooled=None,
)
_, DINOV2 = published(
    ("dinov2", 197_376, "224×224 RGB", "Apache-2.0", "DINOv2 ViT-B/14's last hidden state, 257×768 (table 8)"),
    ("facebook/dinov2-base", "346 MB"),
    architecture="Dinov2Model",
    kinds=("dinov2",),
    config={"image_size": 518},
    side=224,
)
_, CONVNEXTV2 = published(
    ("convnextv2", 50_176, "224×224 RGB", "Apache-2.0", "ConvNeXt V2 base's last hidden state, 1024×7×7 (table 8)"),
    ("facebook/convnextv2-base-22k-224", "355 MB"),
    architecture="ConvNextV2Model",
    kinds=("convnextv2",),
    config={"depths": [3, 3, 27, 3], "hidden_sizes": [128, 256, 512, 1024]},
    side=224,
)
_, SWINV2 = published(
    ("swinv2", 36_864, "192×192 RGB", "Apache-2.0", "Swin V2 base's last hidden state, 36×1024 (table 8)"),
    ("microsoft/swinv2-base-patch4-window12-192-22k", "440 MB"),
    architecture="Swinv2Model",
    kinds=("swinv2",),
    config={"image_size": 192, "embed_dim": 128, "depths": [2, 2, 18, 2], "num_heads": [4, 8, 16, 32], "window_size": 12},
    side=192,
)
_, DINOV3 = published(
    ("dinov3", 154_368, "224×224 RGB", "DINOv3 License (accept it on the hub)", "DINOv3 ViT-B/16's last hidden state, 201×768"),
    ("facebook/dinov3-vitb16-pretrain-lvd1689m", "343 MB"),
    architecture="DINOv3ViTModel",
    kinds=("dinov3_vit",),
    config={"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12, "num_register_tokens": 4},
    side=224,
    interpolation="bilinear",
)
_SIGLIP2, SIGLIP2 = published(
    ("siglip2", 768, "224×224 RGB", "Apache-2.0", "SigLIP 2 ViT-B/16's image embedding"),
    ("google/siglip2-base-patch16-224", "1.5 GB"),
    architecture="SiglipVisionModel",
    kinds=("siglip", "siglip_vision_model"),
    side=None,
    colours=((0.5,) * 3, (0.5,) * 3),
    interpolation="bilinear",
    maps=_own_pooled,
    layer="image embedding",
    pooled=None,
)

PROMPT: Final = "line structures"  # the paper's (table 1)
CLIPSEG_SIDE: Final = 352
_CLIP_TOKENIZER: Final = (("vocab.json", "tokenizer.json"), ("merges.txt", "tokenizer.json"))


def _build_clipseg(model: PublishedModel, options: Options) -> TorchBackbone:
    """Build CLIPSeg with one text as a backbone: outputs of its three decoder layers, flattened as (token, channel)."""
    prompt = PROMPT if options.prompt is None else options.prompt
    network, tokenize = _clipseg(model, options)
    # The text's embedding is a buffer that does not count among the weights, so that it does not change their hash.
    network.register_buffer("prompt", _text_embedding(network, tokenize(prompt)), persistent=False)
    return backbone_of(model, network, options, f" given {prompt!r}")


def promptable(options: Options, option: str = "weights") -> tuple[Any, Callable[[str], Tensor]]:
    """Load CLIPSeg, and a function from a text to its (1, channels) embedding; errors name its folder's `option`."""
    network, tokenize = _clipseg(_CLIPSEG, options, option)
    return network, lambda text: _text_embedding(network, tokenize(text))


def _clipseg(model: PublishedModel, options: Options, option: str = "weights") -> tuple[Any, Callable[[str], list[int]]]:
    """Load the network, and return a function from a text to its token ids."""
    library = transformers_for("clipseg")
    architecture = library.CLIPSegForImageSegmentation
    network: Any
    if options.weights is None and not options.pretrained:
        network = random_model(lambda: architecture(architecture.config_class(**model.config)))
        first, last = network.config.text_config.bos_token_id, network.config.text_config.eos_token_id

        def hashed(text: str) -> list[int]:
            digests = (hashlib.sha256(word.encode()).digest() for word in text.lower().split())
            return [first, *(int.from_bytes(digest[:4], "big") % min(first, last) for digest in digests), last]

        network.eval()
        return network, hashed
    if options.weights is not None and options.weights.is_file():
        raise InputError.of("weights", "must be a folder, as clipseg needs its tokenizer too", str(options.weights))
    folder = source_folder(model, options.weights, (*REQUIRED_FILES, *_CLIP_TOKENIZER), option)
    network = read_model("clipseg", folder, architecture.from_pretrained)

    def tokens(text: str) -> list[int]:
        with errors_as(f"the tokenizer of clipseg cannot be read: {folder}"):
            tokenizer = library.CLIPTokenizer.from_pretrained(folder, local_files_only=True)
            return list[int](tokenizer(text)["input_ids"])

    network.eval()
    return network, tokens


def _text_embedding(network: Any, numbers: list[int]) -> Tensor:
    import torch

    longest = network.config.text_config.max_position_embeddings
    if len(numbers) > longest:
        raise InputError.of("prompt", f"must be at most {longest} tokens", len(numbers), "shorten it")
    with torch.no_grad():
        embedding: Tensor = network.get_conditional_embeddings(1, input_ids=torch.tensor([numbers]))
    return embedding


def _prompted_states(network: Any, batch: Tensor) -> tuple[Tensor, ...]:
    # The model's own `forward` without the mask: the hooks by which transformers returns hidden states cannot be pickled.
    vision, decoder = network.clip.vision_model, network.decoder
    hidden = vision.pre_layrnorm(vision.embeddings(batch, interpolate_pos_encoding=True))
    activations = []
    for number, layer in enumerate(vision.encoder.layers[: max(network.extract_layers) + 1]):
        hidden = layer(hidden, None)
        if number in network.extract_layers:
            activations.append(hidden)
    prompt, states, output = network.prompt, [], None
    decoding = zip(reversed(activations), decoder.layers, decoder.reduces, strict=True)
    for number, (activation, layer, reduce) in enumerate(decoding):
        output = reduce(activation) if output is None else reduce(activation) + output
        if number == decoder.conditional_layer:
            output = decoder.film_mul(prompt) * output + decoder.film_add(prompt)
        output = layer(output, None)
        states.append(output)
    return tuple(states)


def _pooled_states(network: Any, batch: Tensor) -> tuple[Tensor, ...]:
    return tuple(state.mean(dim=1) for state in _prompted_states(network, batch))


_CLIPSEG, CLIPSEG = published(
    (
        "clipseg",
        93_120,
        f"{CLIPSEG_SIDE}×{CLIPSEG_SIDE} RGB and a text",
        "Apache-2.0",
        f"CLIPSeg's last three decoder hidden states, 485×64 each, given {PROMPT!r} (table 1)",
    ),
    ("CIDAS/clipseg-rd64-refined", "603 MB"),
    "prompt",
    build=_build_clipseg,
    architecture="CLIPSegForImageSegmentation",
    kinds=("clipseg",),
    config={"vision_config": {"patch_size": 16}, "use_complex_transposed_convolution": True},
    side=CLIPSEG_SIDE,
    interpolation="bilinear",
    maps=_prompted_states,
    layer="decoder hidden states 1, 2, 3",
    pooled=_pooled_states,
    pooling="mean",
)

_TOKENIZER: Final = (("tokenizer.json", "vocab.json", "spiece.model"),)
_WITH_TEXTS: Final = {"clip": _CLIP, "siglip2": _SIGLIP2}


def reads_text(identity: Mapping[str, Any]) -> bool:
    """Return whether a backbone's feature is an image's embedding in a space that its model has texts in too."""
    name = str(identity.get("name", ""))
    pooled = identity.get("pooling") == "own"
    return name in _WITH_TEXTS or (pooled and name in ("transformers:clip", "transformers:siglip", "transformers:siglip2"))


def text_tower(options: Options, name: str) -> Callable[[str], NDArray[np.float32]]:
    """Load the text tower beside a backbone that `reads_text`, and return a function from a text to its embedding.

    `name` and `options` are those that loaded the backbone. Raises `MissingPathError` where the model's folder cannot be had,
    and `InputError` where it has no text tower or tokenizer.
    """
    library = transformers_for(name)
    model, required = _WITH_TEXTS.get(name), (*REQUIRED_FILES, *_TOKENIZER)
    if options.weights is not None and options.weights.is_file():
        raise InputError.of("weights", "must be a folder, as a search by text needs the tokenizer too", str(options.weights))
    folder = model_folder(name, options, required) if model is None else source_folder(model, options.weights, required)
    network: Any = read_model(name, folder, library.AutoModel.from_pretrained)
    if not hasattr(network, "get_text_features"):
        raise InputError.of("weights", "must hold a text tower for a search by text", str(folder))
    network.eval()
    with errors_as(f"the tokenizer of {name} cannot be read: {folder}"):
        tokenize = library.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    longest = network.config.text_config.max_position_embeddings

    def embedding(text: str) -> NDArray[np.float32]:
        import torch

        tokens = tokenize([text], padding="max_length", truncation=True, max_length=longest, return_tensors="pt")
        with torch.no_grad():
            found = network.get_text_features(**tokens)
        vector: NDArray[np.float32] = getattr(found, "pooler_output", found)[0].numpy()
        return vector

    return embedding
