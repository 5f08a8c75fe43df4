from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import howfar
from howfar.figures.backbones import looks
from howfar.report.backbones import write_backbones_report
from howfar.report.rerun import rerun_backbones
from howfar.results.backbones import BackboneComparison

NAMES = ("pixels", "colour_moments")


@pytest.fixture(scope="module")
def found(demo_folders: list[Path], tmp_path_factory: pytest.TempPathFactory) -> BackboneComparison:
    primary, *secondaries = demo_folders
    store = tmp_path_factory.mktemp("store")
    options: dict[str, Any] = {"bootstrap": 50, "permutations": 0, "progress": False, "store": store}
    return howfar.compare_backbones(primary, secondaries, NAMES, **options)


def test_writes_page_and_figures(found: BackboneComparison, tmp_path: Path) -> None:
    page = write_backbones_report(found, tmp_path)
    text = page.read_text()
    for name in ("backbones_relative", "backbones_agreement"):
        assert (tmp_path / "figures" / f"{name}.png").stat().st_size > 1000
        assert f'id="figure-{name}"' in text
    for name, folder in found.folders().items():
        assert f'<a href="{folder}/report.html">{name}</a>' in text
    # Beside those, only the paper's address.
    assert {one for one in re.findall(r'href="([^#][^"]*)"', text) if not one.startswith("data:")} == {
        "https://arxiv.org/abs/2308.03580",
        *(f"{folder}/report.html" for folder in found.folders().values()),
    }
    assert "howfar.compare_backbones(" in text
    value = found[NAMES[0]].datasets[0]
    assert value.relative_ci is not None
    assert f"{value.relative:.2f} [{value.relative_ci[0]:.2f}, {value.relative_ci[1]:.2f}]" in text


def test_the_call_it_shows_gives_it_again(found: BackboneComparison, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    scope: dict[str, Any] = {}
    exec(rerun_backbones(found), scope)
    assert scope["found"].to_frame().equals(found.to_frame())


def test_every_backbone_has_a_look(found: BackboneComparison) -> None:
    seen = looks(found)
    assert list(seen) == [*NAMES, *found.trivial]
    assert len({(look.colour, look.marker) for look in seen.values()}) == len(seen)
