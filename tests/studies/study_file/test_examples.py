"""The study files that come with the project name datasets, backbones and settings that are all understood."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from howfar import registry
from howfar.data.catalogue import catalogue
from howfar.demo import write_dataset
from howfar.keywords import StudyFileOptions
from howfar.settings import checked
from howfar.studies.study_file.inputs import json_schema
from howfar.studies.study_file.run_study import plan_of
from people import write_people

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
IMAGES = 9


def written(name: str) -> dict[str, Any]:
    return tomllib.loads((EXAMPLES / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("pictures") / "roads", IMAGES, seed=0, size=32)


@pytest.fixture
def data(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which every dataset of both files lies, of a few synthetic pictures."""
    for variable in ("PAPER_DATA", "HOWFAR_DATA"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setenv("HOWFAR_PEOPLE", str(tmp_path / "finegpr"))
    write_people(tmp_path / "finegpr", views=(1, 10), weathers=(1, 2), lights=(1, 2), scenes=(1, 2, 3))
    for file in ("paper.toml", "stand-in.toml"):
        document = written(file)
        scenes = {name for study in document["studies"].values() for name in study.get("primaries", ())}
        for entry in document["datasets"].values():
            folder = tmp_path / entry["path"].rpartition("/")[2]
            if entry.get("each"):
                for name in sorted(scenes | {f"scene{number}" for number in range(8)}):
                    shutil.copytree(pictures / "images", folder / name, dirs_exist_ok=True)
            elif folder.name == "orl_faces":
                for person in ("person01", "person02"):
                    (folder / person / "images").mkdir(parents=True)
                    for number, image in enumerate(sorted((pictures / "images").iterdir())):
                        shutil.copy(image, folder / person / "images" / f"s1_{number}.png")
            elif not folder.exists():
                shutil.copytree(pictures, folder)
    return tmp_path


@pytest.mark.parametrize("name", ["paper.toml", "stand-in.toml"])
def test_everything_in_it_is_understood(name: str, data: Path) -> None:
    plan = plan_of(EXAMPLES / name, checked(StudyFileOptions, {"out": data / "out"}))
    kinds = {planned.kind.name for planned in plan.file.studies}
    assert kinds == set(registry.OURS["studies"])
    assert not (data / "out").exists()
    jsonschema.validate(written(name), json_schema())


def test_the_papers_datasets_are_those_of_the_catalogue() -> None:
    entries = written("paper.toml")["datasets"]
    assert set(entries) <= {entry.name for entry in catalogue()}
    symbols = {entry.name: entry.symbol for entry in catalogue()}
    assert all(symbols[name] == entry["stands_for"] for name, entry in entries.items() if "stands_for" in entry)
