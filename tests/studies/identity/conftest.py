"""Rendered people, and a run of the study of identity over them."""

from __future__ import annotations

from pathlib import Path

import pytest

import howfar
from howfar.results.distance_studies import Identity
from people import write_people

STUDY = """
[datasets]
people.path = "people"
[backbones.pixels]
[backbones.colour_moments]
[studies.identity]
dataset = "people"
backbones = ["pixels", "colour_moments"]
components = 4
bootstrap = 200
"""


def undrawn(patch: pytest.MonkeyPatch) -> None:
    """Leave out the report, which has tests of its own."""
    patch.setattr("howfar.studies.study_file.run_study.draw", lambda *_: None)


@pytest.fixture(autouse=True)
def _undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    undrawn(monkeypatch)


@pytest.fixture(scope="session")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two persons in three views, two weathers, two lights and three scenes, 24 images."""
    root = tmp_path_factory.mktemp("identity")
    write_people(root / "people", (1, 2), views=(1, 10, 19), weathers=(1, 4), lights=(3, 4), scenes=(1, 3, 5))
    return root


@pytest.fixture(scope="session")
def identity(people: Path) -> Identity:
    """The study of these people by the two trivial backbones, with blur and without."""
    (people / "study.toml").write_text(STUDY)
    with pytest.MonkeyPatch.context() as patch:
        undrawn(patch)
        result = howfar.study(people / "study.toml", progress=False)["identity"]
    return result
