"""Report all studies of a study file on one page, in the paper's order; its tables and figures are written as files too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from howfar import registry
from howfar.report.figures import Drawn, Figures, runs_of
from howfar.report.page import write_page
from howfar.report.parts import Context, FigurePart, Section, TablePart
from howfar.report.study.export import write_figure, write_table
from howfar.report.tables import Cell, Column, Table, count
from howfar.results.result import Result
from howfar.results.study_run import StudyRecord, StudyRun

TEMPLATE = "study/page.html.j2"


@dataclass(frozen=True)
class Shown:
    """Hold a table or figure as the page shows it, and where its files lie below the page."""

    part: TablePart | FigurePart
    figure: Drawn | None
    files: tuple[str, ...]


@dataclass(frozen=True)
class Filled:
    """Hold a study's section as the page shows it."""

    name: str
    title: str
    kind: str
    section: Section
    shown: Sequence[Shown]
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


def _filled(record: StudyRecord, result: Result, context: Context, root: Path, prefix: str, failed: list[str]) -> Filled | None:
    """Make the section of one study and its files; a kind of another package that raises leaves a note."""
    try:
        section: Section = registry.load("study_sections", record.kind)(result, context)
        shown = [_shown(part, root, prefix, result.run_id) for part in section.parts]
    except Exception as error:
        if registry.is_ours("study_sections", record.kind):
            raise
        failed.append(f"The section of {record.name} could not be made ({type(error).__name__}: {error}).")
        return None
    return Filled(record.name, record.title, record.kind, section, shown, tuple(getattr(result, "notes", ())))


def _shown(part: TablePart | FigurePart, root: Path, prefix: str, run: str) -> Shown:
    name = f"{prefix}{part.name}"
    if isinstance(part, TablePart):
        return Shown(part, None, write_table(part, name, root))
    embedded, files = write_figure(part, name, root, run)
    return Shown(part, Drawn(embedded, part.caption), files)


def _write(result: Result, title: str, sections: Sequence[Filled], root: Path, failed: list[str], **content: Any) -> Path:
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
