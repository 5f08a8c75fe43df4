"""Write the section of the report on how performance changes with distance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from howfar.report.performance import tables, text
from howfar.report.sections import Section
from howfar.results import Comparison, Relation


def _content(_: Comparison, relation: Relation | None) -> Mapping[str, Any] | None:
    if relation is None:
        return None
    names = tables.dataset_cells(relation)
    return {
        "lead": text.lead(relation),
        "tally": text.tally(relation),
        "unknown": text.unknown(relation),
        "sentences": [(sentence, names[sentence.name].colour) for sentence in text.sentences(relation)],
        "measured": text.how_measured(relation),
        "standing": text.standing(relation),
        "levels": tables.levels(relation),
        "trends": tables.trends(relation),
        "halves": tables.parts(relation, "halves"),
        "thirds": tables.parts(relation, "thirds"),
    }


SECTION = Section("performance", "Performance", "performance/section.html.j2", _content)
