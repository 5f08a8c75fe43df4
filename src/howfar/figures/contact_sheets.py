"""Draw sheets of photographs, masks and maps: closest and farthest images, near duplicates, selected images, and rows."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from howfar.errors import HowfarError, check_at_least
from howfar.figures import Caption, style
from howfar.figures.style import report_figure
from howfar.formatting_and_escaping import format_number, share
from howfar.io.file_location import is_in_memory
from howfar.results import Comparison, Selection

SIDE = 144
NONE = "none"
# Steps, gaps and heights are in the sides of a picture.
THUMBNAIL_GAP, THUMBNAIL_STEP, THUMBNAIL_ROW_STEP = 0.35, 1.12, 1.62
PAIR_STEP, PAIR_ROW_STEP, PAIR_GAP = 2.36, 1.5, 1.04
SHEET_ACROSS, SHEET_STEP, SHEET_ROW_STEP = 7, 1.12, 1.42
PICTURE_STEP: Final = 1.06
# Heights of a heading, of a line of text, and of the gap below a line of pictures.
_HEADING, _TEXT, _GAP = 0.24, 0.12, 0.12
_SMALL: Final[dict[str, Any]] = {"fontsize": 7.5, "parse_math": False}


@dataclass(frozen=True, eq=False)
class Thumbnail:
    """Hold a picture of at most 144 pixels a side, or the reason for its absence."""

    pixels: NDArray[np.uint8] | None
    reason: str = ""


class StandInImage(NamedTuple):
    """Hold the image that represents a dataset, and the reason."""

    dataset: str
    image: str
    reason: str


def middle(images: pd.DataFrame, column: str) -> str:
    """Return the image with the median value in a column; the lower one of an even number, ties by name."""
    ordered = images.sort_values(list(dict.fromkeys((column, "image"))), kind="stable")
    return str(ordered["image"].iloc[(len(ordered) - 1) // 2])


def thumbnail(path: str) -> Thumbnail:
    """Read an image at small size from a file, a container or a URL."""
    from howfar.data.image_bytes import exists, read_bytes
    from howfar.data.image_decoding import shown

    if not path:
        return Thumbnail(None, "no file")
    if not exists(path):
        return Thumbnail(None, "was in memory" if is_in_memory(path) else "not found")
    try:
        image = shown(read_bytes(path))
    except (HowfarError, OSError):
        return Thumbnail(None, "unreadable")
    image.thumbnail((SIDE, SIDE))
    return Thumbnail(np.asarray(image.convert("RGB"), dtype=np.uint8))


def truth(path: str) -> Thumbnail:
    """Read a mask at small size; an image without a mask has the reason "none"."""
    from howfar.data.binary_masks import read_mask
    from howfar.data.image_bytes import exists

    if not path:
        return Thumbnail(None, NONE)
    if not exists(path):
        return Thumbnail(None, "not found")
    return grey(lambda: read_mask(path).astype(np.float64))


def probabilities(file: Path) -> Thumbnail:
    """Read a probability map at small size; white is certain."""
    from howfar.data.prediction_maps import read_prediction

    if not file.is_file():
        return Thumbnail(None, "not found")
    return grey(lambda: read_prediction(file).values)


def grey(read: Callable[[], NDArray[Any]]) -> Thumbnail:
    """Convert a map or mask to a grey picture of at most 144 pixels a side, or give the reason for its absence."""
    try:
        p = unit_values(read())
    except (HowfarError, OSError):
        return Thumbnail(None, "unreadable")
    scale = min(1.0, SIDE / max(p.shape))
    height, width = (max(1, round(scale * side)) for side in p.shape)
    shade = np.round(255 * highest(p, height, width)).astype(np.uint8)
    return Thumbnail(np.repeat(shade[..., None], 3, axis=2))


def unit_values(values: NDArray[Any]) -> NDArray[np.float64]:
    """Convert a map of bytes or probabilities to float64 probabilities."""
    return values / 255 if values.dtype == np.uint8 else np.asarray(values, dtype=np.float64)


def highest(values: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
    """Resize an array: each pixel takes the highest value it covers; when enlarged, the nearest."""
    for axis, size in enumerate((height, width)):
        starts = np.arange(size) * values.shape[axis] // size
        shrunk = values.shape[axis] > size
        values = np.maximum.reduceat(values, starts, axis) if shrunk else np.take(values, starts, axis)
    return values


def extent(pixels: NDArray[np.uint8]) -> tuple[float, float]:
    """Return width and height of a picture scaled to a longer side of 1."""
    height, width = pixels.shape[:2]
    return width / max(height, width), height / max(height, width)


def square(axes: Axes, picture: Thumbnail, label: str, left: float, top: float) -> None:
    """Draw a picture in a unit square, or a box with the reason for its absence."""
    if picture.pixels is None:
        axes.add_patch(Rectangle((left, top), 1, 1, fc=style.GRID, alpha=0.5, ec=style.MUTED, lw=0.6, label=label))
        keywords: dict[str, Any] = {"fontsize": 6.5, "ha": "center", "va": "center", "color": style.MUTED, "parse_math": False}
        axes.text(left + 0.5, top + 0.5, picture.reason, **keywords)
        return
    wide, high = extent(picture.pixels)
    x, y = left + (1 - wide) / 2, top + (1 - high) / 2
    axes.imshow(picture.pixels, extent=(x, x + wide, y + high, y), interpolation="antialiased", label=label)


def photograph(axes: Axes, path: str, name: str, left: float, top: float) -> None:
    """Draw an image's file in a unit square, or a box with its name and the reason for its absence."""
    picture = thumbnail(path)
    if picture.pixels is None:
        picture = Thumbnail(None, f"{style.name_text(name.rsplit('/', 1)[-1], 13)}\n{picture.reason}")
    square(axes, picture, name, left, top)


def _thumbnails_caption(comparison: Comparison) -> Caption:
    extremes = []
    for name, images in comparison.images.groupby("dataset", sort=False):
        ordered = images.sort_values(["i_dist_mean", "image"], kind="stable")["image"]
        extremes.append(f"{name}: nearest {ordered.iloc[0]}, farthest {ordered.iloc[-1]}")
    return Caption(
        "Closest and farthest images",
        "For each dataset its images closest to P (left) and farthest from it (right); under each its mean distance and its "
        "percentile among P's own images. Look here first: the far end shows what the backbone finds unlike P.",
        f"Rows of small photographs. {'; '.join(extremes)}.",
    )


def has_files(result: Any) -> bool:
    """Return whether any image of a result has a file to show."""
    return bool(result.images["path"].astype(bool).any())


@report_figure(_thumbnails_caption, shows=has_files, vector=False, phone=True)
def thumbnails(comparison: Comparison, *, k: int = 5, limit: int = 12) -> Figure:
    """Draw each secondary's k closest (left) and k farthest (right) images, with distance and percentile.

    Images are read again from their files at 144 pixels; one that cannot be read is a labelled box. Of a dataset with fewer
    than 2k images none is shown twice.
    """
    check_at_least(1, k=k)
    k = style.on_phone(min(k, 2), k)
    shown, left_out = style.rows(comparison, limit)
    figure, axes = style.picture_sheet(2 * k * THUMBNAIL_STEP + THUMBNAIL_GAP, THUMBNAIL_ROW_STEP * len(shown))
    for line, row in enumerate(shown):
        near, far = ends(row.images, k)
        top = line * THUMBNAIL_ROW_STEP
        style.row_title(axes, top + 0.20, f"{style.name_text(row.name, 40)}  (n = {row.summary.n:,})")
        for images, first, gap in ((near, 0, 0.0), (far, 2 * k - len(far), THUMBNAIL_GAP)):
            for position, record in enumerate(images.to_dict("records"), start=first):
                left = position * THUMBNAIL_STEP + gap
                photograph(axes, str(record["path"]), str(record["image"]), left, top + 0.26)
                distance, percentile = float(record["i_dist_mean"]), float(record["percentile"])
                among = "" if np.isnan(percentile) else f" · {percentile:.0f} %"
                style.words_below(axes, left + 0.5, top + 0.26 + 1.03, f"{three_digits(distance)}{among}", 8)
    title = f"The {k} closest images to {style.name_text(comparison.primary.name)} (left) and the {k} farthest (right)"
    return style.head(figure, title, left_out or "Under each: mean distance · percentile among P's own images")


def ends(images: pd.DataFrame, k: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the k closest images, ascending, and the k farthest of the rest, ascending; ties are ordered by name."""
    ordered = images.sort_values(["i_dist_mean", "image"], kind="stable")
    return ordered.iloc[:k], ordered.iloc[k:].iloc[-k:]


def three_digits(value: float) -> str:
    """Format a number with three digits, including trailing zeros, so that numbers align."""
    return f"{value:#.3g}".rstrip(".") if 1e-3 <= abs(value) < 1e3 else format_number(value, 3)


def _near_duplicates_caption(comparison: Comparison) -> Caption:
    near = shown_pairs(comparison)
    pairs = [f"{row['image']} and {row['other']}" for row in near.head(4).to_dict("records")]
    return Caption(
        "Nearly equal images",
        "Pairs of images that are nearly equal, those that agree least first: look at these for pairs that are none. Left an "
        "image of a secondary dataset, right the one that it resembles; below the share of equal bits of their hashes.",
        f"Pairs of small photographs: {'; '.join(pairs)}.",
    )


def shown_pairs(comparison: Comparison) -> pd.DataFrame:
    """Return the nearly equal pairs with files to show: the primary's first, then by increasing agreement."""
    table = ordered_pairs(comparison)
    return table[(table["kind"] == "near") & table["path"].astype(bool) & table["other_path"].astype(bool)]


def ordered_pairs(comparison: Comparison) -> pd.DataFrame:
    """Order all pairs as in figure and table: the primary's first, then by increasing agreement."""
    table = comparison.near_duplicates.sort_values("agreement", kind="stable")
    return table.iloc[np.argsort((table["other_dataset"] != comparison.primary.name).to_numpy(), kind="stable")]


@report_figure(_near_duplicates_caption, shows=lambda comparison: len(shown_pairs(comparison)) > 0, vector=False, phone=True)
def near_duplicates(comparison: Comparison, *, limit: int = 18) -> Figure:
    """Draw at most `limit` nearly equal pairs, three per row: those with images of P first, of these the least alike first."""
    check_at_least(1, limit=limit)
    pairs = shown_pairs(comparison)
    across = style.on_phone(2, 3)
    shown = pairs.head(limit).to_dict("records")
    figure, axes = style.picture_sheet(across * PAIR_STEP, PAIR_ROW_STEP * max(1, -(-len(shown) // across)))
    for position, row in enumerate(shown):
        left, top = position % across * PAIR_STEP, position // across * PAIR_ROW_STEP
        square(axes, thumbnail(row["path"]), row["image"], left, top)
        square(axes, thumbnail(row["other_path"]), row["other"], left + PAIR_GAP, top)
        centre = left + (1 + PAIR_GAP) / 2
        turned = ", mirrored" if row["mirrored"] else ""
        style.words_below(axes, centre, top + 1.04, f"{share(row['agreement'])}{turned}", 8)
        names = " · ".join(style.name_text(str(row[name]).rsplit("/", 1)[-1], 18) for name in ("image", "other"))
        style.words_below(axes, centre, top + 1.22, names, 6.5, style.MUTED)
    left_out = f"{len(shown)} of {len(pairs):,} pairs are shown, the least alike. " if len(pairs) > len(shown) else ""
    note = f"{left_out}Below each pair: equal bits of the hashes, and the names"
    return style.head(figure, "Images that are nearly equal", note)


@dataclass(frozen=True)
class ContactImage:
    """Hold an image of a contact sheet: its name, file, and the numbers below."""

    image: str
    path: str
    numbers: str


def contact_sheet(selection: Selection, *, limit: int = 105) -> Figure:
    """Draw every chosen image in the order of choice, seven per row, each with its rank, distance and name."""
    check_at_least(1, limit=limit)
    cells = [ContactImage(pick.image, pick.path, f"{pick.rank} · {pick.distance:.2f}") for pick in selection.picks]
    count = f"{len(selection)} of {selection.n:,} images of {style.name_text(selection.dataset)}"
    note = f"place in the order of choice · scaled distance from {style.name_text(selection.primary)} (0–1)"
    return sheet(cells, f"{count}, chosen by {selection.strategy}", note, limit)


@style.drawing()
def sheet(cells: Sequence[ContactImage], title: str, note: str, limit: int = 105) -> Figure:
    """Draw the first `limit` images, seven per row, each with its name and numbers, which `note` explains."""
    shown = cells[:limit]
    left_out = f"The first {limit:,} are shown. " if len(cells) > limit else ""
    across = min(SHEET_ACROSS, len(shown))
    figure, axes = style.picture_sheet(SHEET_ACROSS * SHEET_STEP, SHEET_ROW_STEP * ceil(len(shown) / SHEET_ACROSS))
    for position, cell in enumerate(shown):
        left, top = position % across * SHEET_STEP, position // across * SHEET_ROW_STEP
        square(axes, thumbnail(cell.path), cell.image, left, top)
        style.words_below(axes, left + 0.5, top + 1.03, cell.numbers, 8)
        name = style.name_text(cell.image.rsplit("/", 1)[-1], 20)
        style.words_below(axes, left + 0.5, top + 1.19, name, 7, style.MUTED)
    return style.head(figure, title, f"{left_out}Under each: {note}")


class PictureCell(NamedTuple):
    """Hold a picture with its label, the texts above and below, and what is drawn over it, given its corner and size."""

    label: str
    picture: Thumbnail
    above: str = ""
    below: str = ""
    over: Callable[[Axes, tuple[float, float], tuple[float, float]], None] | None = None


class PictureBlock(NamedTuple):
    """Hold an image's lines of pictures and their heading."""

    heading: str
    shown: StandInImage
    lines: Sequence[Sequence[PictureCell]]


def draw_blocks(blocks: Sequence[PictureBlock], fewest: int) -> Figure:
    """Draw blocks below each other, with room for at least `fewest` pictures in a line."""
    across = max(fewest, *(len(line) for block in blocks for line in block.lines))
    height = sum(_HEADING + sum(sum(_heights(line)) + _GAP for line in block.lines) for block in blocks)
    figure, axes = style.picture_sheet(across * PICTURE_STEP, height, top=-0.05)
    centred: dict[str, Any] = {**_SMALL, "ha": "center", "linespacing": 1.3}
    top = 0.0
    for heading, shown, lines in blocks:
        style.row_title(axes, top + 0.18, heading)
        reason = f"{style.name_text(shown.image.rsplit('/', 1)[-1], 40)} · {shown.reason}"
        axes.text((across - 1) * PICTURE_STEP + 1, top + 0.18, reason, va="bottom", ha="right", color=style.MUTED, **_SMALL)
        top += _HEADING
        for line in lines:
            above, high, below = _heights(line)
            start = top + above
            for position, cell in enumerate(line):
                left = position * PICTURE_STEP
                axes.text(left + 0.5, start - 0.04, cell.above, va="bottom", color=style.INK, **centred)
                axes.text(left + 0.5, start + high + 0.03, cell.below, va="top", color=style.INK, **centred)
                if cell.picture.reason == NONE:
                    axes.text(left + 0.5, start + high / 2, NONE, va="center", color=style.MUTED, **centred)
                    continue
                square(axes, cell.picture, f"{shown.dataset}:{cell.label}", left, start + (high - 1) / 2)
                if cell.picture.pixels is not None and cell.over is not None:
                    wide, tall = extent(cell.picture.pixels)
                    cell.over(axes, (left + (1 - wide) / 2, start + (high - tall) / 2), (wide, tall))
            top += above + high + below + _GAP
    return figure


def _heights(line: Sequence[PictureCell]) -> tuple[float, float, float]:
    """Return the heights of the texts above a line's pictures, of the pictures, and of the texts below them."""
    pictures = [cell.picture for cell in line]
    high = max((0.3 if each.reason == NONE else 1.0) if each.pixels is None else extent(each.pixels)[1] for each in pictures)

    def height(texts: Iterable[str]) -> float:
        rows = max(text.count("\n") + 1 if text else 0 for text in texts)
        return _TEXT * rows + 0.05 if rows else 0.0

    return height(cell.above for cell in line), high, height(cell.below for cell in line)
