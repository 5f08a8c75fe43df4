"""A checkpoint of a tiny segmenter with random weights, as one that was trained on the dataset roads."""

from typing import Any

import torch

from howfar.segmenters import build_segmenter
from howfar.segmenters.checkpoint import Checkpoint, CheckpointCard
from howfar.weights.state_dicts import hash_state_dict


def tiny_checkpoint(seed: int = 0, size: int = 32, **data: Any) -> Checkpoint:
    """Make a checkpoint of random weights; `data` says what it learnt from."""
    torch.manual_seed(seed)
    state = build_segmenter("deepcrack", {"width": 4}, pretrained=False).state_dict()
    learnt = {"primary": "roads", "images": 1, "contents": [], "held_out": [], **data}
    return Checkpoint(CheckpointCard("deepcrack", {"width": 4}, size, hash_state_dict(state), {}, learnt, (), None), state)
