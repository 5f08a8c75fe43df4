"""Take the screenshots of the documentation in Chromium: of the report of `howfar assess`, and of `howfar explore` and `watch`.

usage: make_screenshots.py [--demo FOLDER] [--out FOLDER] [NAME...]

--demo is what `howfar demo --out` wrote, whose pictures are all synthetic; it is made where it is not given. --out is another
folder than docs/pictures, to look at them first. Each NAME of `VIEWS` is taken at 1400 and 390 pixels, light and dark.
"""

from __future__ import annotations

import argparse
import io
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, chdir, contextmanager
from pathlib import Path
from typing import Any

from make_pictures import PICTURES, _folder
from PIL import Image

import howfar
from howfar.explore.page_server_and_picks import Server, serving
from howfar.integrations.folder_watch import Watch, WatchPage
from howfar.report.explorer import site_of

SWITCHES = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
LABELLED, NEW = ("lighting", "clutter", "texture", "wide_cracks"), "fabric"
WIDE, PHONE = 1400, 390
PHONE_HEIGHT, PHONE_SCALE = 844, 2
SCHEMES = ("light", "dark")
QUALITY = 72
"""Of WebP: all pictures together take less than 1.5 MB, and thin grey text is still sharp."""


def report(page: Any, address: str) -> None:
    """Open the report of an assessment, which begins with the answer."""
    page.goto(address)
    page.wait_for_selector("#assessment table button")


def explore(page: Any, address: str) -> None:
    """Open the explorer and drag over a range of distances."""
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


def image(page: Any, address: str) -> None:
    """Open the explorer, and in it the third of the images that pass, with the overlap of mask and prediction."""
    explore(page, address)
    page.locator(".tile .open").nth(2).click()
    page.get_by_role("button", name="overlap").click()


def watch(page: Any, address: str) -> None:
    """Open the page of a watch."""
    page.goto(address)
    page.wait_for_selector("img")


VIEWS: Mapping[str, tuple[Callable[[Any, str], None], int]] = {
    "report": (report, 1100),
    "explore": (explore, 1455),
    "image": (image, 900),
    "watch": (watch, 560),
}
"""What is opened, and how much of its height is shown at 1400 pixels; a phone shows a screen."""


def files(name: str) -> Iterator[tuple[str, int, str]]:
    """Name the pictures of a view, each with its width and colour scheme."""
    for width in (WIDE,) if name == "watch" else (WIDE, PHONE):
        for scheme in SCHEMES:
            yield f"{name}-{width}-{scheme}.webp", width, scheme


def assessed(demo: Path, scratch: Path) -> str:
    """Assess the demo's sites, and return the address of the report, in which paths stand as somebody types them."""
    data, run = demo / "data", scratch / "assessment"
    sites = [str(data / name) for name in (*LABELLED, NEW)]
    words = ["assess", str(data / "pavement"), *sites, "--predictions", str(demo / "predictions")]
    words += ["--store", str(demo / "store"), "--out", str(run)]
    subprocess.run([sys.executable, "-c", "from howfar.cli.main import main; main()", *words], check=True, stdout=sys.stderr)
    page = scratch / "report.html"
    text = (run / "report.html").read_text(encoding="utf-8")
    page.write_text(text.replace(f"{demo.resolve()}/", "howfar-demo/").replace(f"{demo}/", "howfar-demo/"), encoding="utf-8")
    return page.as_uri()


@contextmanager
def watched(demo: Path, scratch: Path) -> Iterator[str]:
    """Watch nine of the demo's images as docs/howto/watch.md does, and serve the page after the first batch."""
    shutil.copytree(demo / "data" / "lighting" / "images", scratch / "incoming", ignore=lambda _, names: sorted(names)[9:])
    profile = howfar.profile(demo / "data" / "pavement", store=demo / "store", progress=False)
    profile.save(scratch / "watched.howfar")
    rules = {"images": {"at_least": 5}, "alarm": {"at_least": 0.6}}
    with chdir(scratch), Watch("incoming", "watched.howfar", rules, "watched") as eye:
        found = eye.look(close=True)
    shown = [(batch, image.replace(f"{scratch.resolve()}/", "")) for batch, image in found.to_label]
    with chdir(scratch), serving(WatchPage("howfar watch incoming", found._replace(to_label=tuple(shown)))) as address:
        yield address


@contextmanager
def served(run: Path) -> Iterator[str]:
    """Serve a run's pages as `howfar explore` does, and give their address."""
    with Server(site_of(run)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.address
        finally:
            server.shutdown()
            thread.join()


def shot(browser: Any, view: str, address: str, width: int, scheme: str) -> bytes:
    """Take one picture, as PNG."""
    opened, height = VIEWS[view]
    phone = width == PHONE
    context = browser.new_context(
        viewport={"width": width, "height": PHONE_HEIGHT if phone else height},
        device_scale_factor=PHONE_SCALE if phone else 1,
        color_scheme=scheme,
    )
    page = context.new_page()
    opened(page, address)
    page.wait_for_timeout(1500)
    picture: bytes = page.screenshot()
    context.close()
    return picture


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--demo", type=Path)
    options.add_argument("--out", type=Path, default=PICTURES)
    options.add_argument("names", nargs="*", metavar="NAME", help=", ".join(VIEWS))
    arguments = options.parse_args()
    from playwright.sync_api import sync_playwright

    chromium = next(path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name)))
    arguments.out.mkdir(parents=True, exist_ok=True)
    names = arguments.names or list(VIEWS)
    for demo in _folder(arguments.demo):
        with ExitStack() as held:
            scratch = held.enter_context(tempfile.TemporaryDirectory())
            explorer, running = held.enter_context(served(demo / "run")), held.enter_context(sync_playwright())
            addresses = {"explore": explorer, "image": explorer}
            if "report" in names:
                addresses["report"] = assessed(demo, Path(scratch))
            if "watch" in names:
                addresses["watch"] = held.enter_context(watched(demo, Path(scratch)))
            browser = running.chromium.launch(executable_path=chromium, args=SWITCHES)
            for name in names:
                for file, width, scheme in files(name):
                    taken = Image.open(io.BytesIO(shot(browser, name, addresses[name], width, scheme))).convert("RGB")
                    taken.save(arguments.out / file, quality=QUALITY, method=6)
                    print(f"{file}: {taken.width} x {taken.height}, {(arguments.out / file).stat().st_size:,} bytes")
            browser.close()


if __name__ == "__main__":
    main()
