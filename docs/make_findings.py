"""Write docs/findings.md and docs/reproduce.md from the stand-in study's record; --check fails where they are not current."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping
from functools import partial
from math import nan
from pathlib import Path
from statistics import mean
from typing import Any

import jinja2
from generated_page import leave

HERE = Path(__file__).parent
PAGES = ("findings.md", "reproduce.md")
RECORD = HERE.parent / "benchmarks" / "results" / "stand_in.json"


def record() -> dict[str, Any]:
    """Read the record that benchmarks/stand_in.py wrote."""
    found: dict[str, Any] = json.loads(RECORD.read_text(encoding="utf-8"))
    return found


def cell(tables: Mapping[str, Any], table: str, row: str | Mapping[str, str], column: str) -> str:
    """Return the text of a table's cell: of the row that begins with `row`, or whose cells are those of a mapping.

    A table, row or column that is not there raises `LookupError`, so that a page never shows a number that no study gave.
    """
    columns, rows = tables[table]["columns"], tables[table]["rows"]
    wanted = row if isinstance(row, Mapping) else {columns[0]: row}
    found = [cells for cells in rows if all(cells[columns.index(name)] == value for name, value in wanted.items())]
    if len(found) != 1:
        raise LookupError(f"{table} has {len(found)} rows {dict(wanted)}")
    return str(found[0][columns.index(column)])


RANDOM = "adsam"
"""The segmenter whose weights are random, which no claim is judged by."""
INDOOR = {"bedroom", "computer_room", "kitchen", "library", "bookstore", "classroom", "corridor", "office"}


def verdict(answers: Iterable[bool]) -> str:
    """Say whether a claim holds in all cases, in none, or in some."""
    found = list(answers)
    return "holds" if all(found) else "depends" if any(found) else "does not hold"


def ends(text: str) -> tuple[float, float]:
    """Read the ends of an interval such as "+0.106 [+0.045, +0.161]"; (nan, nan) without one."""
    found = re.findall(r"[-+]?\d+\.?\d*", text.partition("[")[2].replace("−", "-"))
    return (float(found[0]), float(found[1])) if found else (nan, nan)


def verdicts(results: Mapping[str, Any]) -> dict[str, str]:
    """Judge the paper's claims by the tables of the stand-in study, random weights aside."""
    tables = results["tables"]

    def rows(table: str, **where: str) -> list[dict[str, str]]:
        named = [dict(zip(tables[table]["columns"], row, strict=True)) for row in tables[table]["rows"]]
        return [row for row in named if RANDOM not in row.values() and all(row[key] == value for key, value in where.items())]

    own = [row for row in rows("distance-without-cracks") if "(trivial)" not in row["backbone"]]
    before, after = (rows("performance-slopes", model=model, dataset="all") for model in ("M", "far-7"))
    most = rows("suppression-shares", model="far-7-B3")
    near = {name: [row["closest"] for row in rows(name, backbone="lite0")][:3] for name in ("scenes-ends-1", "scenes-ends-3")}
    plateau = re.match(r"From (\d+)", results["leads"]["components"])
    return {
        "distance": verdict(row["farthest?"] == "yes" for row in own),
        "falls": verdict(row["by distance"] == "falls" for row in before),
        "flat": verdict(row["by distance"] == "consistent" for row in after),
        "few": verdict(ends(row["all"])[0] > 0 for row in rows("adaptation-gains", model="far-7")),
        "components": verdict([plateau is not None and int(plateau[1]) <= 25]),
        "recall": verdict([rows("pool-rank-recall")[0]["model"] == "deepcrack"]),
        "suppression": verdict(ends(row["change, points"])[1] < 0 for row in most),
        "edges": verdict([ends(rows("edges-differences", models="deepcrack − unetplusplus")[0]["difference"])[0] > 0]),
        "scenes": verdict((name in INDOOR) == (of == "scenes-ends-3") for of, names in near.items() for name in names),
        "robustness": verdict(
            row["top-5 overlap [95 % CI]"].startswith("1.00") for row in rows("robustness-stability", backbone="lite0")
        ),
        "identity": verdict(
            row["violated [95 % CI]"].startswith("0 %")
            for row in (*rows("identity-claims", backbone="lite0"), *rows("faces-claims", backbone="lite0"))
            if row["images"] == "as they are"
        ),
    }


def threshold_parts(results: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """Split each segmenter's gain by seven images: at its own threshold, at each dataset's best one, and the difference."""
    columns = results["tables"]["pool-scores"]["columns"]
    scores = [dict(zip(columns, row, strict=True)) for row in results["tables"]["pool-scores"]["rows"]]
    parts = []
    for model in dict.fromkeys(row["model"] for row in scores):
        gains = []
        for measure in ("mean F", "mean F at ODS"):
            of = [
                mean(float(row[measure]) for row in scores if (row["model"], row["images of each"]) == (model, n)) for n in "70"
            ]
            gains.append(of[0] - of[1])
        texts = [f"{gain:+.3f}".replace("-", "−") for gain in (*gains, gains[0] - gains[1])]
        parts.append((model, *texts))
    return parts


def page(name: str, found: Mapping[str, Any]) -> str:
    """Fill the template of a page."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False, keep_trailing_newline=True)
    results = found["results"]

    def value(table: str, row: str | Mapping[str, str], column: str, decimals: int | None = None) -> str:
        text = cell(results["tables"], table, row, column)
        return text if decimals is None else f"{float(text):.{decimals}f}"

    template = environment.from_string((HERE / f"{name}.j2").read_text(encoding="utf-8"))
    judged = {"verdict": verdicts(results), "threshold_parts": threshold_parts(results)}
    shown = {"lead": results["leads"], "seconds": results["seconds"], "table": results["tables"]}
    return template.render(cell=value, record=found, **shown, **judged)


def main() -> int:
    found = record()
    return leave(__doc__, {HERE / name: partial(page, name, found) for name in PAGES})


if __name__ == "__main__":
    sys.exit(main())
