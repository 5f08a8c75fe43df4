"""Print results as tables and sentences, or as one JSON document, within the limits of --quiet and --verbose."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from howfar.errors import InputError
from howfar.formatting_and_escaping import printable, printable_json
from howfar.progress import end, silence

if TYPE_CHECKING:
    from rich.console import Console

    from howfar.results import Skipped
    from howfar.results.display_and_shared_records import NetworkReading, Shown


class Level:
    """Hold whether only results are printed, or every note."""

    quiet = False
    verbose = False


def set_level(quiet: bool = False, verbose: bool = False) -> None:
    """Set the output level of the running command; raise `InputError` for both --quiet and --verbose."""
    if quiet and verbose:
        raise InputError.of("quiet", "must not be given with --verbose", True, "leave one of them out")
    Level.quiet, Level.verbose = quiet, verbose
    silence(quiet)


PIPED_WIDTH = 100_000
"""Width without a terminal: tables keep all columns, and sentences stay on one line for `grep`."""
SHOWN = 20
NOTES = 3
"""Number of notes printed; the others are only counted without --verbose."""


def console(whole: bool = False) -> Console:
    """Make a console on stdout in which names cannot act as commands; a `whole` one breaks no line."""
    from rich.console import Console
    from rich.text import Text

    class SafeConsole(Console):
        """Print each text on one line with escaped control characters, alone or in a table cell."""

        def __init__(self, width: int | None = None) -> None:
            super().__init__(highlight=False, emoji=False, markup=False, width=width)

        def print(self, *objects: Any, **options: Any) -> None:
            """End the progress line, then print."""
            end()
            super().print(*objects, **options)

        def render_str(self, text: str, **options: Any) -> Text:
            """Convert each printed string or cell to escaped text; rich calls this for every string."""
            return super().render_str(printable(text), **options)

    terminal = SafeConsole()
    return terminal if terminal.is_terminal and not whole else SafeConsole(width=PIPED_WIDTH)


def say(line: str, err: bool = False) -> None:
    """Print one line on stdout or stderr, in which names cannot act on the terminal."""
    end()
    typer.echo(printable(line), err=err)


def tell_reading(reading: NetworkReading | None) -> None:
    """Print on stderr how a foreign network's input and output were handled; nothing for other models."""
    if reading is not None and not Level.quiet:
        say(f"note: {reading}", err=True)


def print_table(
    to: Console,
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    optional: Sequence[str] = (),
    left: Sequence[str] | None = None,
) -> None:
    """Print a table, first column left; if too wide, leave out optional columns in order, with a note."""
    from rich.table import Table

    rows = [[printable(cell) for cell in row] for row in rows]
    widths = {name: max(len(row[i]) for row in (header, *rows)) + 2 for i, name in enumerate(header)}
    dropped: list[str] = []
    for name in optional:
        if sum(widths.values()) - 2 > to.width:
            dropped.append(name)
            del widths[name]
    columns = [i for i, name in enumerate(header) if name not in dropped]
    table = Table(header_style="bold", box=None, pad_edge=False)
    for i in columns:
        table.add_column(header[i], justify="left" if (header[i] in left if left else not i) else "right", overflow="fold")
    for row in rows:
        table.add_row(*(row[i] for i in columns))
    to.print(table)
    if dropped:
        to.print(f"left out for want of width: {', '.join(dropped)}")


def print_result(result: Shown, optional: Sequence[str] = ()) -> Console:
    """Print a result's caption and table, and return the console for further output."""
    to = console()
    to.print(result.caption(), style="bold")
    header, rows = result.table()
    if rows:
        print_table(to, header, rows, optional)
    return to


def show(result: Shown, files: Mapping[str, Path | None], others: str = "") -> None:
    """Print a result's table, remarks, skipped files if `others` says where the rest are listed, and its files' paths."""
    print_result(result)
    print_remarks(result.remarks())
    if others and not Level.quiet:
        print_skipped(getattr(result, "skipped", ()), others)
    print_paths(files)


def answer(result: Any, json: bool, shown: Callable[..., object], *details: Any) -> None:
    """Print a result as one JSON document, or else by ``shown(result, *details)``."""
    if json:
        print_json(result.to_dict())
    else:
        shown(result, *details)


def print_remarks(remarks: Sequence[str]) -> None:
    """Print the lines below a table; of the notes, print the first, most important ones and count the rest."""
    notes = [line for line in remarks if line.startswith("note: ")]
    to, left_out = console(), set() if Level.verbose else set(notes if Level.quiet else notes[NOTES + 1 :] and notes[NOTES:])
    for line in remarks:
        if line not in left_out:
            to.print(line)
    if left_out and not Level.quiet:
        to.print(f"and {len(left_out)} more notes: --verbose prints them")


def print_slices(to: Console, cells: tuple[Sequence[str], Sequence[Sequence[str]]], small: str) -> None:
    """Print the first slices, worst first, the place of the rest, and the number of slices that are too small."""
    from howfar.results.relation_result import ENERGY

    header, rows = cells
    if not rows:
        return
    to.print("")
    to.print("By slice, the worst first", style="bold")
    print_table(to, header, rows[:SHOWN], [name for name in ENERGY if name in header])
    if len(rows) > SHOWN:
        to.print(f"{len(rows) - SHOWN} more slices are in the JSON and in the report")
    if small:
        to.print(small)


def print_paths(files: Mapping[str, Path | str | None]) -> None:
    """Print files' paths, or commands to type, each on an unwrapped line."""
    for name, file in files.items():
        if file is not None:
            say(f"{name}: {file}")


def report_in(folder: str | Path | None) -> Path | None:
    """Return the report's path in a run folder; None without a folder."""
    return None if folder is None else Path(folder) / "report.html"


def print_skipped(skipped: Sequence[Skipped], others: str) -> None:
    """Print the first skipped files with reasons; `others` states where the rest are listed."""
    shown = len(skipped) if Level.verbose else SHOWN
    for file in skipped[:shown]:
        say(f"skipped: {file.path}: {file.reason}")
    if len(skipped) > shown:
        say(f"skipped: {len(skipped) - shown} more; {others}")


def json_text(document: Any) -> str:
    """Format a JSON document on one line, in which names cannot act on a terminal but parse unchanged."""
    return printable_json(json.dumps(document, ensure_ascii=False, allow_nan=False))


def print_json(document: Any) -> None:
    """Print a JSON document on one line of stdout."""
    end()
    typer.echo(json_text(document))
