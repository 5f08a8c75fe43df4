"""Draw the figures and the report of a run or a study again (`howfar report`)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from howfar.cli.terminal import say


def report(run: Annotated[Path, typer.Argument(help="A folder that compare, matrix, adapt or prompts wrote.")]) -> None:
    """Write figures/ and report.html of a RUN or a study anew from its tables, and print the page's path."""
    from howfar.studies.run_folder import write_report

    say(str(write_report(run)))
