"""Write the section of the report on what to expect of datasets without labels, and how far to believe it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from howfar.report.estimates import tables, text
from howfar.report.sections import Section
from howfar.results import Comparison, Relation


def _content(_: Comparison, relation: Relation | None) -> Mapping[str, Any] | None:
    if relation is None:
        return None
    return {
        "lead": text.lead(relation),
        "distance": text.distance(relation),
        "distance_numbers": text.distance_numbers(relation),
        "addition": text.addition(relation),
        "in_use": text.in_use(relation),
        "fewer": text.fewer(relation),
        "images": text.image_intervals(relation),
        "sets": text.set_intervals(relation),
        "unlabelled": text.unlabelled(relation),
        "warnings": relation.warnings(),
        "gate": text.gate_errors(relation),
        "judgements": tables.judgements(relation),
        "errors": tables.set_errors(relation),
        "explained": tables.explained(relation),
        "estimates": tables.estimates(relation),
    }


SECTION = Section("estimates", "Estimates", "estimates/section.html.j2", _content, whole=True)
