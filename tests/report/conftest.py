"""Reports of believable results, made once for all report tests."""

from dataclasses import replace
from pathlib import Path

import pytest

from assessed_sites import assessment
from howfar.report.adaptation_report import write_adaptation_report
from howfar.report.comparison_report import write_report
from howfar.results import Comparison, Relation
from howfar.results.adaptation_result import Adaptation
from howfar.results.assessment_result import LabelledSet
from worlds.believable_runs import bakeoff, related, run_folder, several, six, study, study_folder

__all__ = ["bakeoff", "related", "run_folder", "several", "six", "study", "study_folder"]


@pytest.fixture(scope="session")
def report(six: Comparison, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(six, tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="session")
def related_report(six: Comparison, related: Relation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(six, tmp_path_factory.mktemp("run"), related)


@pytest.fixture(scope="session")
def assessed_report(six: Comparison, related: Relation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Answers of all kinds; the second dataset is a corrupted version of P, which only the estimates show."""
    rows = [row for row in related.estimates if row.dataset != six.datasets[1].name]
    sites = tuple(
        replace(site, dataset=row.dataset, estimate=row.predicted, low=row.low, high=row.high, gate=None)
        for site, row in zip((*assessment().sites, assessment().sites[0]), rows, strict=True)
    )
    made = LabelledSet(six.datasets[1].name, "corrupted", 9, 0.5, 0.5, 0.4, 0.6, True, None)
    return write_report(six, tmp_path_factory.mktemp("run"), related, replace(assessment(), sites=sites, labelled=(made,)))


@pytest.fixture(scope="session")
def study_report(study: Adaptation, study_folder: Path) -> Path:
    return write_adaptation_report(study, study_folder)
