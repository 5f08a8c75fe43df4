"""The page in a real browser: it loads in peace, asks for nothing, fits a phone, and its tables sort."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from explore_pages import violations

OPEN = "for (const folded of document.querySelectorAll('details')) folded.open = true"
of_a_relation = pytest.mark.parametrize("heard", ["related_report"], indirect=True)


@pytest.fixture
def heard(browser: Any, request: pytest.FixtureRequest) -> Iterator[tuple[Any, list[str]]]:
    """The open page of a run, or of what else a test asks for, and everything that it complained of or asked for."""
    report: Path = request.getfixturevalue(getattr(request, "param", "report"))
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    noise: list[str] = []
    page.on("console", lambda message: noise.append(message.text))
    page.on("pageerror", lambda error: noise.append(str(error)))
    page.on("request", lambda request: noise.append(request.url) if not request.url.startswith("data:") else None)
    page.set_default_timeout(20_000)
    page.goto(report.as_uri())
    noise.remove(report.as_uri())
    page.evaluate(OPEN)
    yield page, noise
    page.close()


def test_loads_in_peace(heard: tuple[Any, list[str]]) -> None:
    page, noise = heard
    assert page.title() == "How far from training & <set>?"
    assert page.locator("h1").inner_text() == "How far from training & <set>?"
    assert noise == []


@pytest.mark.parametrize("width", [400, 1400])
@pytest.mark.parametrize(("heard", "figures"), [("report", 5), ("related_report", 11), ("study_report", 7)], indirect=["heard"])
def test_nothing_sticks_out(width: int, figures: int, heard: tuple[Any, list[str]]) -> None:
    page, noise = heard
    page.set_viewport_size({"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("figure .drawing:not(.phone) svg").count() == figures
    assert noise == []


@of_a_relation
def test_a_print_holds_the_answer_and_the_sections_that_are_open(heard: tuple[Any, list[str]]) -> None:
    page, _ = heard
    page.emulate_media(media="print")
    folded, hint = page.locator("section#performance"), "getComputedStyle(document.querySelector('main'), '::after').content"
    assert folded.is_visible()
    assert page.evaluate(hint) == "none"
    page.evaluate(OPEN.replace("true", "false"))
    assert page.locator("section#failures h2").is_visible()
    assert not folded.is_visible()
    assert "open one on the page to print it" in page.evaluate(hint)


def test_tables_sort_by_number_and_back(heard: tuple[Any, list[str]]) -> None:
    page, noise = heard
    table = page.locator("#answer table").first
    column = "[...document.querySelector('#answer table').tBodies[0].rows].map(row => Number(row.cells[1].textContent))"
    table.get_by_role("button", name="n", exact=True).click()
    assert page.evaluate(column) == [1, 7, 60, 90, 120, 200]
    assert table.locator("th[aria-sort=ascending]").count() == 1
    table.get_by_role("button", name="n", exact=True).click()
    assert page.evaluate(column) == [200, 120, 90, 60, 7, 1]
    table.get_by_role("button", name="p", exact=True).click()
    assert page.evaluate("document.querySelector('#answer table').tBodies[0].rows[5].cells[7].textContent") == "–"
    assert noise == []


@of_a_relation
def test_a_table_says_where_it_goes_on_beyond_the_edge(heard: tuple[Any, list[str]]) -> None:
    page, noise = heard
    hint = "getComputedStyle(document.querySelector('{} .wide:has(table)'), '::before').content"
    assert page.evaluate(hint.format("#answer")) == "none"
    page.set_viewport_size({"width": 390, "height": 900})
    for section in ("#answer", "#performance", "#estimates"):
        page.wait_for_function(f"document.querySelector('{section} .wide:has(table)').classList.contains('overflowing')")
        assert page.evaluate(hint.format(section)) == '"Swipe sideways for the rest."'
    assert noise == []


def test_follows_the_dark(heard: tuple[Any, list[str]]) -> None:
    page, _ = heard
    ground = "getComputedStyle(document.body).backgroundColor"
    label = "getComputedStyle(document.querySelector('#figure-violin svg text')).fill"
    light = page.evaluate(ground), page.evaluate(label)
    page.emulate_media(color_scheme="dark")
    assert (page.evaluate(ground), page.evaluate(label)) == ("rgb(20, 24, 29)", "rgb(228, 232, 236)")
    assert light == ("rgb(255, 255, 255)", "rgb(31, 35, 40)")


@pytest.mark.parametrize(("width", "height"), [(1400, 1100), (390, 844)])
@pytest.mark.parametrize("name", ["report", "related_report", "assessed_report", "study_report"])
def test_a_page_is_at_most_five_screens_long_and_a_link_opens_what_is_folded(browser, request, name, width, height):
    page = browser.new_page(viewport={"width": width, "height": height})
    page.goto(request.getfixturevalue(name).as_uri())
    assert page.evaluate("document.documentElement.scrollHeight") <= 5 * height
    table = page.locator("#made table").first
    assert not table.is_visible()
    page.evaluate("location.hash = '#made'")
    table.wait_for(state="visible")
    page.close()


def test_text_of_figures_can_be_read_on_a_phone(heard: tuple[Any, list[str]]) -> None:
    page, _ = heard
    page.set_viewport_size({"width": 390, "height": 844})
    texts = "[...document.querySelectorAll('.drawing.phone text')]"
    size = "text => parseFloat(getComputedStyle(text).fontSize) * text.ownerSVGElement.getScreenCTM().a"
    assert page.evaluate(f"Math.min(...{texts}.map({size}))") > 7.5
    assert not page.locator("#figure-relative .drawing").first.is_visible()


def test_reads_without_scripts(browser: Any, report: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    assert page.locator("#answer table").first.locator("tbody tr").count() == 6
    assert page.locator("thead button").count() == 0
    context.close()


@pytest.mark.parametrize(("name", "scheme", "width"), [("related_report", "dark", 390), ("study_report", "light", 1400)])
def test_axe_finds_nothing(browser: Any, request: pytest.FixtureRequest, name: str, scheme: str, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.goto(request.getfixturevalue(name).as_uri())
    page.wait_for_selector("#explore-app[data-ready]", state="attached")
    page.evaluate(OPEN)
    assert violations(page) == []
    page.close()
