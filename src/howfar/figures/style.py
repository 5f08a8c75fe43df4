"""Define the look of every figure: colours that colour-blind readers can tell apart, fonts and lines.

Nothing here changes matplotlib's global settings: figures are made inside `drawing()`, which puts them back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, TypeAlias

import matplotlib
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK = "#1f2328"
MUTED = "#59636e"
GRID = "#d8dee4"
PAPER = "#ffffff"
PRIMARY = "#8b949e"
ON_DARK, ON_LIGHT = "#fefefe", "#1e2227"
"""Numbers on coloured cells, which stay as they are where a dark page gives ink and paper other colours."""
WIDTH = 9.0
I_DIST = r"I$^{\mathrm{dist}}$"

# Six of Okabe and Ito's colours (yellow and black left out), which also stand out on a dark page; further datasets
# take the same colours again with another dash and marker.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
Dash: TypeAlias = Literal["-"] | tuple[float, tuple[float, ...]]
DASHES: tuple[Dash, ...] = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))
MARKERS = ("o", "s", "^", "D")


@dataclass(frozen=True)
class Look:
    """Hold the colour, dash and marker of one dataset in every figure."""

    colour: str
    dash: Dash
    marker: str


def look(index: int) -> Look:
    """Give the look of the secondary at `index` in the caller's order; looks repeat after 24 datasets."""
    turn = index // len(COLOURS) % len(DASHES)
    return Look(COLOURS[index % len(COLOURS)], DASHES[turn], MARKERS[turn])


@contextmanager
def drawing() -> Iterator[None]:
    """Keep settings for making a figure in force inside the ``with`` block only."""
    with matplotlib.rc_context(_settings()):
        yield


def name_text(name: str, longest: int = 28) -> str:
    """Shorten a dataset's name for a figure: the middle of a long one is left out, so that both ends can be read."""
    flat = " ".join(name.split()) or "(no name)"
    if len(flat) <= longest:
        return flat
    head = longest // 2
    return f"{flat[:head]}…{flat[-(longest - head - 1) :]}"


def plain(text: Any) -> Any:
    """Return a matplotlib text that takes ``$`` literally, as names may hold it."""
    text.set_parse_math(False)
    return text


def blank(width: float, height: float) -> Figure:
    """Make an empty figure, independent of pyplot's state, that lays itself out; sizes in inches."""
    return Figure(figsize=(width, height), layout="constrained")


def head(figure: Figure, title: str, note: str = "") -> None:
    """Write the title at the left edge, and under it a smaller note where there is one."""
    whole = title if not note else f"{title}\n{note}"
    figure.suptitle(whole, x=0.01, ha="left", fontsize=10.5, color=INK, linespacing=1.5, parse_math=False)


def name_rows(axes: Axes, labels: list[str]) -> None:
    """Label the rows 0, 1, 2 … of a horizontal plot by its y ticks."""
    axes.set_yticks(range(len(labels)), labels=labels)
    for label in axes.get_yticklabels():
        plain(label)
    axes.tick_params(axis="y", length=0)


def _settings() -> Any:  # matplotlib 3.11 types the keys as literals, earlier releases as str
    return {
        "axes.axisbelow": True,
        "axes.edgecolor": MUTED,
        "axes.facecolor": PAPER,
        "axes.grid": True,
        "axes.grid.axis": "x",
        "axes.labelcolor": INK,
        "axes.labelsize": 9.5,
        "axes.linewidth": 0.8,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlelocation": "left",
        "axes.titlesize": 9.5,
        "figure.facecolor": PAPER,
        "font.family": ["sans-serif"],
        "font.sans-serif": list(_families()),
        "font.size": 9.5,
        "grid.color": GRID,
        "grid.linewidth": 0.7,
        "legend.edgecolor": "none",
        "legend.facecolor": PAPER,
        "legend.fontsize": 9,
        "legend.frameon": False,
        "text.color": INK,
        "text.usetex": False,
        "xtick.color": MUTED,
        "xtick.labelcolor": INK,
        "xtick.labelsize": 9,
        "ytick.color": MUTED,
        "ytick.labelcolor": INK,
        "ytick.labelsize": 9.5,
    }


@cache
def _families() -> tuple[str, ...]:
    """List DejaVu Sans, which comes with matplotlib, then whichever installed fonts know characters that it lacks."""
    wider = ("Noto Sans CJK JP", "Noto Sans CJK SC", "WenQuanYi Zen Hei", "Hiragino Sans", "PingFang SC", "Noto Sans")
    installed = {font.name for font in font_manager.fontManager.ttflist}
    return ("DejaVu Sans", *(name for name in wider if name in installed))
