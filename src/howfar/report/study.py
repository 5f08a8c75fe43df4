"""Report all studies of a study file on one page, and write their tables and figures as files (CSV, LaTeX, PNG, SVG, PDF)."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from howfar import registry
from howfar.io.atomic import replace, replace_text
from howfar.report.figures import Embedded, Figures, PageFigure, embed, runs_of, save
from howfar.report.page import write_page
from howfar.report.section import Cell, Column, Context, FigurePart, Section, Table, TablePart, count
from howfar.results.result import Result
from howfar.results.run_files import MARK
from howfar.results.study_run import StudyRecord, StudyRun
from howfar.wording import cell as guarded_cell
from howfar.wording import printable

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
    >>> from howfar.report.section import Cell, Column, Table
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


TEMPLATE = "study/page.html.j2"


@dataclass(frozen=True)
class StudyExhibit:
    """Hold a table or figure as the page shows it, and where its files lie below the page."""

    part: TablePart | FigurePart
    figure: PageFigure | None
    files: tuple[str, ...]


@dataclass(frozen=True)
class StudyPageSection:
    """Hold a study's section as the page shows it."""

    name: str
    title: str
    kind: str
    section: Section
    shown: Sequence[StudyExhibit]
    notes: Sequence[str]


def write_study_report(run: StudyRun, folder: str | Path) -> Path:
    """Write ``report.html`` of a run, its figures (.png, .svg, .pdf) and tables (.csv, .tex), and return the page's path."""
    root, order = Path(folder), registry.ordered("study_sections")
    paired = sorted(zip(run.studies, run.results, strict=True), key=lambda pair: order.index(pair[0].kind))
    failed: list[str] = []
    filled = [
        section
        for record, result in paired
        if (section := _filled(record, result, Context(root / record.name, run.symbols), root, f"{record.name}-", failed))
    ]
    return _write(run, run.title, filled, root, failed, datasets=_datasets(run), text=run.text)


def write_section_report(result: Result, folder: str | Path) -> Path:
    """Write ``report.html`` with the section of one study's result, its figures and tables, and return the page's path."""
    root, kind = Path(folder), _kind_of(result)
    record = StudyRecord(root.name, kind, registry.load("studies", kind).title, "", 0.0)
    failed: list[str] = []
    section = _filled(record, result, Context(root), root, "", failed)
    return _write(result, record.title, [section] if section else [], root, failed, datasets=None, text="")


def leads(run: StudyRun, folder: str | Path) -> dict[str, str]:
    """Return by study the sentence that answers its question, as the page shows it."""
    found = {}
    for record, result in zip(run.studies, run.results, strict=True):
        context = Context(Path(folder) / record.name, run.symbols)
        found[record.name] = registry.load("study_sections", record.kind)(result, context).lead
    return found


def _filled(
    record: StudyRecord, result: Result, context: Context, root: Path, prefix: str, failed: list[str]
) -> StudyPageSection | None:
    """Make the section of one study and its files; a kind of another package that raises leaves a note."""
    try:
        section: Section = registry.load("study_sections", record.kind)(result, context)
        shown = [_shown(part, root, prefix, result.run_id) for part in section.parts]
    except Exception as error:
        if registry.is_ours("study_sections", record.kind):
            raise
        failed.append(f"The section of {record.name} could not be made ({type(error).__name__}: {error}).")
        return None
    return StudyPageSection(record.name, record.title, record.kind, section, shown, tuple(getattr(result, "notes", ())))


def _shown(part: TablePart | FigurePart, root: Path, prefix: str, run: str) -> StudyExhibit:
    name = f"{prefix}{part.name}"
    if isinstance(part, TablePart):
        return StudyExhibit(part, None, write_table(part, name, root))
    embedded, files = write_figure(part, name, root, run)
    return StudyExhibit(part, PageFigure(embedded, part.caption), files)


def _write(
    result: Result, title: str, sections: Sequence[StudyPageSection], root: Path, failed: list[str], **content: Any
) -> Path:
    provenance: Any = result.provenance  # type: ignore[attr-defined]  # every study's result has one
    figures = Figures({}, failed, runs_of(result))
    return write_page(TEMPLATE, {"title": title, "sections": sections, "provenance": provenance, **content}, root, figures)


def _datasets(run: StudyRun) -> Table:
    columns = (
        Column("dataset"),
        Column("images", "that are drawn of it at most"),
        Column("stands for", "the paper's symbol of the dataset whose kind it is"),
    )
    rows = ((Cell(each.name), count(each.n), Cell(each.stands_for.replace("_", "") or "–")) for each in run.datasets)
    return Table(columns, tuple(rows))


def _kind_of(result: Result) -> str:
    """Name the kind of study whose result this is."""
    return next(name for name in registry.ordered("studies") if registry.load("studies", name).result is type(result))
