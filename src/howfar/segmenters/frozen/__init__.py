"""Register the frozen encoder: any backbone of timm or transformers, never trained, under a small trained decoder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from howfar.segmenters.family import Options, SegmenterFamily, Training

if TYPE_CHECKING:
    from howfar.segmenters.frozen.model import Frozen


class FrozenOptions(Options):
    """Choose the encoder, the decoder, and how many views of an image are learnt from.

    Attributes
    ----------
    encoder
        A backbone by its name (``efficientnet_lite0``, ``dinov2``, ``timm:resnet18``), a hub id (``facebook/dinov2-small``), or
        a local folder of the hub's format.
    decoder
        ``linear``: one linear map of the joined features of a pixel; ``conv``: 3 × 3 convolutions and upsampling.
    width
        Channels of the decoder ``conv``.
    views
        Views of an image that augmentation draws from: 1, the image; 2, mirrored too; 4, turned upside down too; 8, turned by
        a right angle too.
    """

    encoder: str = Field("efficientnet_lite0", min_length=1, description="a backbone's name, a hub id, or a local folder")
    decoder: Literal["conv", "linear"] = Field("conv", description="conv (3 × 3 convolutions, upsampling) or linear")
    width: int = Field(32, ge=1, description="channels of the decoder conv")
    views: Literal[1, 2, 4, 8] = Field(4, description="flips and turns that augmentation draws from: 1, 2, 4 or 8")


def build(options: FrozenOptions, pretrained: bool | Path) -> Frozen:
    """Build the network; the imports are here since they take seconds."""
    from howfar.segmenters.frozen.encoder import load_encoder
    from howfar.segmenters.frozen.model import Frozen

    return Frozen(load_encoder(options.encoder, pretrained), options.decoder, options.width, options.views)


def describe(network: Frozen) -> Mapping[str, Any]:
    """Give the values that a checkpoint keeps, so that its network can be built without the encoder's folder or hub."""
    return network.encoder.describe()


def restore(options: FrozenOptions, architecture: Mapping[str, Any]) -> Frozen:
    """Build the network from its description, whether or not the encoder's folder is there."""
    from howfar.segmenters.frozen.encoder import restore_encoder
    from howfar.segmenters.frozen.model import Frozen

    return Frozen(restore_encoder(architecture), options.decoder, options.width, options.views)


# The network refuses sides that are no multiples of its encoder's strides: 32 for EfficientNet-Lite0, 14 for DINOv2.
FROZEN = SegmenterFamily(
    "frozen",
    FrozenOptions,
    build,
    Training(size=448, epochs=20, batch=8, loss="bce_dice", schedule="cosine", rate=1e-2),
    "a frozen encoder (EfficientNet-Lite0, DINOv2, any of timm or transformers) under a small trained decoder",
    multiple=1,
    describe=describe,
    restore=restore,
)
