"""Hold tables of reports as data: columns with their explanation, cells with their text and the number they sort by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from howfar.figures.style import look
from howfar.numbers import NOT_KNOWN, format_number, says_nothing, share, signed


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
