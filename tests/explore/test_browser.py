"""The interactive page in a real browser, in a report and served: brush, filter, look, collect, save; no request leaves it."""

import csv
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from explore_names import FORMULA, HOSTILE
from explore_pages import Opened, drag, eventually, heading, listen, saved, served, unfold, violations
from howfar import registry
from howfar.explore import page_data
from howfar.explore.page_requests import PageParts
from howfar.explore.page_server_and_picks import read_picks
from howfar.studies.run_report import write_report


@pytest.fixture(scope="module")
def report(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the run without its still figures, which take long to draw."""
    folder = tmp_path_factory.mktemp("report") / "run"
    shutil.copytree(made / "run", folder)
    with pytest.MonkeyPatch.context() as patch:
        for kind in ("figures", "relation_figures"):
            patch.setitem(registry.OURS, kind, {})
        return write_report(folder)


@pytest.fixture(params=["report", "served"])
def opened(request: pytest.FixtureRequest, browser: Any) -> Iterator[Opened]:
    if request.param == "report":
        report = request.getfixturevalue("report")
        found = listen(browser, report.as_uri(), report.parent)
        yield found
        found.page.close()
        return
    with served(browser, request.getfixturevalue("run")) as found:
        yield found


def test_brush_filter_look_collect_and_save(opened: Opened) -> None:
    page, noise, folder = opened
    assert heading(page) == "24 images"
    # One panel, and a lasso around all that is in it.
    page.locator(".view-plane select").select_option(label="tunnel")
    edge = [(0.004, 0.004), (0.996, 0.004), (0.996, 0.996), (0.004, 0.996), (0.004, 0.01)]
    drag(page, page.locator(".view-plane .stage"), *edge)
    eventually(lambda: heading(page) == "10 of 24 images" and page.locator(".tile").count() == 10)
    names = page.locator(".tile .file").all_inner_texts()
    for place in range(7):
        page.locator(".tile .collect").nth(place).click()
    page.locator(".tile .open").nth(1).click()
    assert page.locator("dialog[open] h3").inner_text().split() == [names[1], "tunnel"]
    assert page.locator(".looks button").all_inner_texts() == ["image", "mask", "prediction", "overlap"]
    page.get_by_role("button", name="overlap").click()
    page.wait_for_selector(".picture canvas")
    assert page.locator(".near button").count() == 5
    page.keyboard.press("Escape")
    assert page.locator("dialog[open]").count() == 0
    assert saved(page, "TXT").read_text().split() == names[:7]
    with saved(page, "CSV").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["dataset"], row["image"]) for row in rows] == [("tunnel", name) for name in names[:7]]
    assert [image["image"] for image in json.loads(saved(page, "JSON").read_text())["images"]] == names[:7]
    coco = json.loads(saved(page, "COCO").read_text())["images"]
    assert [(image["file_name"], image["width"], image["height"]) for image in coco] == [(name, 40, 40) for name in names[:7]]
    if page.url.startswith("http"):
        page.get_by_text("Saved in the run folder").wait_for()
        eventually(lambda: [pick.image for pick in read_picks(folder)] == names[:7])
        page.reload()
        page.locator(".tray h3", has_text="7 images collected").wait_for()
    assert noise == []


def test_the_page_of_a_long_run_gets_the_rest_by_ranges(browser, run, comparison, monkeypatch):
    monkeypatch.setattr(page_data, "LEVEL_BYTES", 60)
    asked: list[str] = []
    monkeypatch.setattr(PageParts, "read", lambda self, name, read=PageParts.read: (asked.append(name), read(self, name))[1])
    with served(browser, run) as found:
        found.page.locator(".bar p[role=status]", has_text="are drawn").wait_for(state="hidden")
        test_brush_filter_look_collect_and_save(found)
        with saved(found.page, "CSV").open(newline="") as file:
            rows = {row["image"]: row for row in csv.DictReader(file)}
    assert any(name.startswith("rows/") for name in asked)
    columns = {name for name in asked if name.startswith("column/")}
    assert "column/pca_x" in columns
    assert max(map(asked.count, columns)) > 2
    images = comparison.images[comparison.images["dataset"] == "tunnel"].set_index("image")
    for name, row in rows.items():
        assert float(row["percentile"]) == pytest.approx(images["percentile"][name], rel=1e-6)
        assert float(row["mahalanobis"]) == pytest.approx(images["mahalanobis"][name], rel=1e-6)


def test_names_are_data(opened: Opened) -> None:
    page, noise, _ = opened
    page.get_by_label("Sort by").select_option("image")
    page.get_by_role("button", name="highest first").click()
    texts = page.locator(".tile .file").all_inner_texts()
    assert {HOSTILE, FORMULA} <= set(texts)
    assert page.locator("#explore-app img[src=x]").count() == 0
    assert page.locator(".chip b").count() == 0
    page.get_by_role("button", name=f"Collect {FORMULA}").click()
    with saved(page, "CSV").open(newline="") as file:
        assert next(csv.DictReader(file))["image"] == f"'{FORMULA}"
    page.get_by_role("button", name="list", exact=True).click()
    page.get_by_role("button", name=HOSTILE, exact=True).click()
    assert HOSTILE in page.locator("dialog[open] h3").inner_text()
    assert noise == []


def test_keys_reach_everything(opened: Opened) -> None:
    page, noise, _ = opened
    stage = page.locator(".view-strips .stage")
    stage.focus()
    page.keyboard.press("Space")
    for _ in range(12):
        page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Space")
    eventually(lambda: " of 24" in heading(page))
    page.keyboard.press("Escape")
    eventually(lambda: heading(page) == "24 images")
    # The wall is laid anew a moment after the last change of a filter.
    page.wait_for_timeout(400)
    page.locator(".tile .open").first.focus()
    page.keyboard.press("Enter")
    first = page.locator("dialog[open] h3").inner_text()
    page.keyboard.press("ArrowRight")
    assert page.locator("dialog[open] h3").inner_text() != first
    page.keyboard.press("c")
    assert page.locator(".tray h3").inner_text() == "1 image collected"
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.className") == "open"
    controls = "#explore-app :is(button, select, .stage)"
    assert page.evaluate(f"[...document.querySelectorAll('{controls}')].filter(e => e.tabIndex < 0).length") == 0
    assert noise == []


@pytest.mark.parametrize(("scheme", "width"), [("light", 1400), ("dark", 390)])
def test_axe_finds_nothing(opened: Opened, scheme: str, width: int) -> None:
    page = opened.page
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    page.locator(".tile .collect").first.click()
    assert violations(page) == []
    page.get_by_role("button", name="list", exact=True).click()
    assert violations(page) == []
    page.locator(".list .link").first.click()
    assert violations(page) == []


def test_the_tray_of_a_report_survives_a_reload(browser: Any, report: Path) -> None:
    page = (found := listen(browser, report.as_uri(), report.parent)).page
    for place in (3, 1):
        page.locator(".tile .collect").nth(place).click()
    page.get_by_text("This browser keeps the collection for this page").wait_for()
    page.reload()
    unfold(page)
    page.locator(".tray h3", has_text="2 images collected").wait_for()
    names = page.locator(".tile .file").all_inner_texts()
    assert saved(page, "TXT").read_text().splitlines() == ordered(page, names[3], names[1])
    run = page.locator('meta[name="howfar run"]').get_attribute("content").split()[0]
    assert page.evaluate("Object.keys(localStorage)") == [f"howfar picks {run}"]
    page.get_by_role("button", name="Empty").click()
    page.reload()
    assert page.locator(".tray").is_hidden()
    assert set(found.noise) == {report.as_uri()}
    page.close()


def ordered(page: Any, *names: str) -> list[str]:
    """Return names as a list that is saved has them: with their datasets before them where those are several."""
    shown = page.locator(".pick .open").evaluate_all("all => all.map(e => e.title)")
    datasets = [title.rsplit(", ", 1)[1] for title in shown]
    assert [title.rsplit(", ", 1)[0] for title in shown] == list(names)
    return [name if len(set(datasets)) == 1 else f"{dataset}/{name}" for dataset, name in zip(datasets, names, strict=True)]


def test_where_storage_is_denied_the_tray_says_so_and_works(browser: Any, report: Path) -> None:
    page = browser.new_page()
    page.add_init_script(
        "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('denied', 'SecurityError'); }})"
    )
    page.goto(report.as_uri())
    unfold(page)
    page.locator(".tile .collect").first.click()
    page.get_by_text("This browser keeps nothing for this page: save the list").wait_for()
    assert len(saved(page, "TXT").read_text().splitlines()) == 1
    page.close()


def test_without_scripts_the_report_says_what_stands_for_it(browser: Any, report: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    page.locator("section > details > summary", has_text="Explore the").click()
    assert page.locator("#explore-still").is_visible()
    assert not page.locator("#explore-app").is_visible()
    context.close()


def test_a_browser_that_cannot_read_the_block_says_so(browser: Any, report: Path) -> None:
    page = browser.new_page()
    page.add_init_script("delete window.DecompressionStream")
    page.goto(report.as_uri())
    unfold(page)
    page.get_by_text("This part of the page does not work in this browser").wait_for()
    assert page.locator("#explore-app").is_hidden()
    page.close()
