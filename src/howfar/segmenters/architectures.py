"""Register the segmenters UNet++, DeepCrack, frozen encoder and SAM-Adapter, with their options and training defaults."""

from functools import partial
from importlib import import_module
from typing import Any, Literal

from pydantic import Field

from howfar.segmenters.segmenter_family import ArchitectureOptions, SegmenterFamily, TrainingDefaults
from howfar.weights.hub_downloads import SAM_BASE


def _call(module: str, function: str, *arguments: Any) -> Any:
    """Call a function of a network's module, which is imported only now, since torch takes seconds to load."""
    return getattr(import_module(f"howfar.segmenters.{module}"), function)(*arguments)


class UnetPlusPlusOptions(ArchitectureOptions):
    """Hold the options of UNet++: EfficientNet-Lite0 with packaged ImageNet weights, or EfficientNet-B3, the paper's."""

    encoder: Literal["lite0", "b3"] = Field("lite0", description="lite0 (weights in a package) or b3 (the paper's)")


UNETPLUSPLUS = SegmenterFamily(
    "unetplusplus",
    UnetPlusPlusOptions,
    partial(_call, "unetplusplus_network", "build"),
    TrainingDefaults(size=448, epochs=20, batch=8, loss="bce_dice", schedule="cosine", rate=1e-3),
    "UNet++ over EfficientNet (segmentation-models-pytorch)",
)


class DeepCrackOptions(ArchitectureOptions):
    """Hold the options of DeepCrack; its five blocks have 1, 2, 4, 8 and 8 times the `width`, which is 64 in VGG-16."""

    width: int = Field(64, ge=1, description="channels of the first block; 64 is the paper's")


# The loss is the paper's. Optimiser, rate and schedule are those of every segmenter of howfar; it trains longer than UNet++,
# since no part begins with trained weights.
DEEPCRACK = SegmenterFamily(
    "deepcrack",
    DeepCrackOptions,
    partial(_call, "deepcrack_network", "build"),
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


# The network refuses sides that are no multiples of its encoder's strides: 32 for EfficientNet-Lite0, 14 for DINOv2.
FROZEN = SegmenterFamily(
    "frozen",
    FrozenOptions,
    partial(_call, "frozen_encoder_network", "build"),
    TrainingDefaults(size=448, epochs=20, batch=8, loss="bce_dice", schedule="cosine", rate=1e-2),
    "a frozen encoder (EfficientNet-Lite0, DINOv2, any of timm or transformers) under a small trained decoder",
    multiple=1,
    describe=partial(_call, "frozen_encoder_network", "describe"),
    restore=partial(_call, "frozen_encoder_network", "restore"),
)


class SamAdapterOptions(ArchitectureOptions):
    """Hold the options of SAM-Adapter; pictures must have the sides of the base, 1024 for the published ones."""

    base: str = Field(
        SAM_BASE, min_length=1, description="a SAM on the hub, or a local folder with config.json and model.safetensors"
    )
    r: int = Field(24, ge=1, description="values for each patch between the adapter's layers; 24 is the paper's")


# A side is a multiple of the patch's side; the network refuses any but the side of its base model.
SAM_ADAPTER = SegmenterFamily(
    "adsam",
    SamAdapterOptions,
    partial(_call, "sam_adapter_network", "build"),
    TrainingDefaults(size=1024, epochs=20, batch=2, loss="bce_iou", schedule="cosine", rate=2e-4),
    "SAM-Adapter (Chen et al. 2023) over Segment Anything's ViT-B (transformers)",
    multiple=16,
    describe=partial(_call, "sam_adapter_network", "describe"),
    restore=partial(_call, "sam_adapter_network", "restore"),
    side=partial(_call, "sam_adapter_network", "side_of"),
)
