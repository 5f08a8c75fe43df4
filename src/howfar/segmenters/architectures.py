"""Register the segmenters UNet++, DeepCrack, frozen encoder and SAM-Adapter: options, default training, and how to build."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from howfar.segmenters.segmenter_family import ArchitectureOptions, SegmenterFamily, TrainingDefaults
from howfar.weights.published import SAM_BASE

if TYPE_CHECKING:
    from howfar.segmenters.deepcrack_network import DeepCrack
    from howfar.segmenters.frozen_network import Frozen
    from howfar.segmenters.sam_adapter_network import SamAdapter
    from howfar.segmenters.unetplusplus_network import UnetPlusPlus


class UnetPlusPlusOptions(ArchitectureOptions):
    """Hold the options of UNet++: EfficientNet-Lite0 with packaged ImageNet weights, or EfficientNet-B3, the paper's."""

    encoder: Literal["lite0", "b3"] = Field("lite0", description="lite0 (weights in a package) or b3 (the paper's)")


def build_unetplusplus(options: UnetPlusPlusOptions, pretrained: bool | Path) -> UnetPlusPlus:
    """Build the network; the import is here since it takes seconds."""
    from howfar.segmenters.unetplusplus_network import build as build_network

    return build_network(options.encoder, pretrained)


UNETPLUSPLUS = SegmenterFamily(
    "unetplusplus",
    UnetPlusPlusOptions,
    build_unetplusplus,
    TrainingDefaults(size=448, epochs=20, batch=8, loss="bce_dice", schedule="cosine", rate=1e-3),
    "UNet++ over EfficientNet (segmentation-models-pytorch)",
)


class DeepCrackOptions(ArchitectureOptions):
    """Hold the options of DeepCrack; its five blocks have 1, 2, 4, 8 and 8 times the `width`, which is 64 in VGG-16."""

    width: int = Field(64, ge=1, description="channels of the first block; 64 is the paper's")


def build_deepcrack(options: DeepCrackOptions, pretrained: bool | Path) -> DeepCrack:
    """Build the network; the import is here since it takes seconds."""
    from howfar.segmenters.deepcrack_network import build as build_network

    return build_network(options.width, pretrained)


# The loss is the paper's. Optimiser, rate and schedule are those of every segmenter of howfar; it trains longer than UNet++,
# since no part begins with trained weights.
DEEPCRACK = SegmenterFamily(
    "deepcrack",
    DeepCrackOptions,
    build_deepcrack,
    TrainingDefaults(size=448, epochs=50, batch=4, loss="deepcrack", schedule="cosine", rate=1e-3),
    "DeepCrack (Zou et al. 2018), trained from random weights",
    multiple=32,
)


class FrozenOptions(ArchitectureOptions):
    """Hold the options of the frozen segmenter.

    `linear` is one linear map of the joined features of a pixel. `views` are 1, the image; 2, mirrored too; 4, turned upside
    down too; 8, turned by a right angle too.
    """

    encoder: str = Field("efficientnet_lite0", min_length=1, description="a backbone's name, a hub id, or a local folder")
    decoder: Literal["conv", "linear"] = Field("conv", description="conv (3 × 3 convolutions, upsampling) or linear")
    width: int = Field(32, ge=1, description="channels of the decoder conv")
    views: Literal[1, 2, 4, 8] = Field(4, description="flips and turns that augmentation draws from: 1, 2, 4 or 8")


def build_frozen(options: FrozenOptions, pretrained: bool | Path) -> Frozen:
    """Build the network; the imports are here since they take seconds."""
    from howfar.segmenters.frozen_network import Frozen, load_encoder

    return Frozen(load_encoder(options.encoder, pretrained), options.decoder, options.width, options.views)


def describe_frozen(network: Frozen) -> Mapping[str, Any]:
    """Return the values stored in a checkpoint to rebuild the network without the encoder's folder or the hub."""
    return network.encoder.describe()


def restore_frozen(options: FrozenOptions, architecture: Mapping[str, Any]) -> Frozen:
    """Build the network from its description, without the encoder's folder."""
    from howfar.segmenters.frozen_network import Frozen, restore_encoder

    return Frozen(restore_encoder(architecture), options.decoder, options.width, options.views)


# The network refuses sides that are no multiples of its encoder's strides: 32 for EfficientNet-Lite0, 14 for DINOv2.
FROZEN = SegmenterFamily(
    "frozen",
    FrozenOptions,
    build_frozen,
    TrainingDefaults(size=448, epochs=20, batch=8, loss="bce_dice", schedule="cosine", rate=1e-2),
    "a frozen encoder (EfficientNet-Lite0, DINOv2, any of timm or transformers) under a small trained decoder",
    multiple=1,
    describe=describe_frozen,
    restore=restore_frozen,
)


class SamAdapterOptions(ArchitectureOptions):
    """Hold the options of SAM-Adapter; pictures must have the sides of the base, 1024 for the published ones."""

    base: str = Field(
        SAM_BASE, min_length=1, description="a SAM on the hub, or a local folder with config.json and model.safetensors"
    )
    r: int = Field(24, ge=1, description="values for each patch between the adapter's layers; 24 is the paper's")


def build_sam_adapter(options: SamAdapterOptions, pretrained: bool | Path) -> SamAdapter:
    """Build the network; the imports are here since they take seconds."""
    from howfar.segmenters.sam_adapter_network import SamAdapter, load_sam
    from howfar.weights.state_dicts import hash_state_dict

    sam = load_sam(options.base, pretrained)
    return SamAdapter(sam, options.r, None if pretrained is False else hash_state_dict(sam.state_dict()))


def describe_sam_adapter(network: SamAdapter) -> Mapping[str, Any]:
    """Return the values stored in a checkpoint to rebuild the network without the base model."""
    return {"config": network.config, "base_weights": network.base_weights}


def restore_sam_adapter(options: SamAdapterOptions, architecture: Mapping[str, Any]) -> SamAdapter:
    """Build the network from its description, without the base model on disk."""
    from howfar.segmenters.sam_adapter_network import SamAdapter, sam_of

    return SamAdapter(sam_of(architecture.get("config")), options.r, architecture.get("base_weights"))


def sam_side(options: SamAdapterOptions) -> int | None:
    """Return the side of the base model's images, if known without asking the hub."""
    from howfar.segmenters.sam_adapter_network import side_of

    return side_of(options.base)


# A side is a multiple of the patch's side; the network refuses any but the side of its base model.
SAM_ADAPTER = SegmenterFamily(
    "adsam",
    SamAdapterOptions,
    build_sam_adapter,
    TrainingDefaults(size=1024, epochs=20, batch=2, loss="bce_iou", schedule="cosine", rate=2e-4),
    "SAM-Adapter (Chen et al. 2023) over Segment Anything's ViT-B (transformers)",
    multiple=16,
    describe=describe_sam_adapter,
    restore=restore_sam_adapter,
    side=sam_side,
)
