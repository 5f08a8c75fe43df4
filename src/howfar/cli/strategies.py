"""List the strategies that choose which images to label (`howfar strategies`)."""

from __future__ import annotations

from dataclasses import asdict

from howfar.cli import options
from howfar.cli.terminal import console, print_json


def strategies(json: options.Json = False) -> None:
    """List the strategies of select and adapt: what each reads, and whether a record shows that it beats random."""
    from howfar.selection import every
    from howfar.selection.evidence import evidence, summaries

    listed = [(strategy, evidence(strategy.name)) for strategy in every()]
    if json:
        rows = [{"name": each.name, "needs": each.needs, "nested": each.nested, **asdict(shown)} for each, shown in listed]
        print_json({"strategies": rows, "summary": " ".join(summaries())})
        return
    from rich.table import Table

    table = Table(header_style="bold", box=None, pad_edge=False)
    for name in ("name", "reads", "nested", "against random"):
        table.add_column(name, overflow="fold")
    for each, shown in listed:
        table.add_row(each.name, ", ".join(each.needs) or "–", "yes" if each.nested else "no", shown.line)
    to = console()
    to.print(table, markup=False)
    for line in summaries():
        to.print(line, markup=False)
