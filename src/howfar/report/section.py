"""Hold a report's section as data: sentences, figures, and tables, with the functions that format values as cells."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import floor, log10
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np
import pandas as pd
from markupsafe import Markup

from howfar.figures import Caption
from howfar.figures.style import look
from howfar.formatting_and_escaping import format_estimate, format_number, share, signed
from howfar.results import display_and_shared_records as results
from howfar.results.display_and_shared_records import Interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from howfar.report.report_figures import PageFigure
    from howfar.results.display_and_shared_records import Provenance

Row = TypeVar("Row")
Record: TypeAlias = dict[Any, Any]
"""A row of a frame, by column."""

AGREES, UNRELATED = 0.7, 0.3


def listing(names: Sequence[str], most: int = 4) -> str:
    """Join names with commas and a final "and"; names beyond `most` are counted."""
    left = len(names) - most
    shown = [*names[:most], f"{left} others"] if left > 1 else list(names)
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def plural(count: int, singular: str = "", many: str = "s") -> str:
    """Return the ending or word that matches a count."""
    return singular if count == 1 else many


def sentence_case(text: str) -> str:
    """Start a sentence with a capital and end it with a full stop; "" stays ""."""
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def ranks(values: Sequence[float]) -> list[float]:
    """Rank values from 1 for the smallest; equal values share the mean of their ranks."""
    return pd.Series(values, dtype=np.float64).rank().tolist()


def agreement(rho: float | None, count: int) -> str:
    """Describe a rank correlation between two orders of `count` datasets, as the end of a sentence."""
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
    """Hold a column's heading and an optional explanation."""

    title: str
    explanation: str = ""


@dataclass(frozen=True)
class Cell:
    """Hold a cell's text, its sort key (a number, or the text), colour or emphasis, and further numbers for CSV files."""

    text: str
    sort: float | None = None
    colour: str = ""
    strong: bool = False
    numbers: tuple[tuple[str, float], ...] = ()


UNDEFINED = Cell("–")


@dataclass(frozen=True)
class Table:
    """Hold a table whose first column names its rows."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def explained(self) -> list[tuple[str, str]]:
        """Return the titles and explanations of the columns that have one."""
        return [(column.title, column.explanation) for column in self.columns if column.explanation]


ColumnOf: TypeAlias = tuple[str, str, Callable[[Row], "Cell"]] | tuple[str, str, Callable[[Row], "Cell"], bool]


def tabulate(rows: Iterable[Row], *columns: ColumnOf[Row]) -> Table:
    """Build a table with a row per record; a column is title, explanation, cell function, and optional visibility."""
    shown = [column for column in columns if len(column) == 3 or column[3]]
    lines = tuple(tuple(column[2](row) for column in shown) for row in rows)
    return Table(tuple(Column(column[0], column[1]) for column in shown), lines)


def text_column(name: str, explanation: str = "", title: str = "") -> ColumnOf[Any]:
    """Return a table's column with the text of a row's field."""
    return title or name, explanation, lambda row: Cell(str(results.value_of(row, name)))


def count_column(name: str, explanation: str = "", title: str = "") -> ColumnOf[Any]:
    """Return a table's column with the number of things in a row's field."""
    return title or name, explanation, lambda row: count(int(row[name]))


def crossed(
    corner: str, rows: Iterable[Row], names: Iterable[str], head: Callable[[Row], Cell], cell: Callable[[Row, str], Cell]
) -> Table:
    """Build a table with a row per record, which `head` names below the title `corner`, and a column per name."""
    titles = list(names)
    lines = tuple((head(row), *(cell(row, title) for title in titles)) for row in rows)
    return Table((Column(corner), *map(Column, titles)), lines)


def from_texts(header: Sequence[str], rows: Iterable[Sequence[Cell]], explained: Mapping[str, str]) -> Table:
    """Build a table under a result's own header, with an explanation of the columns that `explained` knows."""
    return Table(tuple(Column(title, explained.get(title, "")) for title in header), tuple(map(tuple, rows)))


def declared(
    rows: Sequence[Any], columns: Sequence[results.TableColumn], explained: Mapping[str, str], names: Mapping[str, Cell]
) -> Table:
    """Build a table of the columns that a result declares, with their explanations; `names` are the cells of datasets."""

    def cell(column: results.TableColumn, row: Any) -> Cell:
        number = results.value_of(row, column.sort) if column.sort else None
        return names[column.of(row)] if column.title == "dataset" else Cell(column.of(row), number)

    titles = [column.title for column in columns]
    return from_texts(titles, ([cell(column, row) for column in columns] for row in rows), explained)


def facts(values: Mapping[str, object]) -> Table:
    """Build a table of names and values, such as settings and versions."""
    rows = []
    for name, value in values.items():
        text = str(value)
        if isinstance(value, (list, tuple)):
            text = ", ".join(map(str, value)) or "none"
        elif isinstance(value, bool) or value is None:
            text = {True: "yes", False: "no", None: "none"}[value]
        elif isinstance(value, int):
            text = f"{value:,}"
        rows.append((Cell(name), Cell(text)))
    return Table((Column("name"), Column("value")), tuple(rows))


def name_cell(name: str, index: int) -> Cell:
    """Return a cell with a dataset's name in its colour in the figures."""
    return Cell(name, colour=look(index).colour)


def name_cells(names: Iterable[object]) -> dict[str, Cell]:
    """Return cells with the names of a run's datasets, in the run's order, in their colours in the figures."""
    return {name: name_cell(name, index) for index, name in enumerate(map(str, dict.fromkeys(names)))}


def decimal(value: float | None, decimals: int = 3, strong: bool = False) -> Cell:
    """Format a number with `decimals` decimals, or a dash if undefined."""
    return interval_cell(Interval(value), f"{{:.{decimals}f}}".format, strong=strong)


def number(value: float | None, digits: int = 4) -> Cell:
    """Format a number with significant digits, or a dash if undefined."""
    return written(value, partial(format_number, digits=digits))


def interval_cell(interval: Interval, write: Callable[[float], str], *, strong: bool = False, text: str = "") -> Cell:
    """Format a number with its interval if any, or as `text` says; a dash if undefined."""
    value, low, high = interval.ends
    if value != value:
        return UNDEFINED
    if low != low or high != high:
        return Cell(text or write(value), value, strong=strong)
    ends = (("low", low), ("high", high))
    return Cell(text or f"{write(value)} [{write(low)}, {write(high)}]", value, strong=strong, numbers=ends)


def written(value: float | None, write: Callable[[float], str]) -> Cell:
    """Format a number without an interval, or a dash if undefined."""
    return interval_cell(Interval(value), write)


two = "{:.2f}".format
three = partial(signed, decimals=3)


def unsigned(value: float, decimals: int = 2) -> str:
    """Write a number with a true minus sign, and no plus."""
    return signed(value, decimals).removeprefix("+")


def fixed_digits(values: Iterable[float | None], digits: int = 3) -> Callable[[float], str]:
    """Return a format with one number of decimals, by which the largest of the values has `digits` significant digits."""
    largest = max((abs(value) for value in values if value is not None and np.isfinite(value)), default=0.0)
    decimals = digits - 1 - floor(log10(largest)) if largest else 0
    return lambda value: f"{value:,.{max(0, decimals)}f}"


def row_interval(
    row: Any, name: str, write: Callable[[float], str], low: str = "", high: str = "", *, strong: bool = False
) -> Cell:
    """Format a number of a frame's row with its interval, by default from ``<name>_low`` and ``<name>_high``."""
    return interval_cell(Interval.of(row, name, low, high), write, strong=strong)


def with_rank(cell: Cell, rank: float) -> Cell:
    """Append a rank in brackets to a number; a dash stays a dash."""
    if cell.sort is None:
        return cell
    return replace(cell, text=f"{cell.text} ({rank:g})", numbers=(*cell.numbers, ("rank", rank)))


def span(ends: tuple[float, float] | None, write: Callable[[float], str]) -> Cell:
    """Format an interval by its ends, or a dash if undefined."""
    if ends is None or any(end != end for end in ends):
        return UNDEFINED
    return Cell(" – ".join(map(write, ends)), float(ends[0]), numbers=(("high", float(ends[1])),))


def f_mu_sigma(f: float, mean: float, std: float, text: str = "") -> Cell:
    """Format F of a part with mean and standard deviation of its distances, as in the paper's tables 3 to 5."""
    return Cell(f"{text or f'{f:.3f}'} ({mean:.2f}, {std:.2f})", f, numbers=(("mean", mean), ("deviation", std)))


def estimated(value: float | None, low: float | None, high: float | None, *, doubted: bool = False) -> Cell:
    """Format an estimated mean performance with its interval, in brackets if doubted."""
    return interval_cell(Interval(value, low, high), str, text=format_estimate(value, low, high, doubted=doubted))


def change(value: float | None) -> Cell:
    """Format a change with its sign to three decimals, or a dash if undefined."""
    return UNDEFINED if value is None else Cell(signed(value, 3), value)


def count(value: int | None) -> Cell:
    """Format a count, or a dash if undefined."""
    return UNDEFINED if value is None else Cell(f"{value:,}", value)


def percentage(value: float | None, strong: bool = False) -> Cell:
    """Format a share as a percentage, or a dash if undefined."""
    return UNDEFINED if value is None else Cell(share(value), value, strong=strong)


Prose: TypeAlias = str | Markup


@dataclass(frozen=True)
class TablePart:
    """Hold a table of a section.

    `name` is the file name without ending, `text` how to read it, `label` the paper's number ("Table 6"), and `printed` what
    the paper printed. `heading` stands above it, by default label and title. A long table is folded behind a `summary`.
    `style` is a class of the style sheet ("named", "texts"); if `explained`, the columns are explained below. `files` are paths
    below the page.
    """

    name: str
    title: str
    table: Table
    text: Prose = ""
    label: str = ""
    printed: Table | None = None
    heading: str | None = None
    summary: str = ""
    style: str = ""
    explained: bool = True
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class FigurePart:
    """Hold a figure of a section, drawn when the page is made; `name`, `label` and `files` are as those of a table."""

    name: str
    draw: Callable[[], Figure]
    caption: Caption
    label: str = ""
    drawn: PageFigure | None = None
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class RegisteredFigure:
    """Mark the place of a registered figure, if it is drawn."""

    name: str


@dataclass(frozen=True)
class Text:
    """Hold paragraphs in a page style ("lead", "caution", "small", "prose", "inside" or none), with a heading."""

    paragraphs: Sequence[Prose]
    style: str = ""
    heading: Prose = ""


@dataclass(frozen=True)
class Items:
    """Hold a list of lines, and a title for notes."""

    lines: Sequence[Prose]
    notes: str = ""


@dataclass(frozen=True)
class Definitions:
    """Hold names with their definitions."""

    rows: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Disclosure:
    """Hold parts that a reader can unfold."""

    summary: str
    parts: Sequence[Part]


@dataclass(frozen=True)
class Made:
    """Hold the making of a result: titled tables of settings, versions, code that reproduces the result, and the source."""

    tables: Sequence[tuple[str, Table | None]]
    provenance: Provenance
    rerun: str = ""
    source: Prose = ""
    heading: str = "Source of the method"
    rerun_heading: str = "The same again"


Part: TypeAlias = TablePart | FigurePart | RegisteredFigure | Text | Items | Definitions | Disclosure | Made | Markup


@dataclass(frozen=True)
class Section:
    """Hold a section: a lead sentence with the answer, further sentences, tables, figures and texts, and limits.

    `warnings` stand before the answer; `title` is the heading if it differs from the name in the page's contents. Of a `folded`
    section the page shows the heading until the reader opens it.
    """

    lead: Prose
    parts: Sequence[Part]
    sentences: Sequence[Prose] = ()
    limits: Sequence[Prose] = ()
    warnings: Sequence[Prose] = ()
    title: Prose = ""
    folded: bool = False


def shown(name: str, title: str, table: Table, heading: str = "", **options: Any) -> Sequence[TablePart]:
    """Return the part of a table, or none if the table is empty."""
    return [TablePart(name, title, table, heading=heading, **options)] if table.rows else []


def named(name: str, text: str, between: str = ": ") -> Markup:
    """Set a name in bold before a text."""
    return Markup("<strong>{}</strong>{}{}").format(name, between, text)


def texts(*lines: Prose, style: str = "") -> Sequence[Text]:
    """Return a part for each non-empty line."""
    return [Text([line], style) for line in lines if line]


def notes(title: str, lines: Sequence[str]) -> Sequence[Items]:
    """Return the part of notes, or none without notes."""
    return [Items(lines, title)] if lines else []


@dataclass(frozen=True)
class Context:
    """Hold a study's folder, below which its maps lie, and the paper's symbol (P, S_1 …) by dataset where the file says one."""

    folder: Path
    symbols: Mapping[str, str] = field(default_factory=dict)


_PAPER = Markup(
    "A. Achara and R. K. Pandey, “Revealing the Underlying Patterns: Investigating Dataset Similarity, Performance, and "
    'Generalization”, <a href="https://arxiv.org/abs/2308.03580" rel="noreferrer">arXiv:2308.03580</a>, 2023'
)


def paper_source(where: str = "", additions: str = "") -> Markup:
    """Cite the paper, the method's place in it, and howfar's additions."""
    return Markup("{}{}.{}").format(_PAPER, f", {where}" if where else "", f" {additions}" if additions else "")
