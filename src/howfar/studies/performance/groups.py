"""The photographs that images are tiles of: named by the caller's expression, or guessed from the images' names."""

from __future__ import annotations

import re

import pandas as pd

from howfar.errors import InputError

_TILE = r"^(.+)-[0-9]+$"
_MOST, _FEWER = 0.5, 0.9


def pattern_of(group: str) -> re.Pattern[str]:
    """Compile the expression whose first group names an image's photograph.

    Raises
    ------
    InputError
        It is none, or has no group.

    Examples
    --------
    >>> pattern_of(r"(.+)-[0-9]+").match("road-12").group(1)
    'road'
    """
    try:
        pattern = re.compile(group)
    except re.error as error:
        raise InputError.of("group", f"must be a regular expression ({error})", group) from error
    if pattern.groups < 1:
        raise InputError.of("group", "must have a group in brackets that names the photograph", group, r"write (.+)-\d+")
    return pattern


def groups_of(images: pd.DataFrame, group: str | None) -> list[str]:
    """Name each image's photograph, told apart between datasets; by its own name where the expression says nothing of it.

    Parameters
    ----------
    images
        dataset and image of each.
    group
        The expression, matched from the start of a name without its ending; None: each image is its own photograph.

    Raises
    ------
    InputError
        As `pattern_of`; or no image matches.

    Examples
    --------
    >>> images = pd.DataFrame({"dataset": "roads", "image": ["a-1.png", "a-2.png", "b.png"]})
    >>> groups_of(images, "(.+)-[0-9]+")
    ['roads/a', 'roads/a', 'roads/b']
    """
    if group is None:
        return (images["dataset"] + "/" + images["image"]).tolist()
    pattern, names = pattern_of(group), _stems(images["image"]).tolist()
    hits = [pattern.match(name) for name in names]
    if not any(hits):
        raise InputError.of("group", f"must match the names of images, such as {names[0]!r}", group, "leave out the ending")
    photographs = [(hit and hit.group(1)) or name for hit, name in zip(hits, names, strict=True)]
    return [f"{dataset}/{photograph}" for dataset, photograph in zip(images["dataset"], photographs, strict=True)]


def tiled_photographs(images: pd.DataFrame) -> int | None:
    """Count the photographs that images seem to be tiles of, by names that end in a number; None where they seem not to be.

    A single stem in a dataset numbers its photographs, as in IMG-0001 and IMG-0002, and not their tiles.

    Examples
    --------
    >>> tiled_photographs(pd.DataFrame({"dataset": "roads", "image": ["a-1.png", "a-2.png", "b-1.png", "b-2.png"]}))
    2
    >>> tiled_photographs(pd.DataFrame({"dataset": "roads", "image": ["IMG-1.png", "IMG-2.png"]})) is None
    True
    """
    photographs = _stems(images["image"]).str.extract(_TILE, expand=False).groupby(images["dataset"])
    found = pd.DataFrame({"photographs": photographs.nunique(), "tiles": photographs.count()})
    photos, tiles = found[found["photographs"] > 1].sum()
    return int(photos) if tiles > _MOST * len(images) and photos < _FEWER * tiles else None


def _stems(images: pd.Series[str]) -> pd.Series[str]:
    """Names without their endings, folders kept."""
    return images.str.replace(r"(?<=[^/])\.[^./]+$", "", regex=True)
