"""Register segmentation networks with their options and training defaults, and build them by name or from a checkpoint."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from howfar import registry
from howfar.errors import InputError, MissingPathError, rule_broken
from howfar.option_checks_and_signatures import nearest
from howfar.weights.hub_downloads import SAM_BASE

__all__ = [
    "ArchitectureOptions", "SegmenterFamily", "TrainingDefaults", "build_segmenter", "restore_segmenter", "segmenter_family",
]  # fmt: skip


class ArchitectureOptions(BaseModel):
    """Hold an architecture's options as immutable JSON values, rejecting unknown names; families subclass this."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class TrainingDefaults:
    """Hold a segmenter's default training settings: `size` in pixels, AdamW's highest `rate` and its weight `decay`."""

    size: int = 448
    epochs: int = 20
    batch: int = 8
    loss: str = "bce_dice"
    schedule: str = "cosine"
    rate: float = 1e-3
    decay: float = 1e-4


@dataclass(frozen=True)
class SegmenterFamily:
    """Register a family of segmenters under one name, in the registry or as an entry point.

    `options` is a subclass of `ArchitectureOptions` whose fields all have defaults. `build`, (options, pretrained) -> torch
    module, imports heavy libraries inside it, not at the top of its file. `summary` is one line: the architecture and its
    source; `multiple` is the number that the sides of its input must be a multiple of. `describe`, network -> JSON values,
    gives what suffices to build the network where its options name files or a hub, as a checkpoint keeps it; `restore`,
    (options, those values) -> torch module, builds it from the two alone, with any weights. `side`, options -> the one side
    that its input may have, returns None where they do not determine it; it is left out where any multiple fits.
    """

    name: str
    options: type[ArchitectureOptions]
    build: Callable[[Any, bool | Path], Any]
    training: TrainingDefaults
    summary: str
    multiple: int = 32
    describe: Callable[[Any], Mapping[str, Any]] | None = None
    restore: Callable[[Any, Mapping[str, Any]], Any] | None = None
    side: Callable[[Any], int | None] | None = None

    def checked(self, given: Mapping[str, Any]) -> ArchitectureOptions:
        """Validate an architecture's options; `InputError` names the option nearest to an unknown one."""
        names = list(self.options.model_fields)
        for name in given:
            if name not in names:
                raise InputError.of("option", f"must be one of {self.name}", name, nearest(name, names, "options"))
        try:
            return self.options(**given)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"])
            raise InputError.of(f"{self.name}'s {name}", rule_broken(first), first["input"]) from error


def segmenter_family(name: str) -> SegmenterFamily:
    """Look up the segmenter family that is registered as `name`, without building its network."""
    family = registry.load("segmenters", name)
    if not isinstance(family, SegmenterFamily):
        rule = "must be registered as a howfar.segmenters.SegmenterFamily"
        raise InputError.of(f"segmenter {name!r}", rule, type(family).__name__)
    return family


def build_segmenter(name: str, options: Mapping[str, Any] | None = None, *, pretrained: bool | Path = True) -> Any:
    """Build the segmenter registered as `name`, a torch module with the interface `howfar.protocols.Segmenter`.

    `pretrained` tells whether parts that have published weights begin with them, or is a local file of such weights; False
    suffices before a checkpoint's weights are loaded.
    """
    family = segmenter_family(name)
    return family.build(family.checked(options or {}), pretrained)


def restore_segmenter(name: str, options: Mapping[str, Any], architecture: Mapping[str, Any]) -> Any:
    """Build a checkpoint's network from the checkpoint's description alone, without its weights' original source.

    `architecture` is the result of the family's `describe`; it is empty where the family has none, and in checkpoints of
    earlier versions, whose network can be built only while the files that its options name exist.
    """
    family = segmenter_family(name)
    checked = family.checked(options)
    if family.restore is not None and architecture:
        return family.restore(checked, architecture)
    try:
        return family.build(checked, False)
    except MissingPathError as error:
        if family.restore is None:
            raise
        raise MissingPathError(
            f"the checkpoint was written before howfar kept in it what {name} is built by, and its options no longer tell "
            f"({error}): put the base back where it was, or train again"
        ) from error


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
    describe=lambda network: network.encoder.describe(),
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
    describe=lambda network: {"config": network.config, "base_weights": network.base_weights},
    restore=partial(_call, "sam_adapter_network", "restore"),
    side=partial(_call, "sam_adapter_network", "side_of"),
)
