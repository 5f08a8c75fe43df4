"""Report a comparison on one page: how far its datasets are, and how performance goes with that where it is known."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from howfar.figures.datasets import nearest_first
from howfar.figures.performance import is_scored
from howfar.report.comparison import tables, text
from howfar.report.estimates import text as estimates
from howfar.report.figures import draw_figures
from howfar.report.page import write_page
from howfar.report.performance import text as performance
from howfar.report.performance.tables import settings
from howfar.report.rerun import rerun
from howfar.report.run_results import RunResults
from howfar.report.sections import Section, fill_sections
from howfar.report.tables import name_cell
from howfar.report.text import listing
from howfar.results import Comparison, Relation
from howfar.results.assessment import Assessment

TEMPLATE = "comparison/page.html.j2"


def write_report(
    comparison: Comparison, folder: str | Path, relation: Relation | None = None, assessment: Assessment | None = None
) -> Path:
    """Write ``figures/<name>.png`` (and ``.svg``) and ``report.html``, and return the page's path.

    The page is whole in itself: it asks for no other file and no address, and can be read without scripts.

    Parameters
    ----------
    comparison
        The result.
    folder
        A run folder; made where it is not there, what is in it by these names is replaced.
    relation
        How performance goes with distance in this run; by default the one that `folder` holds, where it holds one. Without
        it the page is about distance alone.
    assessment
        The answers about this run's sites; by default those that `folder` holds, where they are of this relation.

    Returns
    -------
    Path
        ``folder/report.html``.

    Raises
    ------
    InputError
        The relation is of another run.
    StoreError, MissingPathError
        The one in the folder is damaged.
    """
    run = RunResults.of(comparison, Path(folder), relation, assessment)
    results = {"figures": run.comparison, "relation_figures": run.relation, "assessment_figures": run.assessment}
    figures = draw_figures(results, folder)
    sections = fill_sections(run.comparison, run.relation, figures, run.assessment, run.whole)
    return write_page(TEMPLATE, {"c": run.comparison, "sections": sections}, folder, figures)


def _answer(comparison: Comparison, relation: Relation | None, assessment: Assessment | None) -> Mapping[str, Any]:
    measured = relation is not None and is_scored(relation)
    return {
        "lead": text.lead(comparison),
        "sentences": [
            (text.sentence(comparison.primary, comparison.datasets[index]), name_cell("", index).colour)
            for index in nearest_first(comparison)
        ],
        "verdict": _verdict(comparison),
        # The section before this one says them where there is an assessment.
        "warnings": relation.warnings() if relation is not None and assessment is None else [],
        "measured": (performance.lead(relation), estimates.distance(relation)) if relation and measured else None,
        "expected": relation is not None and bool(estimates.unlabelled(relation)),
    }


def _verdict(comparison: Comparison) -> str:
    agreements, views = tables.trivial(comparison)[1], tables.trivial_views(comparison)
    return text.trivial_verdict(agreements, len(comparison.datasets), *text.same_farthest(*views))


def _distances(comparison: Comparison, _: Relation | None) -> Mapping[str, Any]:
    return {
        "main": tables.main(comparison),
        "intervals": tables.intervals(comparison),
        "smallest_p": text.smallest_p(comparison.settings.permutations, len(comparison.datasets)),
    }


def _reading(comparison: Comparison, _: Relation | None) -> Mapping[str, Any]:
    near, changed = tables.neighbours(comparison), text.rank_changes(comparison)
    differing = tables.disagreeing(near)
    return {
        "neighbours": near,
        "disagreeing": listing(differing) if differing else "",
        "changed": listing(changed) if changed else "",
    }


def _trivial(comparison: Comparison, _: Relation | None) -> Mapping[str, Any] | None:
    if not comparison.baselines:
        return None
    table, agreements = tables.trivial(comparison)
    return {
        "trivial": table,
        "measure": tables.trivial_measure(comparison),
        "agreements": tables.agreements_text(agreements, len(comparison.datasets)),
        "verdict": _verdict(comparison),
    }


def _rivals(comparison: Comparison, _: Relation | None) -> Mapping[str, Any]:
    return {
        "rivals": tables.rivals(comparison),
        "rival_intervals": tables.rival_intervals(comparison),
        "of_rivals": text.of_rivals(comparison),
    }


def _files(comparison: Comparison, _: Relation | None) -> Mapping[str, Any]:
    return {"skipped": tables.skipped(comparison), "leaks": tables.leaks(comparison)}


def _made(comparison: Comparison, relation: Relation | None, assessment: Assessment | None = None) -> Mapping[str, Any]:
    return {
        "backbone": tables.backbone(comparison),
        "settings": tables.settings(comparison),
        "chosen": None if relation is None else settings(relation),
        "model": None if assessment is None else tables.model(assessment),
        "rerun": (assessment.command if assessment is not None else "") or rerun(comparison, relation),
    }


ANSWER = Section("answer", "In short", TEMPLATE, _answer)
DISTANCES = Section("distances", "Distances", TEMPLATE, _distances)
READING = Section("reading", "Reading them", TEMPLATE, _reading)
TRIVIAL = Section("trivial", "Trivial backbones", TEMPLATE, _trivial)
IMAGES = Section("images", "Images", TEMPLATE, lambda comparison, _: {"farthest": tables.farthest(comparison)})
RIVALS = Section("rivals", "Other distances", TEMPLATE, _rivals)
FILES = Section("files", "Files", TEMPLATE, _files)
MADE = Section("made", "How it was made", TEMPLATE, _made, whole=True)
