"""Reports of believable results, made once for all report tests."""

from pathlib import Path

import pytest

from howfar.report.adaptation_report import write_adaptation_report
from howfar.report.comparison_report import write_report
from howfar.results import Comparison, Relation
from howfar.results.adaptation_result import Adaptation
from worlds.believable_runs import bakeoff, related, run_folder, several, six, study, study_folder

__all__ = ["bakeoff", "related", "run_folder", "several", "six", "study", "study_folder"]


@pytest.fixture(scope="session")
def report(six: Comparison, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(six, tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="session")
def related_report(six: Comparison, related: Relation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(six, tmp_path_factory.mktemp("run"), related)


@pytest.fixture(scope="session")
def study_report(study: Adaptation, study_folder: Path) -> Path:
    return write_adaptation_report(study, study_folder)
