"""Measure the interactive page: opening of reports, and `howfar explore` at 100,000 and, with --long, at millions of points.

It opens pages in headless Chromium without a graphics card (Playwright), where all drawing is the processor's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from record import leave, parser, spread

import howfar
from howfar import registry
from howfar.demo import write_dataset
from howfar.explore.page_server_and_picks import Server
from howfar.report.explorer import site_of
from howfar.results import Comparison
from howfar.studies.run_report import write_report

FRAMES = """async (moves) => {
  const stage = document.querySelector('.view-plane .stage');
  const box = stage.getBoundingClientRect();
  const send = (kind, x, y) => stage.dispatchEvent(new PointerEvent(kind, {
    bubbles: true, button: 0, pointerId: 1, pointerType: 'mouse',
    clientX: box.left + x * box.width, clientY: box.top + y * box.height }));
  stage.setPointerCapture = () => undefined;
  const frame = () => new Promise(requestAnimationFrame);
  send('pointerdown', 0.5, 0.05);
  const begun = performance.now();
  for (let at = 1; at <= moves; at++) {
    const angle = -Math.PI / 2 + (2 * Math.PI * at) / moves;
    send('pointermove', 0.5 + 0.45 * Math.cos(angle), 0.5 + 0.45 * Math.sin(angle));
    await frame();
  }
  const spent = performance.now() - begun;
  send('pointerup', 0.5, 0.05);
  return {perMove: spent / moves, heading: document.querySelector('.view-wall h3').textContent};
}"""
MOVED = """async (moves) => {
  const stage = document.querySelector('.view-plane .stage');
  const box = stage.getBoundingClientRect();
  const [middle, height] = [box.left + box.width / 2, box.top + box.height / 2];
  stage.setPointerCapture = () => undefined;
  const frame = () => new Promise(requestAnimationFrame);
  const send = (kind, x) => stage.dispatchEvent(new PointerEvent(kind, {
    bubbles: true, button: 0, shiftKey: true, pointerId: 1, pointerType: 'mouse', clientX: x, clientY: height }));
  const turn = (deltaY) => stage.dispatchEvent(new WheelEvent('wheel', {
    bubbles: true, cancelable: true, ctrlKey: true, deltaY, clientX: middle, clientY: height }));
  const spent = [];
  const timed = async (act) => {
    await frame();
    const begun = performance.now();
    act();
    await frame();
    spent.push(performance.now() - begun);
  };
  send('pointerdown', middle);
  for (let at = 1; at <= moves; at++) await timed(() => send('pointermove', middle + 4 * at));
  send('pointerup', middle);
  for (let at = 0; at < moves; at++) await timed(() => turn(at < moves / 2 ? -1 : 1));
  return spent;
}"""
STEPS = 30
PAINTED = """() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now()))))"""


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--images", type=int, default=2000, help="images of the report with pictures")
    options.add_argument("--points", type=int, default=100_000, help="points of the page without pictures")
    options.add_argument(
        "--long", type=int, nargs="*", default=(), help="points of runs that alone are opened by howfar explore"
    )
    options.add_argument("--repeats", type=int, default=5)
    arguments = options.parse_args()
    # Clocks are lengthened by other work on the machine.
    results: dict[str, Any] = {"load average at the beginning": os.getloadavg()[0]}
    with tempfile.TemporaryDirectory() as name, browser() as opened:
        folder = Path(name)
        for points in arguments.long:
            results[f"{points:,} points"] = of_command(opened, many_points(folder / str(points), points), arguments.repeats)
        if arguments.long:
            leave("explore", results, arguments.json)
            return
        results["report with pictures"] = of_report(opened, with_pictures(folder / "a", arguments.images), arguments.repeats)
        run = points_alone(folder / "b", arguments.points)
        results["report of points"] = of_report(opened, run, arguments.repeats)
        results["served points"] = of_server(opened, run, arguments.repeats)
    leave("explore", results, arguments.json)


class browser:  # noqa: N801  # read as a function in a with statement
    """Start Chromium without a graphics card, and end it."""

    def __enter__(self) -> Any:
        from playwright.sync_api import sync_playwright

        self.playwright = sync_playwright().start()
        path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        self.opened = self.playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        return self.opened

    def __exit__(self, *_: object) -> None:
        self.opened.close()
        self.playwright.stop()


def with_pictures(folder: Path, images: int) -> Path:
    """Make the run of the demo's pictures: a tenth of them P, the others of two datasets."""
    sizes = {"roads": images // 10, "near": images * 45 // 100, "far": images - images // 10 - images * 45 // 100}
    for seed, (name, count) in enumerate(sizes.items()):
        write_dataset(folder / name, count, seed=seed, shift=0.4 * seed)
    made = howfar.compare(
        folder / "roads",
        [folder / "near", folder / "far"],
        backbone="colour_moments",
        baselines=False,
        bootstrap=0,
        permutations=0,
        store=folder / "store",
        progress=False,
    )
    return made.save(folder / "run")


def points_alone(folder: Path, points: int) -> Path:
    """Make a run of features in one space, a hundredth of them of P, the others of five datasets."""
    rng = np.random.default_rng(0)
    count = points // 5 - points // 500
    sites = {f"site {k}": rng.normal(size=(count, 8)) + 1.5 * rng.normal(size=8) for k in range(5)}
    primary = rng.normal(size=(points - 5 * count, 8))
    options: dict[str, Any] = {"projection": "primary", "components": 8, "bootstrap": 0, "permutations": 0, "rivals": False}
    return howfar.compare(primary, sites, progress=False, **options).save(folder)


def many_points(folder: Path, points: int) -> Path:
    """Make a run of a smaller one's rows, each repeated and moved a little, as no time of comparing is measured here."""
    whole, times = 20_000, points // 20_000
    made = Comparison.load(points_alone(folder / "small", whole))
    rng = np.random.default_rng(0)

    def grown(table: pd.DataFrame, by: str) -> pd.DataFrame:
        many = table.iloc[np.tile(np.arange(len(table)), times)].reset_index(drop=True)
        many["image"] += "-" + pd.Series(np.repeat(np.arange(times), len(table)).astype(str))
        for name in many.select_dtypes("float"):
            many[name] += 0.05 * np.nan_to_num(table[name].std()) * rng.normal(size=len(many))
        return many.sort_values(by, kind="stable", ignore_index=True)

    images, own = grown(made.images, "dataset"), grown(made.primary_images, "against")
    return replace(made, images=images, primary_images=own).save(folder / "run")


def of_command(opened: Any, run: Path, repeats: int) -> dict[str, Any]:
    """Measure `howfar explore` in a process of its own, from its start to a page with all points, and the page's speed."""
    command = [sys.executable, "-c", "from howfar.cli.main import main; main()", "explore", str(run)]
    begun = time.monotonic()
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        address = next(line for line in lines if line.startswith("http")).split()[0]
        found: dict[str, Any] = {"seconds until the server answers": time.monotonic() - begun}
        found |= of_long_page(opened, address, repeats)
        found["resident MB of the server"] = resident(process.pid)
        process.terminate()
    return found


def of_long_page(opened: Any, address: str, repeats: int) -> dict[str, Any]:
    """Open the page of a long run so many times; what is said of frames is of all openings together."""
    names = ("bytes until it is ready", "seconds to first picture", "seconds to all points", "resident MB of the page")
    names += ("milliseconds a step of a lasso", "processor milliseconds a step of a lasso", "processor milliseconds a frame")
    found: dict[str, list[float]] = {name: [] for name in names}
    frames: list[float] = []
    for _ in range(repeats):
        page = opened.new_page(viewport={"width": 1400, "height": 900})
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})
        sizes: list[int] = []
        page.on("response", lambda response, sizes=sizes: sizes.append(bytes_of_first_picture(response)))
        begun = time.monotonic()
        page.goto(address)
        page.wait_for_selector("#explore-app[data-ready]", state="attached", timeout=120_000)
        page.evaluate(PAINTED)
        values = [float(sum(sizes)), time.monotonic() - begun]
        page.wait_for_selector(".bar p[role=status]", state="hidden", timeout=300_000)
        values.append(time.monotonic() - begun)
        page.wait_for_load_state("networkidle")
        values.append(sum(resident(one["id"]) for one in processes(opened) if one["type"] == "renderer"))
        before = busy(session)
        values.append(page.evaluate(FRAMES, STEPS)["perMove"])
        values.append(1000 * (busy(session) - before) / STEPS)
        page.locator(".view-plane").get_by_role("button", name="Clear selection").click()
        page.wait_for_timeout(1000)
        before = busy(session)
        spent = page.evaluate(MOVED, STEPS)
        frames += spent
        values.append(1000 * (busy(session) - before) / len(spent))
        for name, value in zip(names, values, strict=True):
            found[name].append(value)
        page.close()
    spreads = {name: spread(values) for name, values in found.items()}
    return spreads | {
        "milliseconds a frame of panning and zooming": {"median": np.median(frames), "p95": np.percentile(frames, 95)}
    }


def bytes_of_first_picture(response: Any) -> int:
    """Return a response's bytes, or 0 for the points that follow the first picture's by range requests."""
    return 0 if "/column/" in response.url else int(response.headers.get("content-length", 0))


def processes(opened: Any) -> list[dict[str, Any]]:
    """List the browser's processes."""
    return list(opened.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"])


def resident(process: int) -> float:
    """Return the resident memory of a process in MB."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1000


def of_report(opened: Any, run: Path, repeats: int) -> dict[str, Any]:
    """Measure the report of a run: its bytes with and without its still figures, and what opening it takes."""
    whole = write_report(run).stat().st_size
    found = measured(opened, (run / "report.html").as_uri(), repeats)
    with_figures = dict(registry.OURS["figures"])
    registry.OURS["figures"] = {}
    alone = write_report(run).stat().st_size
    registry.OURS["figures"] = with_figures
    return {"bytes": whole, "bytes without still figures": alone, **found}


def of_server(opened: Any, run: Path, repeats: int) -> dict[str, Any]:
    with Server(site_of(run)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        found = measured(opened, server.address, repeats)
        server.shutdown()
        thread.join()
    return found


def measured(opened: Any, address: str, repeats: int) -> dict[str, Any]:
    """Open a page anew so many times, after once for warming up; seconds to its first paint, milliseconds a lasso's step.

    Beside each stands the processor time of the page's main thread, which other work on the machine lengthens little.
    """
    names = ("seconds to first paint", "processor seconds to first paint")
    names += ("milliseconds a step of a lasso", "processor milliseconds a step of a lasso")
    found: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(repeats + 1):
        page = opened.new_page(viewport={"width": 1400, "height": 900})
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})
        page.goto(address)
        page.wait_for_selector("#explore-app[data-ready]", state="attached", timeout=120_000)
        first = page.evaluate(PAINTED) / 1000
        opening = busy(session)
        step = page.evaluate(FRAMES, STEPS)["perMove"]
        values = (first, opening, step, 1000 * (busy(session) - opening) / STEPS)
        for name, value in zip(names, values, strict=True):
            found[name].append(value)
        page.close()
    return {name: spread(values[1:]) for name, values in found.items()}


def busy(session: Any) -> float:
    """Return the seconds of the processor that the page's main thread has spent on tasks."""
    metrics = {metric["name"]: metric["value"] for metric in session.send("Performance.getMetrics")["metrics"]}
    return float(metrics["TaskDuration"])


if __name__ == "__main__":
    main()
