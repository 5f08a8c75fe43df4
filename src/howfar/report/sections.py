"""What a page says of performance: the relation's figures, tables and sentences, gathered for the template."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from howfar.errors import InputError
from howfar.figures.estimates import estimates
from howfar.figures.failures import failures
from howfar.figures.judgements import judgements
from howfar.figures.parts import parts
from howfar.figures.performance import performance
from howfar.figures.thresholds import relation_thresholds
from howfar.report import (
    tables_estimates,
    tables_failures,
    tables_performance,
    words_estimates,
    words_failures,
    words_performance,
)
from howfar.report.tables import name_cell
from howfar.results import Comparison, Relation

FIGURES = {
    "performance": performance,
    "parts": parts,
    "thresholds": relation_thresholds,
    "judgements": judgements,
    "estimates": estimates,
    "failures": failures,
}
RELATION = "relation.json"


def relation_of(comparison: Comparison, folder: Path, relation: Relation | None) -> Relation | None:
    """The relation to report: the one given, else the one that the run folder holds, else none.

    Raises
    ------
    InputError
        It is of another run than the comparison.
    StoreError, MissingPathError
        The one in the folder is damaged or lacks a file.
    """
    found = relation
    if found is None and (folder / RELATION).is_file():
        found = Relation.load(folder)
    if found is None:
        return None
    own, other = [one.name for one in comparison.datasets], list(dict.fromkeys(found.images["dataset"]))
    if own != other:
        raise InputError.of("relation", f"must be of this run, whose datasets are {', '.join(own)}", ", ".join(map(str, other)))
    return found


def drawable(name: str, relation: Relation) -> bool:
    """Whether a figure would show anything."""
    if name == "performance":
        return any(one.scored for one in relation.datasets)
    if name == "parts":
        return any(part.n for one in relation.datasets for part in (*one.halves, *one.thirds))
    if name == "thresholds":
        return bool(relation.thresholds["f"].notna().any())
    if name == "failures":
        listed = relation.images[relation.images["listed"].astype(bool)]
        return bool(listed["path"].astype(bool).any())
    return bool(getattr(relation, name))


def context(relation: Relation | None) -> dict[str, Any]:
    """What the template's sections on performance, estimates and failures read.

    `r` is None where there is no relation, and `scored` tells whether any image has a performance.
    """
    if relation is None:
        return {"r": None, "scored": False}
    return {
        "r": relation,
        "scored": any(one.scored for one in relation.datasets),
        "performance": _performance(relation),
        "estimating": _estimating(relation),
        "failing": _failing(relation),
        "chosen": tables_performance.settings(relation),
    }


def _performance(relation: Relation) -> dict[str, Any]:
    place = tables_performance.places(relation)
    sentences = words_performance.sentences(relation)
    return {
        "lead": words_performance.lead(relation),
        "tally": words_performance.tally(relation),
        "unknown": words_performance.unknown(relation),
        "sentences": [(one, name_cell("", place[one.name]).colour) for one in sentences],
        "measured": words_performance.how_measured(relation),
        "standing": words_performance.standing(relation),
        "levels": tables_performance.levels(relation),
        "trends": tables_performance.trends(relation),
        "halves": tables_performance.parts(relation, "halves"),
        "thirds": tables_performance.parts(relation, "thirds"),
    }


def _estimating(relation: Relation) -> dict[str, Any]:
    return {
        "lead": words_estimates.lead(relation),
        "distance": words_estimates.distance(relation),
        "distance_numbers": words_estimates.distance_numbers(relation),
        "addition": words_estimates.addition(relation),
        "in_use": words_estimates.in_use(relation),
        "fewer": words_estimates.fewer(relation),
        "images": words_estimates.image_intervals(relation),
        "sets": words_estimates.set_intervals(relation),
        "unlabelled": words_estimates.unlabelled(relation),
        "judgements": tables_estimates.judgements(relation),
        "errors": tables_estimates.set_errors(relation),
        "explained": tables_estimates.explained(relation),
        "estimates": tables_estimates.estimates(relation),
    }


def _failing(relation: Relation) -> dict[str, Any]:
    return {
        "lead": words_failures.lead(relation),
        "promise": words_failures.promise(relation),
        "found": words_failures.found(relation),
        "broken": words_failures.broken(relation),
        "whole": words_failures.whole(relation),
        "lists": tables_failures.lists(relation),
        "listed": tables_failures.listed(relation),
        "count": int(relation.images["listed"].sum()),
    }
