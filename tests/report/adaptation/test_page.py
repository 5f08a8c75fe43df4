"""The page of an adaptation study: whole, closed, escaped, with the numbers of the result and no more."""

from __future__ import annotations

import re
from dataclasses import replace
from html import escape
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from howfar import registry
from howfar.figures import registration
from howfar.figures.adaptation_models import change_text
from howfar.report.adaptation import scores, write_adaptation_report
from howfar.results.adaptation import Adaptation

if TYPE_CHECKING:
    Page = Any

DRAWN = ("gains", "bars", "curves", "suppression", "bars_background", "curves_background")


@pytest.fixture(scope="session")
def parsed(study_page: Page) -> type[Page]:
    return type(study_page)


def test_writes_the_page_and_the_figures(study_report: Path) -> None:
    assert study_report.name == "report.html"
    names = {path.name for path in (study_report.parent / "figures").iterdir()}
    assert names == {f"{name}.{kind}" for name in DRAWN for kind in ("png", "svg")} | {"rows.png"}
    assert study_report.stat().st_size < 3_000_000


def test_explains_the_words_that_it_uses_and_no_others(study_report: Path) -> None:
    words = study_report.read_text().split('<section id="terms">')[1]
    explained = re.findall(r"<dt>(.*?)</dt>", words)
    assert {"ODS", "primary dataset", "M", "shots", "I<sup>dist</sup>"} <= set(explained)
    assert "reference profile" not in explained
    assert len(explained) > 8


def test_is_registered() -> None:
    assert registry.load("reports", "adaptation") is write_adaptation_report


def test_is_whole_in_itself(study_page: Page, study_report: Path) -> None:
    for tag, attributes in study_page.tags:
        for key in ("src", "href", "xlink:href", "srcset", "data", "action", "poster"):
            value = attributes.get(key, "#")
            outside = value.startswith(("http", "//", "file", "/"))
            assert not outside or (tag == "a" and key == "href" and value.startswith("https://arxiv.org/")), (tag, value)
    source = study_report.read_text()
    assert "@import" not in source
    assert not re.search(r"url\((?!#)", source)


def test_every_tag_is_closed_and_every_identifier_is_its_own(study_page: Page) -> None:
    assert study_page.open == []
    found = [attributes["id"] for _, attributes in study_page.tags if "id" in attributes]
    assert len(found) == len(set(found))
    targets = {attributes["href"][1:] for attributes in study_page.of("a") if attributes["href"].startswith("#")}
    assert targets <= set(found)
    assert {"answer", "gains", "scores", "distance", "pictures", "background", "learnt", "limits", "made"} <= targets


def test_names_are_shown_as_they_are_and_escaped(study_page: Page, study_report: Path, study: Adaptation) -> None:
    text, source = study_page.text, study_report.read_text()
    for name in (*study.secondaries, *study.blind, study.primary, study.background, *study.notes):
        assert str(name) in text
    assert "<b>bold" not in source
    assert escape("a <b>bold</b> & long") in source


def test_the_numbers_of_the_result_are_there(study_page: Page, study: Adaptation) -> None:
    text = study_page.text
    for row in study.gains.to_dict("records"):
        assert change_text(row["gain"], row["low"], row["high"]) in text
        if not np.isnan(row["over_random"]) and row["dataset"] in ("all", *study.secondaries):
            assert change_text(row["over_random"], row["over_random_low"], row["over_random_high"]) in text
    for row in study.suppression.dropna().to_dict("records"):
        assert change_text(row["cost"], row["cost_low"], row["cost_high"]) in text
    for row in study.models.to_dict("records"):
        assert f"{row['threshold']:.2f} {row['held_out_ods']:.3f} {row['weights'][:12]}" in text
    for column in ("mean_f", "ods"):
        assert all(cell.text in text for row in scores(study, column).rows for cell in row)
    for image in study.picks["image"]:
        assert image in text
    assert "howfar.adapt(" in text
    assert "Achara" in text
    assert "numpy 2.1.0" in text
    assert "None" not in text.replace("=None", "")
    assert "nan" not in text.lower().split()


def test_the_maps_of_the_study_are_found_below_its_folder(study_page: Page) -> None:
    assert "photograph ground truth" in study_page.text
    assert "not found" not in study_page.text


def test_can_be_read_by_all(study_page: Page) -> None:
    assert study_page.of("html") == [{"lang": "en"}]
    assert len(study_page.of("h1")) == 1
    assert all(
        attributes.get("aria-label") for attributes in study_page.of("div") if attributes.get("role") in ("img", "region")
    )
    assert len(study_page.of("figcaption")) == len(study_page.of("figure")) == 7
    assert all(attributes.get("scope") in ("col", "row") for attributes in study_page.of("th"))
    assert len(study_page.of("caption")) == len([a for a in study_page.of("table") if "sortable" in a.get("class", "")])


@pytest.mark.usefixtures("without_figures")
def test_without_background_and_files_no_section_speaks_of_them(
    bakeoff: Adaptation, tmp_path: Path, parsed: type[Page]
) -> None:
    text = parsed(write_adaptation_report(bakeoff, tmp_path).read_text()).text
    assert "False positives" not in text
    assert "Background" not in text
    assert "Pictures" not in text
    assert "At 7 images of each dataset far beats random. This is corrected" in text


@pytest.mark.usefixtures("without_figures")
def test_one_strategy_without_random(study: Adaptation, tmp_path: Path, parsed: type[Page], studies: ModuleType) -> None:
    alone = studies.make(tmp_path, strategies=("far",), seeds=(0,), background_shots=(), blind={}, files=False)
    page = parsed(write_adaptation_report(alone, tmp_path).read_text())
    assert page.open == []
    assert "Random was no strategy of this study" in page.text
    assert "Beside random" not in page.text
    assert "With one seed nothing is known of how trainings differ" in page.text
    assert "Random has" not in page.text


def test_figures_that_would_show_nothing_are_left_out(study: Adaptation, bakeoff: Adaptation, studies: ModuleType) -> None:
    def drawn(adaptation: Adaptation) -> set[str]:
        kind, figures = "adaptation_figures", registry.ordered("adaptation_figures")
        shown = {name for name in figures if registration(name, registry.load(kind, name)).shows(adaptation)}
        return {name.removeprefix("adaptation_") for name in shown}

    assert drawn(study) == {*DRAWN, "rows"}
    assert drawn(bakeoff) == {"gains", "bars", "curves", "rows"}
    assert drawn(studies.without_files(bakeoff)) == {"gains", "bars", "curves"}
    bare = replace(bakeoff, images=bakeoff.images.assign(f=np.nan), gains=bakeoff.gains.assign(gain=np.nan))
    assert drawn(bare) == {"rows"}


def test_a_report_replaces_the_one_before(bakeoff: Adaptation, tmp_path: Path, study_report: Path) -> None:
    figures = tmp_path / "figures"
    figures.mkdir()
    for name in ("suppression.png", "suppression.svg", "mine.png"):
        (figures / name).write_bytes(b"old")
    bare = replace(bakeoff, images=bakeoff.images.assign(f=np.nan, path=""))
    first = write_adaptation_report(bare, tmp_path).read_text()
    assert {path.name for path in figures.iterdir()} == {"gains.png", "gains.svg", "mine.png"}
    assert write_adaptation_report(bare, tmp_path).read_text() == first
