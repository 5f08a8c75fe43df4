"""A believable result and its report, made once for all report tests."""

from __future__ import annotations

import importlib.util
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import pytest

from howfar import registry
from howfar.report.adaptation import write_adaptation_report
from howfar.report.comparison import write_report
from howfar.results import Comparison, Relation
from howfar.results.adaptation import Adaptation, Adaptations

VOID = {"meta", "link", "br", "hr", "img", "input", "path", "use"}


class Page(HTMLParser):
    """What the tests ask of a page: its tags with attributes, and the text that a reader sees."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(source)
        self.close()

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).replace("\u00a0", " ").split())

    def of(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {key: value or "" for key, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {key: value or "" for key, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.texts.append(data)


def load(name: str) -> ModuleType:
    """A factory beside the figure tests."""
    path = Path(__file__).parents[1] / "figures" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def without_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of the text alone."""
    for kind in ("figures", "relation_figures", "adaptation_figures"):
        monkeypatch.setitem(registry.OURS, kind, {})


@pytest.fixture(scope="session")
def believable() -> ModuleType:
    """The factory of comparisons."""
    return load("believable")


@pytest.fixture(scope="session")
def relations() -> ModuleType:
    """The factory of relations."""
    return load("believable_relation")


@pytest.fixture(scope="session")
def six(believable: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    made: Comparison = believable.make(tmp_path_factory.mktemp("images"), 6)
    return made


@pytest.fixture(scope="session")
def report(six: Comparison, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(six, tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="session")
def related(six: Comparison, relations: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Relation:
    """The relation of the six; "street photographs" has no labels."""
    made: Relation = relations.of_comparison(six, tmp_path_factory.mktemp("maps"))
    return made


@pytest.fixture(scope="session")
def related_report(six: Comparison, related: Relation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(six, tmp_path_factory.mktemp("run"), related)


@pytest.fixture(scope="session")
def related_page(related_report: Path) -> Page:
    return Page(related_report.read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def page(report: Path) -> Page:
    return Page(report.read_text(encoding="utf-8"))


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
def study_report(study: Adaptation, study_folder: Path) -> Path:
    return write_adaptation_report(study, study_folder)


@pytest.fixture(scope="session")
def study_page(study_report: Path) -> Page:
    return Page(study_report.read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def bakeoff(studies: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Adaptation:
    """Four strategies of which the first does better, without background and without files."""
    options = {"shots": (7,), "background_shots": (), "edge": 0.05, "files": False, "blind": {}}
    made: Adaptation = studies.make(
        tmp_path_factory.mktemp("bakeoff"), strategies=("far", "near", "herding", "random"), **options
    )
    return made


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a study file's run, with the study of adaptation in it."""
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="session")
def several(studies: ModuleType, run_folder: Path) -> Adaptations:
    """Three segmenters with their files, kept in the run's folder as the study "gain"."""
    made: Adaptations = studies.several(run_folder / "gain")
    made.save(run_folder / "gain")
    return made
