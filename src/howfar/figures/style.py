"""Define the look of all figures (colours, fonts, legends, panels, forest plots), and order a run's datasets for them.

Nothing here changes matplotlib's global settings: figures are made inside `drawing()`, which puts them back.
"""

import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from colorsys import hls_to_rgb
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal, TypeAlias, TypeVar

import matplotlib
import numpy as np
import pandas as pd
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.text import Text
from numpy.typing import ArrayLike

from howfar.arrays import Float64Array
from howfar.errors import check_at_least
from howfar.figures import Caption, Draw, registered
from howfar.formatting_and_escaping import printable_lines
from howfar.results import Comparison, DatasetSummary, Relation

INK = "#1f2328"
MUTED = "#59636e"
GRID = "#d8dee4"
PAPER = "#ffffff"
PRIMARY = "#8b949e"
ON_DARK, ON_LIGHT = "#fefefe", "#1e2227"
"""Numbers on coloured cells, which stay as they are where a dark page gives ink and paper other colours."""
WIDTH, PHONE = 9.0, 4.0
"""Inches; a figure of `PHONE` can be read on a screen that is 390 pixels wide."""
_LETTERS: Final = 42  # of a title or label of an axis in one line on a phone
_RAISING: Final = re.compile(r"\$\^\{\\mathrm\{|\}\}\$")
_ON_PHONE: ContextVar[bool] = ContextVar("on_phone", default=False)
I_DIST = r"I$^{\mathrm{dist}}$"

# Six of Okabe and Ito's colours (yellow and black left out), which also stand out on a dark page.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
Dash: TypeAlias = Literal["-"] | tuple[float, tuple[float, ...]]
DASHES: tuple[Dash, ...] = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))
MARKERS = ("o", "s", "^", "D")


Entry = TypeVar("Entry")


@dataclass(frozen=True)
class Look:
    """Hold the colour, dash and marker of one dataset in every figure."""

    colour: str
    dash: Dash
    marker: str


def look(index: int) -> Look:
    """Return the look of the secondary at `index` in the caller's order; no two have one colour."""
    turn = index // len(COLOURS) % len(DASHES)
    if index < len(COLOURS):
        return Look(COLOURS[index], DASHES[turn], MARKERS[turn])
    # Further hues lie at the golden angle, none near one before, in two luminances that stand out on white and on black.
    light = np.asarray(hls_to_rgb(0.618034 * index % 1.0, 0.5, 0.7)) ** 2.2
    light *= (0.14, 0.28)[index % 2] / (light @ (0.2126, 0.7152, 0.0722))
    red, green, blue = (light.clip(0, 1) ** (1 / 2.2)).tolist()
    return Look(to_hex((red, green, blue)), DASHES[turn], MARKERS[turn])


@contextmanager
def for_phone() -> Iterator[None]:
    """Draw figures inside the ``with`` block for a phone: narrow, panels below each other, names above their rows."""
    token = _ON_PHONE.set(True)
    try:
        yield
    finally:
        _ON_PHONE.reset(token)


def on_phone(phone: Entry, wide: Entry) -> Entry:
    """Return the first value for a figure that is drawn for a phone, else the second."""
    return phone if _ON_PHONE.get() else wide


def name_text(name: str, longest: int = 28) -> str:
    """Shorten a long dataset name for a figure by leaving out the middle."""
    flat = " ".join(name.split()) or "(no name)"
    if len(flat) <= longest:
        return flat
    head = longest // 2
    return f"{flat[:head]}…{flat[-(longest - head - 1) :]}"


def blank(width: float, height: float) -> Figure:
    """Make an empty figure with automatic layout, independent of pyplot; sizes in inches, on a phone as wide as that."""
    return Figure(figsize=(on_phone(min(width, PHONE), width), height), layout="constrained")


def side_by_side(height: float, *widths: float, rows: float = 0, **options: Any) -> tuple[Figure, list[Axes]]:
    """Make panels of relative widths beside each other, on a phone below each other, with room for so many `rows` of names."""
    height += on_phone(0.2, 0.0) * rows
    figure = blank(WIDTH, on_phone(len(widths), 1) * height)
    shape: dict[str, Any] = on_phone({"nrows": len(widths)}, {"ncols": len(widths), "width_ratios": widths})
    panels: list[Axes] = figure.subplots(squeeze=False, **shape, **options).ravel().tolist()
    return figure, panels


def head(figure: Figure, title: str, note: str = "") -> Figure:
    """Write the title at the left edge, and a smaller note, if any, below; return the figure, which is complete then."""
    whole = wrapped(f"{title}\n{note.strip()}".strip())
    figure.suptitle(whole, x=0.01, ha="left", fontsize=10.5, color=INK, linespacing=1.5, parse_math=False)
    return figure


def head_filled(figure: Figure, title: str, note: str = "") -> Figure:
    """Write the title, and a smaller note, if any, broken where a narrow figure ends, at about 12 letters an inch."""
    across = int(12 * figure.get_figwidth())
    return head(figure, textwrap.fill(title, across), textwrap.fill(note.strip(), across))


def wrapped(text: str) -> str:
    """Break the lines of a text that are longer than a phone is wide, where a figure is drawn for one."""
    # The signs that raise an exponent take no room.
    lines = [textwrap.fill(line, _LETTERS + sum(map(len, _RAISING.findall(line)))) for line in text.splitlines()]
    return on_phone("\n".join(lines), text)


def name_rows(axes: Axes, labels: Sequence[str], rise: float = 0.0) -> list[Text]:
    """Label the rows 0, 1, 2 … of a horizontal plot at the left, on a phone `rise` above each row; return the labels."""
    # Names may contain ``$``.
    axes.set_yticks(range(len(labels)), labels=on_phone([""] * len(labels), labels), parse_math=False)
    axes.tick_params(axis="y", length=0)
    if _ON_PHONE.get():
        axes.spines["left"].set_visible(False)
        return [_above(axes, row - rise, 0.0, label.replace("\n", ", "), 9.0) for row, label in enumerate(labels)]
    return list(axes.get_yticklabels())


def _above(axes: Axes, row: float, side: float, text: str, size: float) -> Text:
    """Write a text above a row, from the left edge (side 0) or up to the right one (1)."""
    place = axes.annotate(text, (side, row), (0, 7), xycoords=axes.get_yaxis_transform(), textcoords="offset points")
    place.set(ha=("left", "right")[int(side)], va="bottom", fontsize=size, color=INK, in_layout=False, parse_math=False)
    # Upright lines would strike through the words.
    place.set_bbox({"fc": PAPER, "ec": "none", "pad": 1})
    return place


@contextmanager
def drawing() -> Iterator[None]:
    """Apply the figure settings inside the ``with`` block only."""
    # matplotlib 3.11 types the keys as literals, earlier releases as str.
    settings: Any = {"axes.axisbelow": True, "axes.linewidth": 0.8, "axes.titlelocation": "left", "legend.edgecolor": "none"}
    settings |= {"axes.grid": True, "axes.grid.axis": "x", "grid.color": GRID, "grid.linewidth": 0.7}
    settings |= {"font.family": ["sans-serif"], "font.sans-serif": list(_families())}
    for names, value in (
        (("axes.labelcolor", "text.color", "xtick.labelcolor", "ytick.labelcolor"), INK),
        (("axes.edgecolor", "xtick.color", "ytick.color"), MUTED),
        (("axes.facecolor", "figure.facecolor", "legend.facecolor"), PAPER),
        (("axes.labelsize", "axes.titlesize", "font.size", "ytick.labelsize"), 9.5),
        (("legend.fontsize", "xtick.labelsize"), 9),
        (("axes.spines.right", "axes.spines.top", "legend.frameon", "text.usetex"), False),
    ):
        settings |= dict.fromkeys(names, value)
    with matplotlib.rc_context(settings):
        yield


@cache
def _families() -> tuple[str, ...]:
    """List DejaVu Sans, which comes with matplotlib, then installed fonts with further characters."""
    wider = ("Noto Sans CJK JP", "Noto Sans CJK SC", "WenQuanYi Zen Hei", "Hiragino Sans", "PingFang SC", "Noto Sans")
    installed = {font.name for font in font_manager.fontManager.ttflist}
    return ("DejaVu Sans", *(name for name in wider if name in installed))


def prepare(figure: Figure) -> None:
    r"""Escape control characters in a figure's texts, and add the fonts that each text needs.

    A control in a text would make an SVG file ill-formed. A character that no installed font draws stays, and is a box in a
    picture of pixels; in SVG the reader's fonts show it.
    """
    texts: list[Any] = figure.findobj(Text)
    for text in texts:
        text.set_text(printable_lines(text.get_text()))
        if not text.get_text().isascii():
            properties = text.get_fontproperties()
            own = _characters(font_manager.findfont(properties))
            lacking = sorted({ord(letter) for letter in text.get_text()} - own - {ord("\n")})
            families = dict.fromkeys(filter(None, map(_family_with, lacking)))
            if families:
                text.set_fontfamily([*properties.get_family(), *families])


@cache
def _family_with(code: int) -> str | None:
    """Return the first installed font family, by name, with a character; None without any."""
    for entry in sorted(font_manager.fontManager.ttflist, key=lambda font: (font.name, font.style != "normal", font.fname)):
        if code in _characters(entry.fname):
            return str(entry.name)
    return None


@cache
def _characters(file: str) -> frozenset[int]:
    """Return the characters in a font file; none for files that matplotlib cannot read, such as colour emoji."""
    try:
        font: Any = font_manager.get_font(file)
        return frozenset(code for code in font.get_charmap() if code <= sys.maxunicode)
    except (OSError, RuntimeError, ValueError):
        return frozenset()


@drawing()
def nothing(title: str, reason: str) -> Figure:
    """Draw a figure with the reason why it is empty."""
    figure = blank(WIDTH, 1.6)
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.text(0.5, 0.5, reason, transform=axes.transAxes, ha="center", va="center", color=MUTED)
    return head(figure, title)


def report_figure(caption: Callable[[Any], Caption], **options: Any) -> Callable[[Draw], Draw]:
    """Register a figure as `howfar.figures.registered` does, and draw it with the settings of `drawing`."""
    return lambda draw: registered(caption, **options)(drawing()(draw))


def name_legend(figure: Figure, handles: Axes | Sequence[Any], columns: int = 3, **style: Any) -> Legend:
    """Add a legend below the figure for these handles or a panel's labelled artists; names are taken literally."""
    shown = handles if isinstance(handles, Sequence) else handles.get_legend_handles_labels()[0]
    longest = max((len(str(handle.get_label())) for handle in shown), default=0)
    columns = on_phone(min(columns, 2 if longest < 18 else 1), columns)
    legend = figure.legend(handles=list(shown), loc="outside lower left", ncols=columns, **style)
    for text in legend.get_texts():
        text.set_parse_math(False)
    return legend


def head_numbers(axes: Axes, text: str) -> None:
    """Write a pale heading above the numbers at the right of a panel's rows."""
    at = axes.annotate(text, (on_phone(1.0, 1.02), 1), (0, 7), xycoords="axes fraction", textcoords="offset points")
    at.set(fontsize=8.5, color=MUTED, in_layout=False, ha=on_phone("right", "left"))


def row_number(axes: Axes, row: float, text: str, size: float = 8.5) -> None:
    """Write a row's number at the right of the panel, on a phone above the row."""
    if _ON_PHONE.get():
        _above(axes, row, 1.0, text.replace("\n", ", "), 8.5)
        return
    axes.text(1.02, row, text, transform=axes.get_yaxis_transform(), va="center", ha="left", fontsize=size, color=INK)


@dataclass(frozen=True)
class ForestRow:
    """Hold a row of a forest plot: name, value with its interval's ends, look, the number at the right, and place if not next.

    An undefined value leaves the number alone, an undefined end the dot alone. A `hollow` dot has its colour at the edge.
    """

    name: str
    value: float | None
    low: float | None
    high: float | None
    look: Look
    text: str = ""
    place: float | None = None
    hollow: bool = False


def forest(
    axes: Axes, rows: Iterable[ForestRow], *, width: float = 3, size: float = 7, text_size: float = 8.5, **line: Any
) -> None:
    """Draw rows from top to bottom: an interval line `width` points wide, a dot of `size`, and the number at the right."""
    for position, row in enumerate(rows):
        place, colour = position if row.place is None else row.place, row.look.colour
        if row.text:
            row_number(axes, place, row.text, text_size)
        if row.value is None or np.isnan(row.value):
            continue
        if row.low is not None and row.high is not None and not np.isnan(row.low):
            keywords: dict[str, Any] = {"color": colour, "lw": width, "solid_capstyle": "butt", "label": f"interval:{row.name}"}
            axes.plot([row.low, row.high], [place, place], **(keywords | line))
        dot: dict[str, Any] = {"mfc": colour, "mec": PAPER, "mew": 1, "ls": "none", "zorder": 2.5, "clip_on": False}
        if row.hollow:
            dot |= {"mfc": PAPER, "mec": colour, "mew": 1.4}
        axes.plot([row.value], [place], marker=row.look.marker, ms=size, color=colour, label=row.name, **dot)


def frame_forest(axes: Axes, names: Sequence[str], groups: Iterable[int] = ()) -> list[Text]:
    """Label a forest's rows from the top, draw thin lines above the rows in `groups`, and return the labels."""
    labels = name_rows(axes, names)
    axes.set_ylim(len(names) - 0.5, -0.5 - on_phone(0.3, 0.0))
    for place in groups:
        axes.axhline(place - on_phone(0.72, 0.5), color=MUTED, lw=0.6, alpha=0.6, label="_rule")
    return labels


def head_panel(axes: Axes, name: str, *lines: str, longest: int = 24) -> None:
    """Write a panel's title: the dataset's name, and smaller lines below, the last one pale, which may pass the edge."""
    heading: dict[str, Any] = {"color": INK, "fontweight": "bold", "parse_math": False}
    axes.set_title(name_text(name, longest), pad=5 + 12 * len(lines), **heading)
    for position, line in enumerate(reversed(lines)):
        at = axes.annotate(line, (0, 1), (0, 4 + 12 * position), xycoords="axes fraction", textcoords="offset points")
        # Were the lines part of the layout, panels would shrink to make room for a long one.
        at.set(fontsize=8, color=INK if position else MUTED, in_layout=False, parse_math=False)


def unit_plane(axes: Axes, grid: Literal["both", "y"] = "both") -> None:
    """Set both axes to 0-1, with a grid."""
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.grid(True, axis=grid)


def unit_panels(panels: Sequence[Axes], columns: int, text: str) -> None:
    """Set the panels of a grid to 0-1 on both axes, and label the x axis of the lowest."""
    for axes in panels:
        unit_plane(axes)
        axes.set(xticks=np.linspace(0, 1, 6), yticks=np.linspace(0, 1, 6))
        axes.tick_params(labelsize=8, labelbottom=False)
    label_lowest(panels, columns, text)


def label_lowest(panels: Sequence[Axes], columns: int, text: str) -> None:
    """Label the x axis of the lowest panels of a grid."""
    for axes in panels[max(0, len(panels) - columns) :]:
        axes.tick_params(labelbottom=True)
        axes.set_xlabel(text)


def panel_grid(
    count: int, columns: int, height: Callable[[int], float], narrow: float = WIDTH, *, sharex: bool = True, sharey: bool = True
) -> tuple[Figure, list[Axes], int]:
    """Make a figure, `narrow` if of one column, with `count` panels on shared axes; return it, panels and number of columns."""
    columns = on_phone(1, min(columns, count))
    lines = -(-count // columns)
    figure = blank(WIDTH if columns > 1 else narrow, height(lines))
    panels = figure.subplots(lines, columns, sharex=sharex, sharey=sharey, squeeze=False).ravel().tolist()
    for spare in panels[count:]:
        spare.remove()
    return figure, panels[:count], columns


def log_ticks(axes: Axes) -> None:
    """Make the horizontal axis logarithmic with plain numbers at powers of ten, and at twice and half of each."""
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "25" else "")


def without_edges(axes: Axes) -> None:
    """Remove grid, ticks and edges from a panel of coloured cells."""
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def picture_sheet(across: float, height: float, left: float = 0.0, top: float = 0.0) -> tuple[Figure, Axes]:
    """Make a figure without axes for pictures of about unit size, with the y axis pointing down."""
    figure = blank(WIDTH, on_phone(PHONE, WIDTH) * height / across + 0.5)
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.set(xlim=(left, across - left), ylim=(height, top), aspect="equal")
    return figure, axes


def row_title(axes: Axes, y: float, text: str, va: str = "bottom") -> None:
    """Write the title of a row of pictures at the left, as small as the width of a phone wants."""
    size = on_phone(min(9.5, 120 * PHONE / len(text)), 9.5)
    # Out of the layout, which would shrink the pictures where a title is longer than they are wide.
    axes.text(0, y, text, fontsize=size, fontweight="bold", color=INK, va=va, parse_math=False, in_layout=False)


def words_below(axes: Axes, middle: float, y: float, text: str, size: float, colour: str = INK) -> None:
    """Write words below a picture, centred."""
    axes.text(middle, y, text, fontsize=size, color=colour, ha="center", va="top", parse_math=False)


def looks(relation: Relation) -> dict[str, Look]:
    """Return the look of every dataset in a relation, labelled or not, by its place among the secondaries."""
    return {str(name): look(position) for position, name in enumerate(dict.fromkeys(relation.images["dataset"]))}


def first(datasets: Sequence[Entry], limit: int) -> tuple[list[Entry], str]:
    """Return the first `limit` datasets, and a note on the datasets left out."""
    check_at_least(1, limit=limit)
    left_out = len(datasets) > limit
    return list(datasets[:limit]), f"The first {limit} of {len(datasets)} datasets are shown." if left_out else ""


@dataclass(frozen=True, eq=False)
class DatasetRow:
    """Hold a secondary for a figure: summary, look, its images and the primary's in the same subspace."""

    summary: DatasetSummary
    look: Look
    images: pd.DataFrame
    primary: pd.DataFrame

    @property
    def name(self) -> str:
        """Return the dataset's name."""
        return self.summary.name

    @property
    def distances(self) -> Float64Array:
        """Return the images' finite I^dist in mean form, ascending."""
        return ascending(self.images["i_dist_mean"])

    @property
    def own(self) -> Float64Array:
        """Return the primary's leave-one-out distances in the same subspace, ascending; empty for a single image."""
        return ascending(self.primary["i_dist_mean"])


def rows(comparison: Comparison, limit: int) -> tuple[list[DatasetRow], str]:
    """Return the secondaries of a figure, nearest first, and a note on those left out.

    The order is by `relative`, or by `o_dist_mean` if it is undefined. A dataset keeps the look of its place in the caller's
    order. Of more than `limit` datasets the farthest are shown.
    """
    check_at_least(1, limit=limit)
    datasets = comparison.datasets
    measure = "o_dist_mean" if any(dataset.relative is None for dataset in datasets) else "relative"
    order = sorted(range(len(datasets)), key=lambda position: float(getattr(datasets[position], measure)))
    left_out = max(0, len(order) - limit)
    images = dict(tuple(comparison.images.groupby("dataset", sort=False)))
    primary = dict(tuple(comparison.primary_images.groupby("against", sort=False)))
    shown = [DatasetRow(datasets[i], look(i), images[datasets[i].name], primary[datasets[i].name]) for i in order[left_out:]]
    return shown, f"The {limit} farthest of {len(order)} datasets are shown." if left_out else ""


def own_name(comparison: Comparison) -> str:
    """Return the figure label of the primary's own images, each measured against the others."""
    return f"{name_text(comparison.primary.name)} itself"


def ascending(distances: ArrayLike) -> Float64Array:
    """Return the finite distances in ascending order."""
    values = np.asarray(distances, dtype=np.float64)
    return np.sort(values[np.isfinite(values)])
