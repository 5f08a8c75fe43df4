"""Let a network whose encoder is frozen keep the features of the images that it is trained on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from howfar.memory import budget
from howfar.training.image_mask_pairs import Pairs

LIMIT: Final = 2 << 30
"""Bytes that features may take where there is no budget."""


@contextmanager
def keeping_features(network: Any, images: Sequence[Pairs]) -> Iterator[None]:
    """Keep features for the block, if `network` can, in what the budget leaves beside the images; without a budget in 2 GiB."""
    keeping = getattr(network, "keeping_features", None)
    if keeping is None:
        yield
        return
    whole, held = budget(), sum(pairs.pictures.nbytes + pairs.masks.nbytes for pairs in images)
    with keeping(LIMIT if whole is None else max(0, whole.total - whole.reserved - held)):
        yield
