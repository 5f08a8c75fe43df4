"""Group images that are tiles of one photograph, by a regular expression or by a guess from their names."""

from __future__ import annotations

import re
from collections.abc import Sequence

from howfar.errors import InputError

_TILE = re.compile(r"(.+)-[0-9]+$")
_MOST, _FEWER = 0.5, 0.9
_ENDING = re.compile(r"(?<=[^/])\.[^./]+$")


def pattern_of(group: str) -> re.Pattern[str]:
    """Compile the expression whose first group names an image's photograph.

    Raises `InputError` where it is no regular expression, or has no group.

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


def photographs_of(names: Sequence[str], group: str | None) -> list[str]:
    """Name each image's photograph; an image that the expression does not match is its own.

    `names` have their endings; the expression is matched from the start of a name without it, and where it is None each image
    is its own photograph. Raises `InputError` as `pattern_of`, or where no image matches.

    Examples
    --------
    >>> photographs_of(["a-1.png", "a-2.png", "b.png"], "(.+)-[0-9]+")
    ['a', 'a', 'b']
    """
    stems = [_stem(name) for name in names]
    if group is None:
        return stems
    pattern = pattern_of(group)
    hits = [pattern.match(name) for name in stems]
    if stems and not any(hits):
        raise InputError.of("group", f"must match the names of images, such as {stems[0]!r}", group, "leave out the ending")
    return [(hit and hit.group(1)) or name for hit, name in zip(hits, stems, strict=True)]


def fits(names: Sequence[str], group: str) -> bool:
    """Return whether the expression matches any image, from the start of its name without the ending. Raises as `pattern_of`.

    Examples
    --------
    >>> fits(["a-1.png"], "(.+)-[0-9]+"), fits(["a.png"], "(.+)-[0-9]+")
    (True, False)
    """
    pattern = pattern_of(group)
    return any(pattern.match(_stem(name)) for name in names)


def guess_photographs(names: Sequence[str], group: str | None) -> list[str]:
    """Name each image's photograph; where no expression is given, names like ``<photo>-<tile>`` count if they look so.

    Examples
    --------
    >>> guess_photographs(["a-1.png", "a-2.png", "b-1.png", "b-2.png"], None)
    ['a', 'a', 'b', 'b']
    """
    tiled = group is None and look_tiled(len(names), *tiles(names))
    return photographs_of(names, _TILE.pattern if tiled else group)


def tiles(names: Sequence[str]) -> tuple[int, int]:
    """Count the photographs of one dataset that have tiles, and their tiles, by names that end in a number: (0, 0) for none.

    A single stem numbers photographs, as in IMG-0001 and IMG-0002, and not their tiles.

    Examples
    --------
    >>> tiles(["a-1.png", "a-2.png", "b-1.png", "c.png"]), tiles(["IMG-1.png", "IMG-2.png"])
    ((2, 3), (0, 0))
    """
    hits = [_TILE.match(_stem(name)) for name in names]
    stems = [hit.group(1) for hit in hits if hit]
    photographs = len(set(stems))
    return (photographs, len(stems)) if photographs > 1 else (0, 0)


def look_tiled(images: int, photographs: int, tiles: int) -> bool:
    """Return whether images seem to be tiles of fewer photographs, by the counts of `tiles`: most are, and of clearly fewer.

    Examples
    --------
    >>> look_tiled(4, *tiles(["a-1.png", "a-2.png", "b-1.png", "b-2.png"]))
    True
    """
    return tiles > _MOST * images and photographs < _FEWER * tiles


def _stem(name: str) -> str:
    """Return a name without its ending, folders kept; any text will do."""
    return _ENDING.sub("", name)
