"""Write the section of the report on images that are equal or nearly so, within and between datasets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from howfar.report.near_duplicates import tables
from howfar.report.sections import Section
from howfar.results import Comparison, Relation


def _content(comparison: Comparison, _: Relation | None) -> Mapping[str, Any] | None:
    if not len(comparison.near_duplicates):
        return None
    return {
        "counts": tables.counts(comparison),
        "pairs": tables.pairs(comparison),
        "total": len(comparison.near_duplicates),
    }


SECTION = Section("near_duplicates", "Near duplicates", "near_duplicates/section.html.j2", _content)
