"""Believable results of several sizes, made once for all figure tests."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

from howfar import registry
from howfar.results import Comparison, Relation
from howfar.results.adaptation import Adaptation, Adaptations


def load(name: str) -> ModuleType:
    """A factory beside this file."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def believable() -> ModuleType:
    """The factory of comparisons."""
    return load("believable")


@pytest.fixture(scope="session")
def relations() -> ModuleType:
    """The factory of relations."""
    return load("believable_relation")


@pytest.fixture(scope="session")
def result(believable: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Comparison]:
    """A result of so many secondaries, the same object each time it is asked for."""

    @cache
    def of(count: int) -> Comparison:
        made: Comparison = believable.make(tmp_path_factory.mktemp(f"result{count}"), count)
        return made

    return of


@pytest.fixture(scope="session")
def six(result: Callable[[int], Comparison]) -> Comparison:
    return result(6)


@pytest.fixture(scope="session")
def related(six: Comparison, relations: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Relation:
    """The relation of the six; "street photographs" has no labels."""
    made: Relation = relations.of_comparison(six, tmp_path_factory.mktemp("maps"))
    return made


@pytest.fixture(scope="session")
def sized(relations: ModuleType) -> Callable[..., Relation]:
    """Relations of sets of given sizes, the same object each time it is asked for."""

    @cache
    def of(*sets: tuple[str, int], unlabelled: tuple[str, ...] = (), blank: tuple[str, ...] = ()) -> Relation:
        made: Relation = relations.sized(dict(sets), unlabelled=unlabelled, blank=blank)
        return made

    return of


@pytest.fixture(scope="session")
def studies() -> ModuleType:
    """The factory of adaptation studies."""
    return load("believable_adaptation")


@pytest.fixture(scope="session")
def study_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("study")


@pytest.fixture(scope="session")
def study(studies: ModuleType, study_folder: Path) -> Adaptation:
    """Two strategies, of which random has a seed more, with background; its files lie in `study_folder`."""
    made: Adaptation = studies.make(study_folder)
    return made


@pytest.fixture(scope="session")
def bakeoff(studies: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Adaptation:
    """Every strategy, of which the first does better, without background and without files."""
    names = [name for name in registry.names("strategies") if name != "random"]
    options = {"shots": (7,), "background_shots": (), "edge": 0.05, "files": False, "blind": {}}
    made: Adaptation = studies.make(tmp_path_factory.mktemp("bakeoff"), strategies=(*names, "random"), **options)
    return made


@pytest.fixture(scope="session")
def several_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("several")


@pytest.fixture(scope="session")
def several(studies: ModuleType, several_folder: Path) -> Adaptations:
    """Three segmenters, their files below `several_folder`."""
    made: Adaptations = studies.several(several_folder)
    return made
