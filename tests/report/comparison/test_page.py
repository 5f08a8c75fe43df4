from __future__ import annotations

import re
from dataclasses import replace
from html import escape
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from howfar.report.comparison import write_report
from howfar.results import Comparison, Leak, Skipped

if TYPE_CHECKING:
    Page = Any


@pytest.fixture(scope="session")
def parsed(page: Page) -> type[Page]:
    return type(page)


@pytest.fixture(scope="session")
def one(six: Comparison, believable: ModuleType) -> Comparison:
    """A single dataset of a single image: the quickest report."""
    single: Comparison = believable.only(six, 5)
    return single


def test_writes_the_page_and_the_figures(report: Path) -> None:
    assert report.name == "report.html"
    names = {path.name for path in (report.parent / "figures").iterdir()}
    drawn = ("relative", "violin", "sorted_distances", "scatter")
    assert names == {f"{name}.{kind}" for name in drawn for kind in ("png", "svg")} | {"thumbnails.png"}
    assert [path.name for path in report.parent.iterdir() if path.is_file()] == ["report.html"]
    assert report.stat().st_size < 6_000_000


def test_is_whole_in_itself(page: Page, report: Path) -> None:
    for tag, attributes in page.tags:
        for key in ("src", "href", "xlink:href", "srcset", "data", "action", "poster"):
            value = attributes.get(key, "#")
            outside = value.startswith(("http", "//", "file", "/"))
            assert not outside or (tag == "a" and key == "href" and value.startswith("https://arxiv.org/")), (tag, value)
    source = report.read_text()
    assert "@import" not in source
    assert not re.search(r"url\((?!#)", source)
    assert not page.of("iframe")


def test_every_tag_is_closed_and_every_identifier_is_its_own(page: Page) -> None:
    assert page.open == []
    found = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(found) == len(set(found))
    targets = {attributes["href"][1:] for attributes in page.of("a") if attributes["href"].startswith("#")}
    assert targets <= set(found)


def test_names_are_shown_as_they_are_and_escaped(page: Page, report: Path, six: Comparison) -> None:
    text, source = page.text, report.read_text()
    for dataset in six.datasets:
        assert " ".join(dataset.name.split()) in text
    assert "training & <set>" in text
    for skipped in six.skipped:
        assert skipped.path in text
        assert skipped.reason in text
    for leak in six.leaks:
        assert leak.image in text
        assert leak.primary_image in text
    for note in six.notes:
        assert note in text
    assert "<b>bold" not in source
    assert "<i>&" not in source
    assert escape("a <b>bold</b> & long") in source


def test_can_be_read_by_all(page: Page) -> None:
    assert page.of("html") == [{"lang": "en"}]
    assert len(page.of("h1")) == 1
    assert all(attributes.get("aria-label") for attributes in page.of("div") if attributes.get("role") in ("img", "region"))
    assert sum(attributes.get("role") == "img" for attributes in page.of("div")) == 5
    assert len(page.of("figcaption")) == len(page.of("figure")) == 5
    heads = page.of("th")
    assert heads
    assert all(attributes.get("scope") in ("col", "row") for attributes in heads)
    assert len(page.of("caption")) == len([a for a in page.of("table") if "sortable" in a.get("class", "")])


@pytest.mark.usefixtures("without_figures")
def test_long_lists_are_folded(one: Comparison, tmp_path: Path, parsed: type[Page], page: Page) -> None:
    many = replace(
        one,
        skipped=tuple(Skipped("one", f"/x/{i}.png", "cut") for i in range(13)),
        leaks=tuple(Leak("one", f"{i}.png", "p.png", "") for i in range(13)),
    )
    long = parsed(write_report(many, tmp_path).read_text())
    assert len(long.of("details")) == len(page.of("details")) + 2
    assert "13 files were left out" in long.text
    assert "/x/12.png" in long.text


def test_a_report_replaces_the_one_before(one: Comparison, tmp_path: Path) -> None:
    first = write_report(one, tmp_path).read_text()
    second = write_report(one, tmp_path).read_text()
    assert first == second
