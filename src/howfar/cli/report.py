"""`howfar report`: draw a run folder's figures and report again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(run: Annotated[Path, typer.Argument(help="A folder that `howfar compare --out` wrote.")]) -> None:
    """Write figures/ and report.html of a RUN anew from its tables, and print the page's path."""
    from howfar import registry
    from howfar.results import Comparison

    page = registry.load("reports", "html")(Comparison.load(run), run)
    typer.echo(page)
