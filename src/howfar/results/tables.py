"""Show a result as a table with caption and remarks, as text for a terminal and as HTML for a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TypeAlias

from howfar.printable import printable

Cells: TypeAlias = tuple[tuple[str, ...], list[tuple[str, ...]]]


class Shown:
    """Give a result its two views, text and HTML, from its caption, its table and the lines below."""

    def caption(self) -> str:
        """Say in one line what the table is about."""
        raise NotImplementedError

    def table(self) -> Cells:
        """Return the header and the formatted cells that terminal, notebook and report show."""
        raise NotImplementedError

    def footer(self) -> list[str]:
        """Return the lines below the table; a result's notes where it says no others."""
        return list(getattr(self, "notes", ()))

    def remarks(self) -> list[str]:
        """Return the lines that the terminal shows under the table."""
        return [f"note: {note}" for note in getattr(self, "notes", ())]

    def __repr__(self) -> str:
        return "\n".join(map(printable, [self.caption(), *as_text(*self.table()), *self.footer()]))

    def _repr_html_(self) -> str:
        return as_html(self.caption(), *self.table(), self.footer())


def as_text(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Align columns as lines of text: the first to the left, the others to the right.

    Examples
    --------
    >>> as_text(("set", "n"), [("roads", "12")])
    ['set     n', 'roads  12']
    """
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    return ["  ".join(_align(row, widths)).rstrip() for row in (header, *rows)]


def as_html(caption: str, header: Sequence[str], rows: Sequence[Sequence[str]], footer: Sequence[str]) -> str:
    """Write a table as HTML, with a line above and lines below."""
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    body = "".join("<tr>" + "".join(f"<td>{escape(printable(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    foot = "".join(f"<p>{escape(printable(line))}</p>" for line in footer)
    return f"<p>{escape(printable(caption))}</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{foot}"


def _align(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
