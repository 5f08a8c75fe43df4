"""Write docs/findings.md and docs/reproduce.md from the stand-in study's record; --check fails where they are not current."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
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


def page(name: str, found: Mapping[str, Any]) -> str:
    """Fill the template of a page."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False, keep_trailing_newline=True)
    results = found["results"]

    def value(table: str, row: str | Mapping[str, str], column: str, decimals: int | None = None) -> str:
        text = cell(results["tables"], table, row, column)
        return text if decimals is None else f"{float(text):.{decimals}f}"

    template = environment.from_string((HERE / f"{name}.j2").read_text(encoding="utf-8"))
    return template.render(cell=value, record=found, lead=results["leads"], seconds=results["seconds"], table=results["tables"])


def main() -> int:
    found = record()
    return leave(__doc__, {HERE / name: partial(page, name, found) for name in PAGES})


if __name__ == "__main__":
    sys.exit(main())
