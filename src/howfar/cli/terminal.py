"""Print what commands found: tables as wide as the terminal, or 200 columns where there is none, or one JSON document."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from howfar.printable import printable, printable_json

if TYPE_CHECKING:
    from rich.console import Console

    from howfar.results import Skipped
    from howfar.results.tables import Shown

PIPED_WIDTH = 200
SHOWN = 20


def console() -> Console:
    """Make a console on stdout that colours nothing by guess, and prints no name as a command to the terminal."""
    from howfar.cli.safe_console import SafeConsole

    terminal = SafeConsole()
    return terminal if terminal.is_terminal else SafeConsole(width=PIPED_WIDTH)


def say(line: str, err: bool = False) -> None:
    """Print one line on stdout, or on stderr, in which names do nothing to the terminal."""
    typer.echo(printable(line), err=err)


def print_table(to: Console, header: Sequence[str], rows: Sequence[Sequence[str]], optional: Sequence[str] = ()) -> None:
    """Print a table, its first column to the left; where it is too wide, without the optional columns, and say so.

    Examples
    --------
    >>> print_table(console(), ("set", "n"), [("roads", "12")])
    set     n
    roads  12
    """
    from rich.table import Table

    rows = [[printable(cell) for cell in row] for row in rows]
    fits = sum(max(len(row[i]) for row in (header, *rows)) + 2 for i in range(len(header))) <= to.width
    columns = [i for i, name in enumerate(header) if fits or name not in optional]
    table = Table(header_style="bold", box=None, pad_edge=False)
    for i in columns:
        table.add_column(header[i], justify="right" if i else "left", overflow="fold")
    for row in rows:
        table.add_row(*(row[i] for i in columns))
    to.print(table, markup=False)
    if not fits and optional:
        to.print(f"left out for want of width: {', '.join(optional)}", markup=False)


def print_result(result: Shown, optional: Sequence[str] = ()) -> Console:
    """Print the caption and the table of a result, and return the console for what is to follow."""
    to = console()
    to.print(result.caption(), style="bold", markup=False)
    print_table(to, *result.table(), optional)
    return to


def show(result: Shown, files: Mapping[str, Path | None], optional: Sequence[str] = (), others: str = "") -> None:
    """Print a result's table, its remarks, and where its files lie, by what they are called.

    `optional` columns are left out where the terminal is narrow. Files that were skipped are printed where `others` says where
    those beyond the first are listed.
    """
    to = print_result(result, optional)
    for line in result.remarks():
        to.print(line, markup=False)
    if others:
        print_skipped(to, getattr(result, "skipped", ()), others)
    print_paths(to, files)


def print_slices(to: Console, cells: tuple[Sequence[str], Sequence[Sequence[str]]], small: str) -> None:
    """Print the first slices, which are the worst, and say where the rest are and how many are too small to say anything."""
    from howfar.results.slices import ENERGY

    header, rows = cells
    if not rows:
        return
    to.print("")
    to.print("By slice, the worst first", style="bold", markup=False)
    print_table(to, header, rows[:SHOWN], [name for name in ENERGY if name in header])
    if len(rows) > SHOWN:
        to.print(f"{len(rows) - SHOWN} more slices are in the JSON and in the report", markup=False)
    if small:
        to.print(small, markup=False)


def print_paths(to: Console, files: Mapping[str, Path | None]) -> None:
    """Print where files lie, a line each that is never wrapped."""
    for name, file in files.items():
        if file is not None:
            to.print(f"{name}: {file}", markup=False, soft_wrap=True)


def report_in(folder: str | Path | None) -> Path | None:
    """Return the path of the report in a run folder; None where no folder was written."""
    return None if folder is None else Path(folder) / "report.html"


def print_skipped(to: Console, skipped: Sequence[Skipped], others: str) -> None:
    """Print the first files that were skipped and why; `others` says where the rest are listed."""
    for file in skipped[:SHOWN]:
        to.print(f"skipped: {file.path}: {file.reason}", markup=False, soft_wrap=True)
    if len(skipped) > SHOWN:
        to.print(f"skipped: {len(skipped) - SHOWN} more; {others}", markup=False)


def json_text(document: Any) -> str:
    """Write a JSON document in one line, in which names do nothing to a terminal; they are read as they were."""
    return printable_json(json.dumps(document, ensure_ascii=False, allow_nan=False))


def print_json(document: Any) -> None:
    """Print one JSON document on one line of stdout."""
    typer.echo(json_text(document))
