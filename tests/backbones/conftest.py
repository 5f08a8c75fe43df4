"""Tiny models of random weights in the hub's own format, as `save_pretrained` writes them, each made once."""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from worlds.hub import go_offline, no_progress_bars, put_into_cache

VIT: Mapping[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 8,
}
TEXT: Mapping[str, Any] = {
    "vocab_size": 300,
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "projection_dim": 16,
    "bos_token_id": 298,
    "eos_token_id": 299,
    "pad_token_id": 299,
}
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def of_text(config: Any, model: Any, vision: Mapping[str, Any] = {}, **rest: Any) -> Any:
    return model(
        config(text_config=dict(TEXT), vision_config={**VIT, "projection_dim": 16, **vision}, projection_dim=16, **rest)
    )


def clip() -> Any:
    return of_text(transformers.CLIPConfig, transformers.CLIPModel)


def siglip2() -> Any:
    return of_text(transformers.SiglipConfig, transformers.SiglipModel)


def clipseg() -> Any:
    more = {"extract_layers": [0, 1, 2], "reduce_dim": 8, "decoder_num_attention_heads": 2, "decoder_intermediate_size": 8}
    vision = {"num_hidden_layers": 4, "patch_size": 32}
    return of_text(transformers.CLIPSegConfig, transformers.CLIPSegForImageSegmentation, vision, **more)


def sam() -> Any:
    vision = {**VIT, "output_channels": 8, "global_attn_indexes": [1], "window_size": 2, "num_pos_feats": 4, "mlp_dim": 32}
    vision.pop("intermediate_size")
    small = {"hidden_size": 8, "image_size": 32, "patch_size": 8, "image_embedding_size": 4}
    mask = {"hidden_size": 8, "mlp_dim": 8, "num_attention_heads": 2, "iou_head_hidden_dim": 8}
    vision["initializer_range"] = 0.02
    return transformers.SamModel(
        transformers.SamConfig(vision_config=vision, prompt_encoder_config=small, mask_decoder_config=mask)
    )


def dinov2() -> Any:
    return transformers.Dinov2Model(transformers.Dinov2Config(**{**VIT, "patch_size": 14, "image_size": 56, "mlp_ratio": 1}))


def dinov3() -> Any:
    return transformers.DINOv3ViTModel(transformers.DINOv3ViTConfig(**{**VIT, "patch_size": 16, "num_register_tokens": 4}))


def convnextv2() -> Any:
    sizes = {"depths": [1, 1, 1, 1], "hidden_sizes": [4, 8, 8, 16]}
    return transformers.ConvNextV2ForImageClassification(transformers.ConvNextV2Config(**sizes))


def swinv2() -> Any:
    sizes = {"image_size": 192, "embed_dim": 8, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 2, 2], "window_size": 12}
    return transformers.Swinv2ForImageClassification(transformers.Swinv2Config(**sizes))


def vit_classifier() -> Any:
    return transformers.ViTForImageClassification(transformers.ViTConfig(**VIT))


def bert() -> Any:
    sizes = {key: VIT[key] for key in ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")}
    return transformers.BertModel(transformers.BertConfig(**sizes, vocab_size=30))


MAKERS: Mapping[str, Callable[[], Any]] = {
    one.__name__: one for one in (clip, siglip2, clipseg, sam, dinov2, dinov3, convnextv2, swinv2, vit_classifier, bert)
}


def write_tokenizer(folder: Path) -> None:
    """A vocabulary of letters, each also as the end of a word, in CLIP's two files."""
    words = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS)]
    vocabulary = {word: number for number, word in enumerate(words)} | {"<|startoftext|>": 298, "<|endoftext|>": 299}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n")


def save(kind: str, folder: Path, seed: int = 0) -> Path:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = MAKERS[kind]()
        for parameter in network.parameters():
            # What would begin as 0 or 1 must count too.
            parameter.data += 0.05 * torch.randn_like(parameter)
    network.save_pretrained(folder)
    if kind in ("clip", "clipseg"):
        write_tokenizer(folder)
    return folder


@pytest.fixture(scope="session", autouse=True)
def _quiet() -> Iterator[None]:
    with no_progress_bars():
        yield


@pytest.fixture(scope="session")
def hub_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """(kind, seed) -> a folder in the hub's format."""
    made: dict[tuple[str, int], Path] = {}

    def folder(kind: str, seed: int = 0) -> Path:
        if (kind, seed) not in made:
            made[kind, seed] = save(kind, tmp_path_factory.mktemp(f"{kind}-{seed}"), seed)
        return made[kind, seed]

    return folder


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No hub; the folder of its empty cache."""
    return go_offline(monkeypatch, tmp_path / "cache")


@pytest.fixture
def cache_model(offline: Path) -> Callable[[str, Path], Path]:
    """(repository, folder) -> where the hub's client keeps copies of the folder's files, as if it had fetched them."""
    return partial(put_into_cache, offline)
