"""Every set of real images lists and decodes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from howfar.data import Dataset, decode, read_bytes, read_mask

SETS = {
    "aiglern_tiles": (136, 136),
    "bsds500": (200, 0),
    "cfd": (118, 118),
    "cfd_noncrack": (8, 8),
    "cfd_unlabelled": (29, 0),
    "crack500_tiles": (500, 500),
    "deepcrack_tiles": (537, 537),
    "gaps384_tiles": (509, 509),
    "orl_faces": (100, 0),
    "shadowcrack_tiles": (671, 671),
    "sun_scenes": (560, 0),
    "voc2007": (200, 0),
}


@pytest.mark.parametrize("name", SETS)
def test_set(name: str, research_images: Path) -> None:
    dataset = Dataset.from_folder(research_images / name)
    masks = [item.mask for item in dataset.items if item.mask is not None]
    assert (dataset.name, len(dataset), len(masks)) == (name, *SETS[name])
    assert dataset.skipped == ()
    some = dataset.items[:: max(1, len(dataset) // 12)]
    for item in some:
        picture = decode(read_bytes(item.path)).image
        assert picture.mode == "RGB"
        if item.mask is not None:
            mask = read_mask(item.mask)
            assert mask.shape == (picture.height, picture.width)
            assert bool(mask.any()) == (name != "cfd_noncrack")
            assert np.mean(mask) < 0.6
