"""Tiny models in the hub's format as `save_pretrained` writes them, and the cache of a hub that is out of reach."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch


def go_offline(monkeypatch: pytest.MonkeyPatch, cache: Path) -> Path:
    """Leave no hub, but its cache."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    return cache


def put_into_cache(cache: Path, repository: str, folder: Path) -> Path:
    """Copy a folder's files to where the hub's client keeps them, as if it had fetched them."""
    place = cache / f"models--{repository.replace('/', '--')}"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text("0" * 40)
    snapshot = place / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    for file in filter(Path.is_file, folder.iterdir()):
        (snapshot / file.name).write_bytes(file.read_bytes())
    return snapshot


@contextmanager
def no_progress_bars() -> Iterator[None]:
    """Silence transformers' bars."""
    from transformers.utils import logging

    bars: Any = logging
    bars.disable_progress_bar()
    yield
    bars.enable_progress_bar()


def save_dinov2(folder: Path) -> Path:
    """DINOv2 in small: two blocks, patches of 8, made for images of 32."""
    from transformers import Dinov2Config, Dinov2Model

    config = Dinov2Config(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=8)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        Dinov2Model(config).save_pretrained(folder)
    return folder


def save_sam(folder: Path, side: int = 64) -> Path:
    """SAM in small: a block of windows and one of the whole, with weights so large that every part has a say."""
    from transformers import SamConfig, SamModel

    vision = {
        "hidden_size": 32, "output_channels": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": side,
        "patch_size": 16, "window_size": 3, "global_attn_indexes": [1], "num_pos_feats": 8, "initializer_range": 0.02,
    }  # fmt: skip
    prompts = {"hidden_size": 16, "image_size": side, "patch_size": 16}
    decoder = {"hidden_size": 16, "mlp_dim": 32, "num_attention_heads": 2, "iou_head_hidden_dim": 16}
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(11)
        sam = SamModel(SamConfig(vision_config=vision, prompt_encoder_config=prompts, mask_decoder_config=decoder))
        for name, one in sam.named_parameters():
            if one.ndim > 1:
                one.normal_(0, 0.5 if "pos" in name or "embed" in name else one[0].numel() ** -0.5)
    sam.save_pretrained(folder)
    return folder
