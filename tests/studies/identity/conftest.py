"""Rendered people, and a run of the study of identity over them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import howfar
from howfar.demo.people import write_people
from howfar.results.identity import Identity

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


@pytest.fixture(scope="session", autouse=True)
def _undrawn() -> Iterator[None]:
    """Leave out the report, which has tests of its own."""

    def undrawn(result: Any, folder: Path) -> None:
        pass

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("howfar.studies.study_file.study.draw", undrawn)
        yield


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
    result = howfar.study(people / "study.toml", progress=False)["identity"]
    assert isinstance(result, Identity)
    return result
