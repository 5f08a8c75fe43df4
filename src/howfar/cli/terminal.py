"""Tables as commands print them: as wide as the terminal, or 200 columns where there is none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

PIPED_WIDTH = 200


def console() -> Console:
    """Make a console on stdout that colours nothing by guess."""
    from rich.console import Console

    made = Console(highlight=False, emoji=False)
    return made if made.is_terminal else Console(highlight=False, emoji=False, width=PIPED_WIDTH)


def print_table(to: Console, header: Sequence[str], rows: Sequence[Sequence[str]], optional: Sequence[str] = ()) -> None:
    """Print a table, its first column to the left; where it is too wide, without the optional columns, and say so.

    Examples
    --------
    >>> print_table(console(), ("set", "n"), [("roads", "12")])
    set     n
    roads  12
    """
    from rich.table import Table

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
