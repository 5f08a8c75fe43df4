"""Declare which Segment Anything models are published, and the options of the adapter over one of them."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from howfar.segmenters.family import ArchitectureOptions

BASE: Final = "facebook/sam-vit-base"
SIZES: Final = {BASE: "375 MB", "facebook/sam-vit-large": "1.2 GB", "facebook/sam-vit-huge": "2.6 GB"}
"""The published bases, and how large the weights of each are."""
SIDE: Final = 1024
"""Side of the pictures of every published base."""


class SamAdapterOptions(ArchitectureOptions):
    """Hold the options of SAM-Adapter; pictures must have the sides of the base, 1024 for the published ones."""

    base: str = Field(
        BASE, min_length=1, description="a SAM on the hub, or a local folder with config.json and model.safetensors"
    )
    r: int = Field(24, ge=1, description="values for each patch between the adapter's layers; 24 is the paper's")
