"""Hold the content of a report's section as data: sentences, tables with their columns and cells, and figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from howfar.figures import Caption
from howfar.figures.style import look
from howfar.wording import NOT_KNOWN, format_number, says_nothing, share, signed

if TYPE_CHECKING:
    from matplotlib.figure import Figure


AGREES, UNRELATED = 0.7, 0.3


@dataclass(frozen=True)
class Sentence:
    """Hold a sentence about one dataset; the name is apart so that a page can mark it."""

    name: str
    text: str


def listing(names: Sequence[str], most: int = 4) -> str:
    """Put names in a row, the last after "and"; more than `most` are counted instead of named."""
    left = len(names) - most
    shown = [*names[:most], f"{left} others"] if left > 1 else list(names)
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def plural(count: int, singular: str = "", many: str = "s") -> str:
    """Choose the ending, or the word, that goes with a count."""
    return singular if count == 1 else many


def sentence_case(text: str) -> str:
    """Begin a sentence with a capital and end it with a full stop; nothing stays nothing."""
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def ranks(values: Sequence[float]) -> list[float]:
    """Rank values from 1 for the smallest; equal values share the mean of their ranks."""
    array = np.asarray(values, dtype=np.float64)
    ordered = np.sort(array)
    low, high = np.searchsorted(ordered, array, side="left"), np.searchsorted(ordered, array, side="right")
    return [float(rank) for rank in (low + high + 1) / 2]


def agreement(rho: float | None, count: int) -> str:
    """Say what a rank correlation between two orders of `count` datasets means, to end a sentence."""
    if count < 2 or rho is None:
        return "no order that could be compared"
    if count == 2:
        return f"{'the same' if rho > 0 else 'the opposite'} order, which of two datasets says nothing"
    kinds = (
        (1 - 1e-9, "exactly the same order"),
        (AGREES, "much the same order"),
        (UNRELATED, "a partly similar order"),
        (-UNRELATED + 1e-9, "an unrelated order"),
    )
    kind = next((words for least, words in kinds if rho >= least), "rather the opposite order")
    return f"{kind} (Spearman {rho:.2f})".replace("-", "−")


@dataclass(frozen=True)
class Column:
    """Hold a column's heading and, where it needs one, a line that explains it."""

    title: str
    explanation: str = ""


@dataclass(frozen=True)
class Cell:
    """Hold what a cell shows, what it sorts by (a number, or the text), and a dataset's colour or emphasis."""

    text: str
    sort: float | None = None
    colour: str = ""
    strong: bool = False


UNDEFINED = Cell("–")


@dataclass(frozen=True)
class Table:
    """Hold a table whose first column names its rows."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]


def facts(values: Mapping[str, object]) -> Table:
    """Make a table of names and what they are: settings, versions; None reads "none"."""
    rows = ((Cell(name), Cell("none" if value is None else f"{value}")) for name, value in values.items())
    return Table((Column("name"), Column("value")), tuple(rows))


def name_cell(name: str, index: int) -> Cell:
    """Show a dataset's name with the colour that it has in the figures."""
    return Cell(name, colour=look(index).colour)


def decimal(value: float | None, decimals: int = 3, strong: bool = False) -> Cell:
    """Show a number with so many decimals, a dash where it is undefined."""
    return UNDEFINED if value is None or value != value else Cell(f"{value:.{decimals}f}", float(value), strong=strong)


def number(value: float | None, digits: int = 4) -> Cell:
    """Show a number with so many significant digits, a dash where it is undefined."""
    return UNDEFINED if value is None or value != value else Cell(format_number(value, digits), float(value))


def with_interval(value: float | None, low: float | None, high: float | None, write: Callable[[float], str]) -> Cell:
    """Show a number with its interval where it has one, a dash where it is undefined."""
    if value is None or value != value:
        return UNDEFINED
    interval = "" if low is None or high is None or low != low else f" [{write(low)}, {write(high)}]"
    return Cell(f"{write(value)}{interval}", float(value))


def estimated(
    value: float | None, low: float | None, high: float | None, decimals: int = 3, *, doubted: bool = False, level: str = ""
) -> tuple[Cell, Cell]:
    """Show an estimated mean performance and its interval: in brackets where they are not to be believed."""
    mean = Cell(NOT_KNOWN, value) if says_nothing(low, high) else bracketed(decimal(value, decimals), doubted)
    if low is None or high is None:
        return mean, UNDEFINED
    return mean, bracketed(Cell(f"{low:.{decimals}f} – {high:.{decimals}f}{level}", low), doubted)


def bracketed(cell: Cell, doubted: bool) -> Cell:
    """Put a number in brackets where it is not to be believed."""
    return replace(cell, text=f"({cell.text})") if doubted and cell.sort is not None else cell


def change(value: float | None) -> Cell:
    """Show a change with its sign to three decimals, a dash where it is undefined."""
    return UNDEFINED if value is None else Cell(signed(value, 3), value)


def count(value: int | None) -> Cell:
    """Show a count, a dash where it is undefined."""
    return UNDEFINED if value is None else Cell(f"{value:,}", value)


def percentage(value: float | None, strong: bool = False) -> Cell:
    """Show a share as a percentage, a dash where it is undefined."""
    return UNDEFINED if value is None else Cell(share(value), value, strong=strong)


@dataclass(frozen=True)
class TablePart:
    """Hold a table of a section.

    Attributes
    ----------
    name
        File name without ending, which no other table of the section has.
    title, text
        What it shows; how to read it.
    table
        Its columns and rows.
    label
        The paper's number, as "Table 6", where it is the paper's table.
    printed
        The numbers that the paper printed for datasets of the same kind, which stand beside; None where there are none.
    """

    name: str
    title: str
    table: Table
    text: str = ""
    label: str = ""
    printed: Table | None = None


@dataclass(frozen=True)
class FigurePart:
    """Hold a figure of a section, which is drawn when the page is made.

    Attributes
    ----------
    name
        File name without ending, which no other figure of the section has.
    draw
        Makes the figure.
    caption
        Its heading, how to read it, and the numbers in words for those who do not see it.
    label
        The paper's number, as "Figs. 30" or "Figure 3", where it is after the paper's figure.
    """

    name: str
    draw: Callable[[], Figure]
    caption: Caption
    label: str = ""


Part: TypeAlias = TablePart | FigurePart


@dataclass(frozen=True)
class Section:
    """Hold the section of one study: a sentence that answers its question, further sentences, then tables and figures.

    Attributes
    ----------
    lead
        The answer in one sentence, computed from the numbers.
    parts
        Tables and figures in their order.
    sentences
        What else the numbers say, and how they are to be read.
    limits
        When the numbers mislead, and what they do not say.
    """

    lead: str
    parts: Sequence[Part]
    sentences: Sequence[str] = ()
    limits: Sequence[str] = ()


@dataclass(frozen=True)
class Context:
    """Hold what a section may need beside its result.

    Attributes
    ----------
    folder
        The folder of the study's result, below which its maps lie.
    symbols
        By dataset the paper's symbol of the dataset whose kind it is (P, S_1 …), where the study file says one.
    """

    folder: Path
    symbols: Mapping[str, str] = field(default_factory=dict)
