"""Report all studies of a study file on one page, and write their tables and figures as files (CSV, LaTeX, PNG, SVG, PDF)."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import pandas as pd
from markupsafe import Markup

from howfar import registry
from howfar.formatting_and_escaping import cell as guarded_cell
from howfar.formatting_and_escaping import printable
from howfar.io import atomic_writes
from howfar.io.atomic_writes import replace_text
from howfar.report import section as doc
from howfar.report.page import write_page
from howfar.report.report_figures import Figures, PageFigure, embed, runs_of, save, tolerated
from howfar.results.checksums_and_overwrite_guard import MARK
from howfar.results.result import Result
from howfar.results.study_run import StudyRecord, StudyRun

TABLES, FIGURES = "tables", "figures"
FEW_PARTS: Final = 3
_SPECIAL: Final = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--", "−": "$-$", "±": r"$\pm$", "τ": r"$\tau$", "ρ": r"$\rho$",
    "×": r"$\times$", "≥": r"$\ge$", "≤": r"$\le$", "<": r"$<$", ">": r"$>$", "′": "'", "\u00a0": "~", "…": r"\ldots{}",
    "→": r"$\to$", "λ": r"$\lambda$", "σ": r"$\sigma$", "μ": r"$\mu$",
}  # fmt: skip
_NUMBER: Final = re.compile(r"[-−+]?[\d.,]+(\s?%)?")
_ESCAPED: Final = re.compile("|".join(map(re.escape, _SPECIAL)))


def write_study_report(run: StudyRun, folder: str | Path) -> Path:
    """Write a run's ``report.html``, figures (.png, .svg, .pdf) and tables (.csv, .tex); return the page's path."""
    root, order, failed = Path(folder), registry.ordered("study_sections"), list[str]()
    paired = sorted(zip(run.studies, run.results, strict=True), key=lambda pair: [*order, pair[0].kind].index(pair[0].kind))
    filled = [
        (record.name, record.title, section)
        for record, result in paired
        if (section := _filled(record, result, doc.Context(root / record.name, run.symbols), root, f"{record.name}-", failed))
    ]
    return _write(run, run.title, filled, root, failed, _datasets(run), run.text)


def write_section_report(result: Result, folder: str | Path) -> Path:
    """Write ``report.html`` for one study's result with figures and tables, and return the page's path."""
    root, failed = Path(folder), list[str]()
    kind = next(name for name in registry.ordered("studies") if registry.load("studies", name).result is type(result))
    record = StudyRecord(root.name, kind, registry.load("studies", kind).title, "", 0.0)
    section = _filled(record, result, doc.Context(root), root, "", failed)
    return _write(result, record.title, [(record.name, record.title, section)] if section else [], root, failed)


def leads(run: StudyRun, folder: str | Path) -> dict[str, str]:
    """Return each study's lead sentence, as on the page."""
    found = {}
    for record, result in zip(run.studies, run.results, strict=True):
        context = doc.Context(Path(folder) / record.name, run.symbols)
        found[record.name] = _section_of(record.kind)(result, context).lead
    return found


def _section_of(kind: str) -> Callable[[Any, doc.Context], doc.Section]:
    """Return the function from a result to its section: a kind's own, or the one registered under its name."""
    own: Callable[[Any, doc.Context], doc.Section] | None = registry.load("studies", kind).section
    return registry.load("study_sections", kind) if own is None else own


def _filled(
    record: StudyRecord, result: Result, context: doc.Context, root: Path, prefix: str, failed: list[str]
) -> doc.Section | None:
    """Build a study's section, and write its tables (.csv, .tex) and figures (.png, .svg, .pdf), which carry the run's id.

    A failing kind of another package adds a message to `failed`.
    """
    with tolerated("study_sections", record.kind, failed, f"The section of {record.name} could not be made"):
        section, parts = _section_of(record.kind)(result, context), list[doc.Part]()
        described = {"CreationDate": None, **({"Keywords": f"{MARK} {result.run_id}"} if result.run_id else {})}
        for part in section.parts:
            name = f"{prefix}{getattr(part, 'name', '')}"
            if isinstance(part, doc.TablePart):
                (root / TABLES).mkdir(parents=True, exist_ok=True)
                texts = {f"{TABLES}/{name}.csv": as_csv(part.table), f"{TABLES}/{name}.tex": as_latex(part, name)}
                for file, text in texts.items():
                    replace_text(root / file, text)
                parts.append(replace(part, files=tuple(texts)))
            elif isinstance(part, doc.FigurePart):
                folder, figure = root / FIGURES, part.draw()
                folder.mkdir(parents=True, exist_ok=True)
                embedded = embed(figure, name, folder, run=result.run_id)
                atomic_writes.replace(folder / f"{name}.pdf", partial(save, figure, kind="pdf", metadata=described))
                files = tuple(f"{FIGURES}/{name}.{ending}" for ending in ("png", "svg", "pdf"))
                parts.append(replace(part, drawn=PageFigure(embedded, part.caption), files=files))
            else:
                parts.append(part)
        parts += doc.notes("Notes of the run", getattr(result, "notes", ()))
        # On a page of several studies, whose leads are its contents list, long sections are closed.
        if prefix and len(parts) > FEW_PARTS:
            parts = [doc.Disclosure(f"{len(parts)} tables, figures and notes", parts)]
        return replace(section, parts=parts)
    return None


def _write(
    result: Result,
    title: str,
    sections: Sequence[tuple[str, str, doc.Section]],
    root: Path,
    failed: list[str],
    datasets: doc.Table | None = None,
    text: str = "",
) -> Path:
    provenance: Any = result.provenance  # type: ignore[attr-defined]  # every study's result has one
    figures = Figures({}, failed, runs_of(result))
    links = [Markup('<a href="#{}">{}</a> {}').format(name, heading, section.lead) for name, heading, section in sections]
    answer = [("answer", "In short", doc.Section("", [doc.Items(links)]))] if len(sections) > 1 else []
    listed = doc.shown("datasets", "The datasets of the study file", datasets, "Datasets") if datasets else []
    made = doc.Section("", [*listed, doc.Made([], provenance, text, doc.paper_source(), rerun_heading="The study file")])
    heads = "Study report", title, title
    counted = f"{len(sections)} stud{doc.plural(len(sections), 'y', 'ies')}"
    facts = [counted, f"{len(datasets.rows)} datasets" if datasets else ""]
    return write_page(root, figures, [*answer, *sections, ("made", "How it was made", made)], heads, facts, provenance)


def _datasets(run: StudyRun) -> doc.Table:
    symbol = "the paper's symbol of the dataset whose kind it is"
    return doc.tabulate(
        run.datasets,
        ("dataset", "", lambda each: doc.Cell(each.name)),
        ("images", "that are drawn of it at most", lambda each: doc.count(each.n)),
        ("stands for", symbol, lambda each: doc.Cell(each.stands_for.replace("_", "") or "–")),
    )


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
    return pd.DataFrame(columns).T.map(guarded_cell).to_csv(index=False, header=False, lineterminator="\n")


def as_latex(part: doc.TablePart, name: str) -> str:
    """Format a table as LaTeX with booktabs rules; strong cells are bold."""
    titles = [_latex(column.title) for column in part.table.columns]
    texts = [
        [rf"\textbf{{{_latex(cell.text)}}}" if cell.strong else _latex(cell.text) for cell in row] for row in part.table.rows
    ]
    frame = pd.DataFrame(texts, columns=titles)
    columns, label, caption = f"l{'r' * (len(titles) - 1)}", f"tab:{name}", _latex(part.title)
    styled = frame.style.hide(axis="index")
    text = styled.to_latex(column_format=columns, position_float="centering", hrules=True, label=label, caption=caption)
    return f"% needs \\usepackage{{booktabs}}\n{text}"


def _plain(cell: doc.Cell) -> str:
    """Return a cell's number in full precision if its text is that number, else the text."""
    if cell.sort is not None and (cell.numbers or _NUMBER.fullmatch(cell.text)):
        return repr(cell.sort)
    return "" if cell.text == "–" else cell.text


def _latex(text: str) -> str:
    parts = re.split(r"([IO])\^dist", printable(text))
    escaped = [_ESCAPED.sub(lambda found: _SPECIAL[found[0]], each) for each in parts]
    return "".join(rf"${each}^{{\mathrm{{dist}}}}$" if place % 2 else each for place, each in enumerate(escaped))
