"""Write docs/bench.md from the record benchmarks/results/bench.json; --check fails where the page is not current."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from generated_page import leave

from howfar.report.estimation_methods_report import section
from howfar.report.section import Table, TablePart
from howfar.studies.bench import method_comparison

HERE = Path(__file__).parent
PAGE, TEMPLATE = HERE / "bench.md", HERE / "bench.md.j2"
RECORD = HERE.parent / "benchmarks" / "results" / "bench.json"


def lines(table: Table) -> str:
    """Write a table as Markdown."""
    rows = [
        [column.title for column in table.columns],
        ["---"] * len(table.columns),
        *([cell.text for cell in row] for row in table.rows),
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def explained(table: Table) -> str:
    """List what the columns mean."""
    return "\n".join(f"- **{column.title}**: {column.explanation}." for column in table.columns if column.explanation)


def page(record: Mapping[str, Any]) -> str:
    """Fill the template of the page."""
    results = record["results"]
    filled = section(results)
    methods, fields = (part for part in filled.parts if isinstance(part, TablePart))
    by_name = {one["method"]: one for one in results["methods"]}
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False, keep_trailing_newline=True)
    environment.filters |= {"table": lines, "explained": explained}
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    made = f"Made by `{record['command']}` on {record['created'][:10]}, with Python {record['python']}."
    signature = re.sub(
        r"^(``\w+\(.*\)``)$", r"- \1", (method_comparison.__doc__ or "").partition("\n\n")[2].strip(), flags=re.MULTILINE
    )
    return template.render(
        lead=filled.lead,
        methods=methods,
        fields=fields,
        by_name=by_name,
        made=made,
        signature=signature.replace("``", "`").replace("`pandas.DataFrame`", "pandas data frame"),
    )


def main() -> int:
    return leave(__doc__, {PAGE: lambda: page(json.loads(RECORD.read_text(encoding="utf-8")))})


if __name__ == "__main__":
    sys.exit(main())
