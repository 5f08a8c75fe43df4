"""Compare methods that estimate a model's score, rank failures or sample labels, on stored tables (`howfar bench`)."""

from pathlib import Path
from typing import Annotated, Any

from howfar.cli import flags
from howfar.cli.terminal import console, print_json, print_table

METHODS = "A Python file, whose code then runs, or a method that howfar brings; by default all of these."
ENTRIES = "Read entries here, a Parquet or CSV file a model; by default those that howfar brings."


def bench(
    methods: Annotated[list[str] | None, flags.argument("METHOD.py", METHODS)] = None,
    entries: Annotated[Path | None, flags.value("DIR", ENTRIES)] = None,
    json: flags.Json = False,
) -> None:
    """Compare your own method with others: errors on new sites, intervals, gate, ranking of failures, labels needed."""
    from howfar.studies.bench.run_methods import INCLUDED
    from howfar.studies.bench.run_methods import bench as study

    found = study(methods or INCLUDED, entries)
    if json:
        print_json(found)
    else:
        _show(found)


def _show(found: dict[str, Any]) -> None:
    from howfar.report.bench_report import section
    from howfar.report.section import TablePart

    filled, to = section(found), console()
    to.print(filled.lead, style="bold")
    for part in filled.parts:
        if isinstance(part, TablePart):
            to.print(part.title)
            print_table(
                to, [each.title for each in part.table.columns], [[cell.text for cell in row] for row in part.table.rows]
            )
            for each in (column for column in part.table.columns if column.explanation):
                to.print(f"{each.title}: {each.explanation}", style="dim")
    for sentence in filled.sentences:
        to.print(sentence)
