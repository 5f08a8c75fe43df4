"""Write docs/performance.md and its picture from the records in benchmarks/results; --check fails where it is not current."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import matplotlib
from generated_page import checking, leave
from matplotlib.figure import Figure

from howfar.figures.style import COLOURS, INK, MUTED, blank, drawing

HERE = Path(__file__).parent
PAGE, TEMPLATE, PICTURE = HERE / "performance.md", HERE / "performance.md.j2", HERE / "pictures" / "speed.svg"
RECORDS = HERE.parent / "benchmarks" / "results"
TIMES = "times howfar's"
Group = tuple[str, dict[str, float]]


def records() -> dict[str, Any]:
    """Read every record, by its name."""
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in sorted(RECORDS.glob("*.json"))}


def made(record: Mapping[str, Any]) -> str:
    """Say where and how a record was made."""
    hardware = record["hardware"]
    processor = hardware["processor"].replace("(R)", "").removesuffix(" Processor")
    return f"{processor}, {hardware['cores']} cores: `{record['command']}`"


def short(value: float, digits: int = 2) -> str:
    """Format a number with so many significant digits, without an exponent where it is not tiny."""
    if 0 < abs(value) < 1e-3:
        return f"{value:.0e}"
    return f"{value:,.0f}" if abs(value) >= 10**digits else f"{value:#.{digits}g}".rstrip(".") if value else "0"


def peer(times: Mapping[str, Any]) -> str:
    """Name the library whose plain loop is timed in a record of readers."""
    return next(name for name in times if name.endswith(", CPU seconds") and not name.startswith("listing")).partition(",")[0]


def page(found: Mapping[str, Any]) -> str:
    """Fill the template of the page."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False, keep_trailing_newline=True)
    environment.filters |= {"made": made, "short": short, "peer": peer}
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(found)


def groups(found: Mapping[str, Any]) -> list[Group]:
    """List what is compared, and how many times as long as howfar each peer takes."""
    sums = found["row_sums"]["results"]["by"]
    wide, tall = found["joint_pca_long"]["results"]["wide"], found["joint_pca"]["results"]["tall"]
    networks = found["throughput"]["results"]["networks"]
    return [
        ("sums of 20,000 × 20,000 distances", {name: one[TIMES] for name, one in sums.items() if name != "howfar"}),
        *(
            (
                f"joint PCA, q = {case['q']:,}",
                {name: one[TIMES] for name, one in case["by"].items() if name.startswith("scikit")},
            )
            for case in (wide, tall)
        ),
        (
            "features from files",
            {f"plain loop, {who}": one["times the plain loop"]["howfar"] for who, one in networks.items()},
        ),
    ]


def picture(compared: list[Group]) -> Figure:
    """Draw bars from 1, which is howfar's time; to the left of it the peer is faster."""
    figure = blank(9.0, 0.3 * sum(len(peers) + 1.4 for _, peers in compared))
    axes = figure.subplots()
    place, names = 0.0, []
    for number, (group, peers) in enumerate(compared):
        axes.text(0.01, place, group, color=INK, weight="bold", va="center", transform=axes.get_yaxis_transform())
        for peer, value in sorted(peers.items(), key=lambda one: -one[1]):
            place += 1
            names.append((place, peer))
            axes.barh(place, value - 1, left=1, color=COLOURS[number], height=0.62)
            side = 1 if value >= 1 else -1
            at = {"xytext": (5 * side, 0), "textcoords": "offset points", "va": "center", "ha": "left" if side > 0 else "right"}
            axes.annotate(f"{short(value)}×", (value, place), color=MUTED, **at)
        place += 1.4
    axes.axvline(1, color=INK, lw=1)
    axes.set(xscale="log", xlim=(0.05, 200), ylim=(place - 0.6, -0.8), xlabel="time of the peer, howfar = 1")
    axes.set_yticks([at for at, _ in names], [name for _, name in names])
    ticks = [0.2, 0.5, 1, 2, 5, 10, 20, 50, 100]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.grid(visible=False, axis="y")
    return figure


def main() -> int:
    found = records()
    code = leave(__doc__, {PAGE: lambda: page(found)})
    if not checking():
        with drawing(), matplotlib.rc_context({"svg.hashsalt": "speed", "savefig.pad_inches": 0.05}):
            picture(groups(found)).savefig(PICTURE, bbox_inches="tight", metadata={"Date": None})
    return code


if __name__ == "__main__":
    sys.exit(main())
