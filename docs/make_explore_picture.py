"""Draw docs/pictures/explore.png: the page of `howfar explore` for the demo's run, in Chromium.

usage: make_explore_picture.py [--demo FOLDER] [--check FOLDER]

--demo is what `howfar demo --out` wrote; it is made where it is not given. With --check four pictures go into that folder, and
none into the documentation: the page at 1400 and 390 pixels, light and dark, to be looked at.
"""

from __future__ import annotations

import argparse
import shutil
import threading
from pathlib import Path
from typing import Any

from make_pictures import PICTURES, _folder

from howfar.explore.server import Server
from howfar.report.explorer.served import site_of


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--demo", type=Path)
    options.add_argument("--check", type=Path)
    arguments = options.parse_args()
    for folder in _folder(arguments.demo):
        with Server(site_of(folder / "run")) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                draw(server.address, arguments.check)
            finally:
                server.shutdown()
                thread.join()


def draw(address: str, check: Path | None) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
        if check is None:
            (PICTURES / "explore.png").write_bytes(shot(browser, address, 1400, "light"))
        else:
            check.mkdir(parents=True, exist_ok=True)
            for width in (1400, 390):
                for scheme in ("light", "dark"):
                    (check / f"explore-{width}-{scheme}.png").write_bytes(shot(browser, address, width, scheme))
        browser.close()


def shot(browser: Any, address: str, width: int, scheme: str) -> bytes:
    """Open the page, drag over a range of distances, and take its picture."""
    page = browser.new_page(viewport={"width": width, "height": 1600}, color_scheme=scheme)
    page.goto(address)
    page.wait_for_selector("#explore-app[data-ready]", state="attached")
    stage = page.locator(".view-strips .stage")
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.62 * box["width"], box["y"] + 120, steps=8)
    page.mouse.up()
    page.mouse.move(1, 1)
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_timeout(1500)
    picture: bytes = page.screenshot()
    page.close()
    return picture


if __name__ == "__main__":
    main()
