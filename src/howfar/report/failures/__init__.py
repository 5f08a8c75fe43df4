"""Write the section of the report on images that probably fail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from howfar.report.failures import tables, text
from howfar.report.sections import Section
from howfar.results import Comparison, Relation


def _content(_: Comparison, relation: Relation | None) -> Mapping[str, Any] | None:
    if relation is None or not relation.failures:
        return None
    return {
        "lead": text.lead(relation),
        "promise": text.promise(relation),
        "found": text.found(relation),
        "broken": text.broken(relation),
        "whole": text.whole(relation),
        "lists": tables.lists(relation),
        "listed": tables.listed(relation),
        "count": int(relation.images["listed"].sum()),
    }


SECTION = Section("failures", "Probable failures", "failures/section.html.j2", _content)
