"""Format a report's tables as CSV and LaTeX."""

import csv
import io
import re
from typing import Final

from howfar.report import section as doc
from howfar.text_formatting import cell as guarded_cell
from howfar.text_formatting import printable

_SPECIAL: Final = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--", "−": "$-$", "±": r"$\pm$", "τ": r"$\tau$", "ρ": r"$\rho$",
    "×": r"$\times$", "≥": r"$\ge$", "≤": r"$\le$", "<": r"$<$", ">": r"$>$", "′": "'", "\u00a0": "~", "…": r"\ldots{}",
    "→": r"$\to$", "λ": r"$\lambda$", "σ": r"$\sigma$", "μ": r"$\mu$",
}  # fmt: skip
_NUMBER: Final = re.compile(r"[-−+]?[\d.,]+(\s?%)?")
_ESCAPED: Final = re.compile("|".join(map(re.escape, _SPECIAL)))


def as_csv(table: doc.Table) -> str:
    """Format a table as CSV: full-precision numbers in separate columns (value, low, high, rank), texts in others.

    A dash, which is undefined, is left empty.
    """
    columns = []
    for place, column in enumerate(table.columns):
        cells = [row[place] for row in table.rows]
        numbers = [dict(cell.numbers) for cell in cells]
        columns.append([column.title, *map(_plain, cells)])
        for name in dict.fromkeys(name for known in numbers for name in known):
            columns.append([f"{column.title} {name}", *(repr(known[name]) if name in known else "" for known in numbers)])
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(map(guarded_cell, line) for line in zip(*columns, strict=True))
    return buffer.getvalue()


def as_latex(part: doc.TablePart, name: str) -> str:
    """Format a table as LaTeX with booktabs rules; strong cells are bold."""
    table = part.table
    head = " & ".join(_latex(column.title) for column in table.columns)
    body = [" & ".join(map(_cell, row)) + r" \\" for row in table.rows]
    lines = [
        r"% needs \usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{_latex(part.title)}}}",
        rf"\label{{tab:{name}}}",
        rf"\begin{{tabular}}{{l{'r' * (len(table.columns) - 1)}}}",
        r"\toprule",
        rf"{head} \\",
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _plain(cell: doc.Cell) -> str:
    """Return a cell's number in full precision if its text is that number, else the text."""
    if cell.sort is not None and (cell.numbers or _NUMBER.fullmatch(cell.text)):
        return repr(cell.sort)
    return "" if cell.text == "–" else cell.text


def _cell(cell: doc.Cell) -> str:
    text = _latex(cell.text)
    return rf"\textbf{{{text}}}" if cell.strong else text


def _latex(text: str) -> str:
    parts = re.split(r"([IO])\^dist", printable(text))
    escaped = [_ESCAPED.sub(lambda found: _SPECIAL[found[0]], each) for each in parts]
    return "".join(rf"${each}^{{\mathrm{{dist}}}}$" if place % 2 else each for place, each in enumerate(escaped))
