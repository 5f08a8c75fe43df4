"""The first section of an assessed run's page: what it says, in which order, and when it is there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from assessed_sites import assessment
from howfar.report.estimates import ASSESSMENT
from howfar.results import Comparison, Relation


@pytest.mark.parametrize("known", [True, False])
def test_it_is_left_out_without_answers_or_relation(six: Comparison, related: Relation, known: bool) -> None:
    content = ASSESSMENT.content(six, related if known else None, assessment=None if known else assessment())
    assert content is None


def test_answers_of_an_earlier_relation_are_not_shown(related: Relation, tmp_path: Path) -> None:
    from howfar.report.run_results import _assessment_of

    found = assessment()
    estimates = tuple(replace(related.estimates[0], dataset=site.dataset, predicted=site.estimate) for site in found.sites[:3])
    fitting = replace(related, estimates=estimates)
    found.save(tmp_path)
    assert _assessment_of(fitting, tmp_path, None) is not None
    assert _assessment_of(related, tmp_path, None) is None
    assert _assessment_of(None, tmp_path, None) is None
