"""Group images that are tiles of one photograph, by a regular expression on their names."""

from __future__ import annotations

import pandas as pd

from howfar.data.groups import look_tiled, photographs_of, tiles


def groups_of(images: pd.DataFrame, group: str | None) -> list[str]:
    """Name each image's photograph, told apart between datasets; the image's own name where the expression does not match.

    `images` holds one row an image, with the columns dataset and image; `group` is the expression, matched from the start of a
    name without its ending (None: each image is its own photograph). Raises `InputError` where the expression is not valid or
    has no group, or no image matches.

    Examples
    --------
    >>> images = pd.DataFrame({"dataset": "roads", "image": ["a-1.png", "a-2.png", "b.png"]})
    >>> groups_of(images, "(.+)-[0-9]+")
    ['roads/a', 'roads/a', 'roads/b']
    """
    photographs = images["image"].tolist() if group is None else photographs_of(images["image"].tolist(), group)
    return [f"{dataset}/{photograph}" for dataset, photograph in zip(images["dataset"], photographs, strict=True)]


def tiled_photographs(images: pd.DataFrame) -> int | None:
    """Count the photographs that images seem to be tiles of, by names that end in a number; None where they seem not to be.

    A single stem in a dataset numbers its photographs, as in IMG-0001 and IMG-0002, and not their tiles.
    """
    counts = [tiles(rows["image"].tolist()) for _, rows in images.groupby("dataset")]
    photographs, tile_count = (sum(column) for column in zip(*counts, strict=True))
    return photographs if look_tiled(len(images), photographs, tile_count) else None
