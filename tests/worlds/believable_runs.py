"""Believable results for tests of figures and reports, each made once a session."""

from pathlib import Path

import pytest

from figures import believable, believable_adaptation, believable_relation
from howfar.results import Comparison, Relation
from howfar.results.adaptation_result import Adaptation, Adaptations


@pytest.fixture(scope="session")
def six(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    return believable.make(tmp_path_factory.mktemp("images"), 6)


@pytest.fixture(scope="session")
def related(six: Comparison, tmp_path_factory: pytest.TempPathFactory) -> Relation:
    """The relation of the six; "street photographs" has no labels."""
    return believable_relation.of_comparison(six, tmp_path_factory.mktemp("maps"))


@pytest.fixture(scope="session")
def study_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("study")


@pytest.fixture(scope="session")
def study(study_folder: Path) -> Adaptation:
    """Two strategies, of which random has a seed more, with background; its files lie in `study_folder`."""
    return believable_adaptation.make(study_folder)


@pytest.fixture(scope="session")
def bakeoff(tmp_path_factory: pytest.TempPathFactory) -> Adaptation:
    """Four strategies of which the first does better, without background and without files."""
    given = {"strategies": ("far", "near", "herding", "random"), "shots": (7,), "background_shots": (), "blind": {}}
    return believable_adaptation.make(tmp_path_factory.mktemp("bakeoff"), edge=0.05, files=False, **given)


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a study file's run, with the study of adaptation in it."""
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="session")
def several(run_folder: Path) -> Adaptations:
    """Three segmenters with their files, kept in the run's folder as the study "gain"."""
    made = believable_adaptation.several(run_folder / "gain")
    made.save(run_folder / "gain")
    return made
