"""Tiny networks of random weights, saved in the hub's own format and loaded by the real loading code."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import transformers

from howfar.demo import write_dataset


@pytest.fixture(scope="session")
def sam_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    vision = {
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 64,
        "patch_size": 8,
        "output_channels": 8,
        "global_attn_indexes": [1],
        "window_size": 2,
        "num_pos_feats": 4,
        "mlp_dim": 32,
        "initializer_range": 0.02,
    }
    small = {"hidden_size": 8, "image_size": 64, "patch_size": 8, "image_embedding_size": 8}
    mask = {"hidden_size": 8, "mlp_dim": 8, "num_attention_heads": 2, "iou_head_hidden_dim": 8}
    config = transformers.SamConfig(vision_config=vision, prompt_encoder_config=small, mask_decoder_config=mask)
    folder = tmp_path_factory.mktemp("sam")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        model = transformers.SamModel(config)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TQDM_DISABLE", "1")
        model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def roads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("prompted") / "roads", 6, seed=0, size=48)


@pytest.fixture(scope="session")
def walls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("prompted") / "walls", 4, seed=1, size=64, kind="texture", shift=0.5)
