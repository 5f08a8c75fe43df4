"""Search a run's images by text, if the run's backbone embeds images and texts in one space, as CLIP does."""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from howfar.backbones import Options
from howfar.backbones.published_transformers import reads_text, text_tower
from howfar.errors import InputError, MissingPathError, StoreError
from howfar.options import Stored
from howfar.results import Comparison
from howfar.store import Store

Similarity = Callable[[str], NDArray[np.float32]]
_BLOCK: Final = 10_000
"""Rows of features that are read at once."""


def search_of(comparison: Comparison, store: Stored = None) -> tuple[Similarity | None, str]:
    """Return a function from a text to the cosine of each image with it, or None and a sentence that says why not.

    The images are those of `howfar.explore.points.points_of`, in that order; the function raises `HowfarError` where the text
    tower or the stored features cannot be had.
    """
    backbone = comparison.backbone
    if not reads_text(backbone.identity) or not comparison.options:
        return (
            None,
            f"Search by text needs a backbone that reads texts (clip, siglip2); this run was made with {backbone.name}.",
        )
    contents = [*comparison.images["content"], *comparison.primary_images.drop_duplicates("image")["content"]]
    tower = cache(lambda: _tower(comparison.options))
    shelf = Store(store) if store is None or isinstance(store, (str, Path)) else store

    def similarity(text: str) -> NDArray[np.float32]:
        if not text.strip():
            raise InputError.of("text", "must not be empty", text)
        wanted = tower()(text)
        try:
            rows = shelf.open(backbone.identity, backbone.length).select(contents)
        except StoreError as error:
            remedy = "name the store that compare used: howfar explore RUN --store DIR"
            raise MissingPathError(f"the features of this run's images are not stored here ({error}): {remedy}") from error
        blocks = (rows.rows(start, start + _BLOCK) for start in range(0, len(contents), _BLOCK))
        return np.concatenate([_cosines(block, wanted) for block in blocks])

    return similarity, ""


def _tower(options: Mapping[str, Any]) -> Callable[[str], NDArray[np.float32]]:
    chosen = dict(options)
    name = str(chosen.pop("name"))
    family, _, model = name.partition(":")
    chosen |= {"weights": Path(chosen["weights"])} if "weights" in chosen else {}
    return text_tower(Options(**chosen, model=model or None), family if model == "" else name)


def _cosines(rows: NDArray[np.float32], vector: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(vector)
    found: NDArray[np.float32] = (rows @ vector / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)
    return found
