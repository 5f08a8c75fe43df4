"""Register SAM-Adapter (Chen et al. 2023), a frozen Segment Anything encoder with a small trained adapter and SAM's decoder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from howfar.segmenters.family import SegmenterFamily, Training
from howfar.segmenters.sam_adapter.options import SamAdapterOptions

if TYPE_CHECKING:
    from howfar.segmenters.sam_adapter.model import SamAdapter


def build(options: SamAdapterOptions, pretrained: bool | Path) -> SamAdapter:
    """Build the network; the imports are here since they take seconds."""
    from howfar.segmenters.sam_adapter.load_sam import load_sam
    from howfar.segmenters.sam_adapter.model import SamAdapter
    from howfar.weights.state_dicts import hash_state_dict

    sam = load_sam(options.base, pretrained)
    return SamAdapter(sam, options.r, None if pretrained is False else hash_state_dict(sam.state_dict()))


def describe(network: SamAdapter) -> Mapping[str, Any]:
    """Give the values that a checkpoint keeps, so that its network can be built without the base model."""
    return {"config": network.config, "base_weights": network.base_weights}


def restore(options: SamAdapterOptions, architecture: Mapping[str, Any]) -> SamAdapter:
    """Build the network from its description, whether or not the base model is on disk."""
    from howfar.segmenters.sam_adapter.load_sam import sam_of
    from howfar.segmenters.sam_adapter.model import SamAdapter

    return SamAdapter(sam_of(architecture.get("config")), options.r, architecture.get("base_weights"))


def side(options: SamAdapterOptions) -> int | None:
    """Find the side of the base model's images, where the hub need not be asked."""
    from howfar.segmenters.sam_adapter.load_sam import side_of

    return side_of(options.base)


# A side is a multiple of the patch's side; the network refuses any but the side of its base model.
SAM_ADAPTER = SegmenterFamily(
    "adsam",
    SamAdapterOptions,
    build,
    Training(size=1024, epochs=20, batch=2, loss="bce_iou", schedule="cosine", rate=2e-4),
    "SAM-Adapter (Chen et al. 2023) over Segment Anything's ViT-B (transformers)",
    multiple=16,
    describe=describe,
    restore=restore,
    side=side,
)
