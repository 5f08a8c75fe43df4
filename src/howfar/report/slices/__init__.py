"""Write the section of the report on slices: distance, and performance where it is known, of each camera, site or day."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from howfar.report.sections import Section
from howfar.report.slices import tables
from howfar.results import Comparison, Relation
from howfar.results.slices import too_small


def _content(comparison: Comparison, relation: Relation | None) -> Mapping[str, Any] | None:
    performance = () if relation is None else relation.slices
    if not comparison.slices and not performance:
        return None
    return {
        "distance": tables.distance(comparison) if comparison.slices else None,
        "performance": tables.performance(relation) if relation is not None and performance else None,
        "lead": tables.lead(comparison.slices, performance),
        "small_distance": too_small(comparison.slices),
        "small_performance": too_small(performance),
    }


SECTION = Section("slices", "Slices", "slices/section.html.j2", _content)
