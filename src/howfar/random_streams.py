"""Make NumPy random generators from the user's seed, one for each named purpose, such as corruption or selection."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np

PURPOSES: Final[dict[str, tuple[int, ...]]] = {
    "corruption": (),
    "images mixed into others": (),
    "identity of sets": (),
    "images of selftraining": (),
    "gains of adaptation": (),
    "labels still needed": (),
    "limit": (2,),
    "relation": (3,),
    "agreement of backbones": (3,),
    "selection": (4,),
    "slices of distance": (4,),
    "slopes of adaptation": (4,),
    "slices of performance": (5,),
    "prompts": (5,),
    "performance by distance": (5,),
    "background of adaptation": (5,),
    "draws of a pool": (6,),
    "suppression": (6,),
    "resamples of a pool": (7,),
    "edges": (7, 1),
    "labels of a pool": (8,),
    "rank stability": (83,),
}
"""The numbers that end each stream's seed; two purposes share a number only where published numbers were drawn so."""
UNSEEDED: Final = (
    "performance by distance", "suppression", "gains of adaptation", "slopes of adaptation", "background of adaptation",
    "labels still needed",
)  # fmt: skip
"""Purposes whose published numbers were drawn without the user's seed, as their studies have none, or several."""


def stream(seed: int | None, purpose: str, *names: str) -> np.random.Generator:
    """Make a purpose's random generator for the dataset, model or image of these names; others change none of its numbers."""
    import numpy as np

    start = [] if seed is None else [seed]
    return np.random.default_rng([*start, *(zlib.crc32(name.encode()) for name in names), *PURPOSES[purpose]])
