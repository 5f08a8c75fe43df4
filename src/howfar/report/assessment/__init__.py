"""Write the first section of an assessed run's report: what will each site score, how sure is that, why, what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from howfar.report.assessment import tables
from howfar.report.sections import Section
from howfar.results import Comparison, Relation
from howfar.results.assessment import Assessment


def _content(_: Comparison, relation: Relation | None, assessment: Assessment | None) -> Mapping[str, Any] | None:
    if assessment is None or relation is None:
        return None
    return {
        "a": assessment,
        "asked": tables.answers(assessment, labelled=False),
        "labelled": tables.answers(assessment, labelled=True),
        "sites": tables.sites(assessment),
        "to_label": [site for site in assessment.ordered() if site.to_label],
    }


SECTION = Section("assessment", "The answer", "assessment/section.html.j2", _content)
