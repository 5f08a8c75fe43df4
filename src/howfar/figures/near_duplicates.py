"""Draw images that are nearly equal side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from howfar.figures.datasets import require_one
from howfar.figures.frame import picture_sheet
from howfar.figures.pictures import square, thumbnail
from howfar.figures.registration import Caption, registered
from howfar.figures.style import INK, MUTED, drawing, head, name_text
from howfar.numbers import share
from howfar.results import Comparison

ACROSS = 3
STEP, ROW_STEP, GAP = 2.36, 1.5, 1.04


def _caption(comparison: Comparison) -> Caption:
    near = shown_pairs(comparison)
    pairs = [f"{row['image']} and {row['other']}" for row in near.head(4).to_dict("records")]
    return Caption(
        "Nearly equal images",
        "Pairs of images that are nearly equal, those that agree least first: look at these for pairs that are none. Left an "
        "image of a secondary dataset, right the one that it resembles; below the share of equal bits of their hashes.",
        f"Pairs of small photographs: {'; '.join(pairs)}.",
    )


def shown_pairs(comparison: Comparison) -> pd.DataFrame:
    """Return the pairs that are nearly equal and have files to show: the primary's first, then those that agree least."""
    table = ordered_pairs(comparison)
    return table[(table["kind"] == "near") & table["path"].astype(bool) & table["other_path"].astype(bool)]


def ordered_pairs(comparison: Comparison) -> pd.DataFrame:
    """Order all pairs as figure and table show them: the primary's first, and of these those that agree least first."""
    table = comparison.near_duplicates
    order = table.assign(_of_primary=table["other_dataset"] != comparison.primary.name)
    return order.sort_values(["_of_primary", "agreement"], kind="stable").drop(columns="_of_primary")


def _shows(comparison: Comparison) -> bool:
    return len(shown_pairs(comparison)) > 0


@registered(_caption, shows=_shows, vector=False)
def near_duplicates(comparison: Comparison, *, limit: int = 18) -> Figure:
    """Draw pairs of images that are nearly equal, three a row, each image beside the one that it resembles.

    Images are read again from their files, one at a time, and kept at 144 pixels; one that is no longer there, or that cannot
    be read, is a labelled box. At most `limit` pairs are shown: those with images of P first, of these the least alike first.
    """
    require_one("limit", limit)
    pairs = shown_pairs(comparison)
    with drawing():
        shown = pairs.head(limit).to_dict("records")
        rows = -(-len(shown) // ACROSS)
        figure, axes = picture_sheet(ACROSS * STEP, ROW_STEP * max(1, rows))
        for position, row in enumerate(shown):
            _pair(
                axes, {str(key): value for key, value in row.items()}, position % ACROSS * STEP, position // ACROSS * ROW_STEP
            )
        left_out = f"{len(shown)} of {len(pairs):,} pairs are shown, the least alike. " if len(pairs) > len(shown) else ""
        head(figure, "Images that are nearly equal", f"{left_out}Below each pair: equal bits of the hashes, and the names")
    return figure


def _pair(axes: Axes, row: Mapping[str, Any], left: float, top: float) -> None:
    square(axes, thumbnail(row["path"]), row["image"], left, top)
    square(axes, thumbnail(row["other_path"]), row["other"], left + GAP, top)
    text: dict[str, Any] = {"ha": "center", "va": "top", "parse_math": False}
    middle = left + (1 + GAP) / 2
    turned = ", mirrored" if row["mirrored"] else ""
    axes.text(middle, top + 1.04, f"{share(row['agreement'])}{turned}", fontsize=8, color=INK, **text)
    names = " · ".join(name_text(str(row[name]).rsplit("/", 1)[-1], 18) for name in ("image", "other"))
    axes.text(middle, top + 1.22, names, fontsize=6.5, color=MUTED, **text)
