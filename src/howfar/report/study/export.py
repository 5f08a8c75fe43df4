"""Write the tables of a study's report as CSV and LaTeX, and its figures as PNG, SVG and PDF, for the next paper."""

from __future__ import annotations

import csv
import io
import re
from functools import partial
from pathlib import Path
from typing import Final

from howfar.io.atomic import replace, replace_text
from howfar.printable import cell as guarded_cell
from howfar.printable import printable
from howfar.report.parts import FigurePart, TablePart
from howfar.report.svg import Embedded, embed, save
from howfar.report.tables import Cell, Table
from howfar.results.run_files import MARK

TABLES, FIGURES = "tables", "figures"
_SPECIAL: Final = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--", "−": "$-$", "±": r"$\pm$", "τ": r"$\tau$", "ρ": r"$\rho$",
    "×": r"$\times$", "≥": r"$\ge$", "≤": r"$\le$", "<": r"$<$", ">": r"$>$", "′": "'", "\u00a0": "~", "…": r"\ldots{}",
    "→": r"$\to$", "λ": r"$\lambda$", "σ": r"$\sigma$", "μ": r"$\mu$",
}  # fmt: skip
_NUMBER: Final = re.compile(r"[-−+]?[\d.,]+(\s?%)?")
_ESCAPED: Final = re.compile("|".join(map(re.escape, _SPECIAL)))


def write_table(part: TablePart, name: str, root: Path) -> tuple[str, ...]:
    """Write ``tables/<name>.csv`` and ``.tex``, and return their paths below the folder."""
    (root / TABLES).mkdir(parents=True, exist_ok=True)
    files = {f"{TABLES}/{name}.csv": as_csv(part.table), f"{TABLES}/{name}.tex": as_latex(part, name)}
    for file, text in files.items():
        replace_text(root / file, text)
    return tuple(files)


def write_figure(part: FigurePart, name: str, root: Path, run: str = "") -> tuple[Embedded, tuple[str, ...]]:
    """Draw a figure, write it into ``figures/``, and return it for the page, with the paths of its files below the folder.

    `run` is the id of the run that it shows, which its files carry.
    """
    folder = root / FIGURES
    folder.mkdir(parents=True, exist_ok=True)
    figure = part.draw()
    embedded = embed(figure, name, folder, run=run)
    described = {"CreationDate": None, **({"Keywords": f"{MARK} {run}"} if run else {})}
    replace(folder / f"{name}.pdf", partial(save, figure, kind="pdf", metadata=described))
    return embedded, tuple(f"{FIGURES}/{name}.{ending}" for ending in ("png", "svg", "pdf"))


def as_csv(table: Table) -> str:
    """Write a table as CSV: numbers in full where a cell has one, else its text; a dash, which is undefined, is left empty."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([guarded_cell(column.title) for column in table.columns])
    writer.writerows([[guarded_cell(_plain(cell)) for cell in row] for row in table.rows])
    return buffer.getvalue()


def as_latex(part: TablePart, name: str) -> str:
    r"""Write a table as LaTeX with the rules of the package booktabs; strong cells are bold.

    Examples
    --------
    >>> from howfar.report.tables import Cell, Column, Table
    >>> table = Table((Column("set"), Column("O^dist")), ((Cell("a_b"), Cell("0.5", 0.5, strong=True)),))
    >>> print(as_latex(TablePart("t", "Distances", table), "t"))
    % needs \usepackage{booktabs}
    \begin{table}
    \centering
    \caption{Distances}
    \label{tab:t}
    \begin{tabular}{lr}
    \toprule
    set & $O^{\mathrm{dist}}$ \\
    \midrule
    a\_b & \textbf{0.5} \\
    \bottomrule
    \end{tabular}
    \end{table}
    <BLANKLINE>
    """
    table = part.table
    head = " & ".join(_latex(column.title) for column in table.columns)
    body = [" & ".join(_cell(cell) for cell in row) + r" \\" for row in table.rows]
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


def _plain(cell: Cell) -> str:
    """Return a cell's number in full where its text is that number alone, else the text."""
    if cell.sort is not None and _NUMBER.fullmatch(cell.text):
        return repr(cell.sort)
    return "" if cell.text == "–" else cell.text


def _cell(cell: Cell) -> str:
    text = _latex(cell.text)
    return rf"\textbf{{{text}}}" if cell.strong else text


def _latex(text: str) -> str:
    parts = re.split(r"([IO])\^dist", printable(text))
    escaped = [_ESCAPED.sub(lambda found: _SPECIAL[found[0]], each) for each in parts]
    return "".join(rf"${each}^{{\mathrm{{dist}}}}$" if place % 2 else each for place, each in enumerate(escaped))
