"""The study files that come with the project name datasets, backbones and settings that are all understood."""

import shutil
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from howfar import registry
from howfar.data.paper_datasets_and_checks import catalogue
from howfar.demo import write_dataset
from howfar.errors import MissingPathError
from howfar.option_checks_and_signatures import checked
from howfar.options_by_function import StudyFileOptions
from howfar.studies.study_file.read_study_file import json_schema
from howfar.studies.study_file.run_and_estimate import plan_of, study
from people import write_people

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
IMAGES = 9
FILES = ("paper.toml", "stand-in.toml", "places365.toml")


def written(name: str) -> dict[str, Any]:
    return tomllib.loads((EXAMPLES / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("pictures") / "roads", IMAGES, seed=0, size=32)


@pytest.fixture
def data(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which every dataset of the files lies, of a few synthetic pictures."""
    for variable in ("PAPER_DATA", "HOWFAR_DATA"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setenv("HOWFAR_PEOPLE", str(tmp_path / "finegpr"))
    write_people(tmp_path / "finegpr", views=(1, 10), weathers=(1, 2), lights=(1, 2), scenes=(1, 2, 3))
    for file in FILES:
        document = written(file)
        keys = ("primaries", "datasets")
        scenes = {name for study in document["studies"].values() for key in keys for name in study.get(key, ())}
        for entry in document["datasets"].values():
            folder = tmp_path / entry["path"].rpartition("/")[2]
            if entry.get("each"):
                for name in sorted(scenes - set(document["datasets"]) | {f"scene{number}" for number in range(8)}):
                    shutil.copytree(pictures / "images", folder / name, dirs_exist_ok=True)
            elif folder.name == "orl_faces":
                for person in ("person01", "person02"):
                    (folder / person / "images").mkdir(parents=True)
                    for number, image in enumerate(sorted((pictures / "images").iterdir())):
                        shutil.copy(image, folder / person / "images" / f"s1_{number}.png")
            elif not folder.exists():
                shutil.copytree(pictures, folder)
    return tmp_path


@pytest.mark.parametrize("name", FILES)
def test_everything_in_it_is_understood(name: str, data: Path) -> None:
    plan = plan_of(EXAMPLES / name, checked(StudyFileOptions, {"out": data / "out"}))
    kinds = {planned.kind.name for planned in plan.file.studies}
    assert kinds == ({"scenes"} if name == "places365.toml" else set(registry.OURS["studies"]))
    assert not (data / "out").exists()
    jsonschema.validate(written(name), json_schema())


def test_the_papers_datasets_are_those_of_the_catalogue() -> None:
    entries = written("paper.toml")["datasets"]
    assert {*entries, *written("places365.toml")["datasets"]} == {entry.name for entry in catalogue()}
    scenes = next(entry.categories for entry in catalogue() if entry.name == "sun397")
    assert all(written("paper.toml")["studies"][name]["datasets"] == list(scenes) for name in ("scenes", "robustness"))
    symbols = {entry.name: entry.symbol for entry in catalogue()}
    assert all(symbols[name] == entry["stands_for"] for name, entry in entries.items() if "stands_for" in entry)


MISSING = """
[datasets]
roads.path = "roads"
north.path = "north"
[backbones]
pixels = {}
clip = {}
[models]
deepcrack = { pretrained = "vgg.pth" }
[studies.prompts]
datasets = ["roads"]
prompts = ["box"]
[studies.components]
primary = "roads"
secondaries = ["north"]
backbones = ["clip", "pixels"]
"""


def test_all_that_is_missing_is_listed_with_its_key_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    (tmp_path / "mine.toml").write_text(MISSING)
    with pytest.raises(MissingPathError, match="the study file needs 5 things that are missing: ") as caught:
        study(tmp_path / "mine.toml", progress=False)
    keys = ("datasets.roads: path", "datasets.north: path", "models.deepcrack.pretrained", "backbones.clip", "sam of a study")
    assert all(f"({number}) {key}" in str(caught.value) for number, key in enumerate(keys, 1))
    assert "pass backbones.clip.weights=FOLDER" in str(caught.value)
    assert "pass backbones.sam.weights=FOLDER" in str(caught.value)
    assert not (tmp_path / "mine").exists()
