"""Use hidden states of CLIPSeg's text-conditioned decoder as image features.

Lüddecke & Ecker, "Image segmentation using text and image prompts" (CVPR 2022).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from howfar.backbones.backbone_family import Options
from howfar.backbones.published_transformers import PublishedModel, backbone_of, family_of, published, source_folder
from howfar.errors import InputError, one_line
from howfar.weights.hub_downloads import transformers_for
from howfar.weights.hub_models import REQUIRED_FILES, random_model, read_model

# torch is imported when a network is built, so that listing the cards stays cheap.
if TYPE_CHECKING:
    from torch import Tensor

    from howfar.backbones.torch_backbone import TorchBackbone

PROMPT: Final = "line structures"  # the paper's (table 1)
SIDE: Final = 352
_TOKENIZER: Final = (("vocab.json", "tokenizer.json"), ("merges.txt", "tokenizer.json"))


def _build_clipseg(model: PublishedModel, options: Options) -> TorchBackbone:
    """Build CLIPSeg with one text as a backbone: outputs of its three decoder layers, flattened as (token, channel)."""
    prompt = PROMPT if options.prompt is None else options.prompt
    network, tokenize = _network(model, options)
    # The text's embedding is a buffer that does not count among the weights, so that it does not change their hash.
    network.register_buffer("prompt", _embedding(network, tokenize(prompt)), persistent=False)
    return backbone_of(model, network, options, f" given {prompt!r}")


def promptable(options: Options, option: str = "weights") -> tuple[Any, Callable[[str], Tensor]]:
    """Load CLIPSeg, and a function from a text to its (1, channels) embedding; errors name its folder's `option`."""
    network, tokenize = _network(CLIPSEG_MODEL, options, option)
    return network, lambda text: _embedding(network, tokenize(text))


def _network(model: PublishedModel, options: Options, option: str = "weights") -> tuple[Any, Callable[[str], list[int]]]:
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
    folder = source_folder(model, options.weights, (*REQUIRED_FILES, *_TOKENIZER), option)
    network = read_model("clipseg", folder, architecture.from_pretrained)

    def tokens(text: str) -> list[int]:
        try:
            numbers: list[int] = library.CLIPTokenizer.from_pretrained(folder, local_files_only=True)(text)["input_ids"]
        # Damaged text, and errors of the library that reads it.
        except Exception as error:
            raise InputError(f"the tokenizer of clipseg cannot be read: {folder} ({one_line(error)})") from error
        return numbers

    network.eval()
    return network, tokens


def _embedding(network: Any, numbers: list[int]) -> Tensor:
    import torch

    longest = network.config.text_config.max_position_embeddings
    if len(numbers) > longest:
        raise InputError.of("prompt", f"must be at most {longest} tokens", len(numbers), "shorten it")
    with torch.no_grad():
        embedding: Tensor = network.get_conditional_embeddings(1, input_ids=torch.tensor([numbers]))
    return embedding


def _hidden_states(network: Any, batch: Tensor) -> tuple[Tensor, ...]:
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


def _pooled(network: Any, batch: Tensor) -> tuple[Tensor, ...]:
    return tuple(state.mean(dim=1) for state in _hidden_states(network, batch))


CLIPSEG_MODEL: Final = published(
    (
        "clipseg",
        93_120,
        f"{SIDE}×{SIDE} RGB and a text",
        "Apache-2.0",
        f"CLIPSeg's last three decoder hidden states, 485×64 each, given {PROMPT!r} (table 1)",
    ),
    ("CIDAS/clipseg-rd64-refined", "603 MB"),
    architecture="CLIPSegForImageSegmentation",
    kinds=("clipseg",),
    config={"vision_config": {"patch_size": 16}, "use_complex_transposed_convolution": True},
    side=SIDE,
    interpolation="bilinear",
    maps=_hidden_states,
    layer="decoder hidden states 1, 2, 3",
    pooled=_pooled,
    pooling="mean",
)
CLIPSEG: Final = family_of(CLIPSEG_MODEL, _build_clipseg, "prompt")
