"""A table of texts, for a terminal and for a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape


def as_text(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines with aligned columns: the first to the left, the others to the right.

    Examples
    --------
    >>> as_text(("set", "n"), [("roads", "12")])
    ['set     n', 'roads  12']
    """
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    return ["  ".join(_align(row, widths)).rstrip() for row in (header, *rows)]


def as_html(caption: str, header: Sequence[str], rows: Sequence[Sequence[str]], footer: Sequence[str]) -> str:
    """The same as HTML, with a line above and lines below.

    Examples
    --------
    >>> as_html("sets", ("n",), [("1",)], [])
    '<p>sets</p><table><thead><tr><th>n</th></tr></thead><tbody><tr><td>1</td></tr></tbody></table>'
    """
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    foot = "".join(f"<p>{escape(line)}</p>" for line in footer)
    return f"<p>{escape(caption)}</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{foot}"


def _align(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
