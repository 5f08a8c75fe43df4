"""Put a check of the gate into a sentence for a person, with its value, the labelled range, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from howfar.numbers import format_number

TILE: Final = "predict by tiles: --tile"
CERTIFY: Final = "label 8: howfar certify SITE --predictions DIR -k 8"

# What a check measures, with "{}" for its value, and its unit.
_MEASURES: Final = {
    "distance": ("distance", " times the primary's own"),
    "knn": ("distance from the nearest images", " times the primary's own distance"),
    "residual": ("distance off the primary's subspace", " times the primary's own"),
    "share": ("predicted foreground", " of the pixels"),
    "scale": ("mean distance of a foreground pixel from the background", " px"),
    "size": ("image side", " px"),
    "tiles": ("Dice of whole and tiled maps", ""),
}
# What it means to lie above, and below, the range.
_BEYOND: Final = {
    "distance": ("farther than anything labelled", ""),
    "knn": ("farther from its nearest primary images than anything labelled", ""),
    "residual": ("different from the primary in ways that nothing labelled is", ""),
    "share": ("more foreground predicted than on anything labelled", ""),
    "scale": ("structures wider than on anything labelled", "structures thinner than on anything labelled"),
    "size": ("images larger than anything labelled", ""),
    "tiles": ("", "whole images and their tiles agree less than on anything labelled"),
}
# Whether predicting by tiles may bring the value back, for values above and below the range.
_TILES: Final = ("scale", "size", "tiles")


def said(
    check: str,
    value: float | None,
    labelled: Mapping[str, float],
    low: float | None,
    high: float | None,
    side: int | None,
    *,
    tiled: bool,
) -> tuple[str, str]:
    """Say how a check came out, and its remedy.

    Parameters
    ----------
    check
        Its name.
    value
        The dataset's value.
    labelled
        The labelled datasets' values.
    low, high
        The limits; None for a side without one.
    side
        -1 below the range, 0 inside, 1 above; None where it cannot be said.
    tiled
        Whether predicting by tiles is no remedy, or was done already.

    Examples
    --------
    >>> said("size", 999.0, {"own": 152.0, "cfd": 392.0}, None, 980.0, 1, tiled=False)
    ('images larger than anything labelled (image side 999 px, labelled 152 to 392, limit 980)', 'predict by tiles: --tile')
    >>> said("distance", None, {}, None, None, None, tiled=False)
    ('distance is not known', '')
    """
    name, unit = _MEASURES[check]
    if value is None:
        return f"{name} is not known", ""
    measured = f"{name} {_number(check, value)}{unit}"
    if side is None:
        return f"{measured}, not known of a labelled dataset", ""
    known = f"labelled {_range(check, labelled)}"
    if side == 0:
        limits = " and ".join(
            f"{word} {_number(check, limit)}" for word, limit in (("above", low), ("below", high)) if limit is not None
        )
        return f"{measured}, as it should be {limits} ({known})", ""
    limit = high if side > 0 else low
    words = f"{_BEYOND[check][0 if side > 0 else 1]} ({measured}, {known}, limit {_number(check, limit)})"
    return words, TILE if check in _TILES and not tiled else CERTIFY


def _range(check: str, labelled: Mapping[str, float]) -> str:
    low, high = (_number(check, end(labelled.values())) for end in (min, max))
    return low if low == high else f"{low} to {high}"


def _number(check: str, value: float | None) -> str:
    if value is None:
        return "–"
    return f"{100 * value:.3g} %" if check == "share" else format_number(value, 3)
