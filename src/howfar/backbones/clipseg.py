"""CLIPSeg (Lüddecke & Ecker, "Image segmentation using text and image prompts", 2022): its decoder's states, given a text."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from howfar.backbones.family import Card, Options
from howfar.backbones.hub_models import WANTED, model_word, one_line, random_model, read_model, transformers_for
from howfar.backbones.preprocessing import Preprocess
from howfar.backbones.published_transformers import IMAGENET, Published, recipe_of, source_folder
from howfar.errors import InputError

# torch is imported when a network is built, so that listing the cards stays cheap.
if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from howfar.backbones.torch_backbone import Network

PROMPT: Final = "line structures"
"""The paper's (table 1)."""
SIDE: Final = 352
_TOKENIZER: Final = (("vocab.json", "tokenizer.json"), ("merges.txt", "tokenizer.json"))


def build_clipseg(row: Published, options: Options) -> Network:
    """Build CLIPSeg with one text: the output of each of its three decoder layers, (token, channel) in C order.

    The first token of each is the class's, then come the patches row by row. The text's embedding is computed once, by the
    model's own tokenizer and text encoder. With `pool` each layer becomes its mean over tokens. Weights are found as
    `build_published` finds them, but for a file alone, which has no tokenizer. Random weights have no vocabulary: there the
    numbers of a text's words are made of their letters.

    Raises
    ------
    MissingExtraError
        transformers or torch is absent.
    MissingPathError
        The folder lacks a file, or the hub's files are neither cached nor within reach.
    InputError
        The weights are another model's, or damaged, or the text is too long.
    """
    library = transformers_for("clipseg")
    from howfar.backbones.torch_backbone import Feature, Network

    prompt = PROMPT if options.prompt is None else options.prompt
    network = _prompted(row, library, prompt, options)
    maps, pooling = (_pooled, "mean") if options.pool else (_hidden_states, "none")
    red, green, blue = (round(255 * part) for part in IMAGENET[0])
    return Network(
        name="clipseg",
        model=model_word(network),
        network=network,
        feature=Feature(maps, f"{row.layer} given {prompt!r}", pooling),
        preprocess=Preprocess((SIDE, SIDE), options.fit, options.via, "bilinear", (red, green, blue)),
        mean=IMAGENET[0],
        std=IMAGENET[1],
        device=options.device,
        engine=options.engine,
        precision=options.precision,
    )


def _prompted(row: Published, library: Any, prompt: str, options: Options) -> Any:
    """The network, with the text's embedding as a buffer that is no part of its weights."""
    network, tokens = _network(row, library, options)
    network.register_buffer("prompt", _embedding(network, tokens(prompt)), persistent=False)
    return network


def promptable(options: Options, option: str = "weights") -> tuple[Any, Callable[[str], Tensor]]:
    """CLIPSeg itself, and what gives the (1, channels) embedding of a text for its ``conditional_embeddings``.

    `option` is what the errors call the one that its folder is passed by.

    Raises
    ------
    HowfarError
        As `build_clipseg`.
    """
    network, tokens = _network(CLIPSEG_ROW, transformers_for("clipseg"), options, option)
    return network, lambda text: _embedding(network, tokens(text))


def _network(row: Published, library: Any, options: Options, option: str = "weights") -> tuple[Any, Callable[[str], list[int]]]:
    """The network, and what turns a text into its numbers."""
    model = library.CLIPSegForImageSegmentation
    network: Any
    if options.weights is None and not options.pretrained:
        network = random_model(lambda: model(model.config_class(**row.config)))
        network.eval()
        return network, lambda text: _invented(text, network.config.text_config)
    if options.weights is not None and options.weights.is_file():
        raise InputError.of("weights", "must be a folder, as clipseg needs its tokenizer too", str(options.weights))
    folder = source_folder(row, options.weights, (*WANTED, *_TOKENIZER), option)
    network = read_model("clipseg", folder, model.from_pretrained)
    network.eval()
    return network, lambda text: _tokens(library, folder, text)


def _embedding(network: Any, numbers: list[int]) -> Tensor:
    import torch

    longest = network.config.text_config.max_position_embeddings
    if len(numbers) > longest:
        raise InputError.of("prompt", f"must be at most {longest} tokens", len(numbers), "shorten it")
    with torch.no_grad():
        embedding: Tensor = network.get_conditional_embeddings(1, input_ids=torch.tensor([numbers]))
    return embedding


def _tokens(library: Any, folder: Path, prompt: str) -> list[int]:
    try:
        numbers: list[int] = library.CLIPTokenizer.from_pretrained(folder, local_files_only=True)(prompt)["input_ids"]
    # Damaged text, and errors of the library that reads it.
    except Exception as error:
        raise InputError(f"the tokenizer of clipseg cannot be read: {folder} ({one_line(error)})") from error
    return numbers


def _invented(prompt: str, config: Any) -> list[int]:
    first, last = config.bos_token_id, config.eos_token_id
    digests = (hashlib.sha256(word.encode()).digest() for word in prompt.lower().split())
    return [first, *(int.from_bytes(digest[:4], "big") % min(first, last) for digest in digests), last]


def _hidden_states(network: Any, batch: Tensor) -> tuple[Tensor, ...]:
    # As the model's own `forward`, without the mask. What it has for handing out hidden states cannot be pickled.
    vision, decoder = network.clip.vision_model, network.decoder
    hidden = vision.pre_layrnorm(vision.embeddings(batch, interpolate_pos_encoding=True))
    taken = []
    for number, layer in enumerate(vision.encoder.layers[: max(network.extract_layers) + 1]):
        hidden = layer(hidden, None)
        if number in network.extract_layers:
            taken.append(hidden)
    given, states, output = network.prompt, [], None
    for number, (one, layer, reduce) in enumerate(zip(reversed(taken), decoder.layers, decoder.reduces, strict=True)):
        output = reduce(one) if output is None else reduce(one) + output
        if number == decoder.conditional_layer:
            output = decoder.film_mul(given) * output + decoder.film_add(given)
        output = layer(output, None)
        states.append(output)
    return tuple(states)


def _pooled(network: Any, batch: Tensor) -> tuple[Tensor, ...]:
    return tuple(one.mean(dim=1) for one in _hidden_states(network, batch))


CLIPSEG_ROW: Final = Published(
    card=Card(
        "clipseg",
        93_120,
        f"{SIDE}×{SIDE} RGB and a text",
        "the hub's CIDAS/clipseg-rd64-refined (603 MB), or weights=FOLDER",
        "Apache-2.0",
        f"CLIPSeg's last three decoder hidden states, 485×64 each, given {PROMPT!r} (table 1)",
    ),
    repository="CIDAS/clipseg-rd64-refined",
    download="603 MB",
    architecture="CLIPSegForImageSegmentation",
    kinds=("clipseg",),
    config={"vision_config": {"patch_size": 16}, "use_complex_transposed_convolution": True},
    side=SIDE,
    maps=_hidden_states,
    layer="decoder hidden states 1, 2, 3",
    pooled=_pooled,
)
CLIPSEG: Final = recipe_of(CLIPSEG_ROW, build_clipseg, "prompt")
