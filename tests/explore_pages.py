"""Open the interactive page in a browser, hear what it asks for, drag over its views: shared by the tests of the explorer."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from howfar.explore.page_server_and_picks import Server
from howfar.report.explorer import site_of

AXE = Path(__file__).parents[1] / "web" / "node_modules" / "axe-core" / "axe.min.js"


class Opened(NamedTuple):
    """An open page, all that it complained of or asked for beside its own address, and its run folder."""

    page: Any
    noise: list[str]
    folder: Path


def unfold(page: Any) -> None:
    """Open every folded section of a report."""
    page.evaluate("for (const folded of document.querySelectorAll('section > details')) folded.open = true")


def listen(browser: Any, address: str, folder: Path, **options: Any) -> Opened:
    page = browser.new_page(**{"viewport": {"width": 1400, "height": 900}, **options})
    noise: list[str] = []
    page.on("console", lambda message: noise.append(message.text))
    page.on("pageerror", lambda error: noise.append(str(error)))
    home = address if address.startswith("http") else None
    ours = ("data:", "blob:") if home is None else ("data:", "blob:", home)
    page.on("request", lambda request: None if request.url.startswith(ours) else noise.append(request.url))
    page.set_default_timeout(20_000)
    page.goto(address)
    if home is None:
        noise.remove(address)
    page.wait_for_selector("#explore-app[data-ready]", state="attached")
    unfold(page)
    return Opened(page, noise, folder)


@contextmanager
def served(browser: Any, folder: Path, **options: Any) -> Iterator[Opened]:
    """Serve a run folder, and open its page."""
    with Server(site_of(folder)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            found = listen(browser, server.address, folder, **options)
            yield found
            found.page.close()
        finally:
            server.shutdown()
            thread.join()


def drag(page: Any, stage: Any, *places: tuple[float, float]) -> None:
    """Drag over a view, by places from 0 to 1 from its upper left corner."""
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in places]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=4)
    page.mouse.up()


def eventually(holds: Callable[[], bool]) -> None:
    """Wait until something holds; the page's policy forbids the browser's own way, which evaluates text."""
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.03)


def heading(page: Any) -> str:
    return str(page.locator(".view-wall h3").inner_text())


def saved(page: Any, ending: str) -> Path:
    with page.expect_download() as download:
        page.get_by_role("button", name=f"Save as {ending}").click()
    return Path(download.value.path())


def violations(page: Any) -> list[str]:
    """Return what axe-core finds on a page; the test is skipped where npm has not installed it."""
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: npm ci in web/")
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
    page.wait_for_timeout(50)
    found = page.evaluate("axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice']})")
    return [f"{one['id']}: {node['html'][:200]}" for one in found["violations"] for node in one["nodes"]]
