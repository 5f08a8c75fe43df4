"""Register DeepCrack (Zou et al. 2018), a SegNet of VGG-16's widths whose encoder and decoder are fused at every scale."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from howfar.segmenters.family import Options, SegmenterFamily, Training

if TYPE_CHECKING:
    from howfar.segmenters.deepcrack.model import DeepCrack


class DeepCrackOptions(Options):
    """Choose the network's width.

    Attributes
    ----------
    width
        Channels of the first block; the five have 1, 2, 4, 8 and 8 times as many. 64 is VGG-16's, and the paper's.
    """

    width: int = Field(64, ge=1, description="channels of the first block; 64 is the paper's")


def build(options: DeepCrackOptions, pretrained: bool | Path) -> DeepCrack:
    """Build the network; the import is here since it takes seconds."""
    from howfar.segmenters.deepcrack.model import build as build_network

    return build_network(options.width, pretrained)


# The loss is the paper's. Optimiser, rate and schedule are those of every segmenter of howfar; it trains longer than UNet++,
# since no part begins with trained weights.
DEEPCRACK = SegmenterFamily(
    "deepcrack",
    DeepCrackOptions,
    build,
    Training(size=448, epochs=50, batch=4, loss="deepcrack", schedule="cosine", rate=1e-3),
    "DeepCrack (Zou et al. 2018), trained from random weights",
    multiple=32,
)
